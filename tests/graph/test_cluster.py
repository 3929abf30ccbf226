"""Clusters: `serve deploy` of the same file to a running Ray, and a graph spread over two nodes. Each in processes of
its own, beside the session's Ray."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from cluster.planning.stages import STAGES
from tests.graph.server import eventually, free_port
from tests.paths import ROOT

RAY, SERVE = (str(Path(sys.executable).parent / name) for name in ("ray", "serve"))


def environment(**more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return plain | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "SHOAL_API_KEYS": ""} | more


def run(*command: str, timeout: float = 120, **more: str) -> str:
    done = subprocess.run(command, env=environment(**more), cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`ray start --head` on free ports; gives the dashboard's address."""
    tmp_path = tmp_path_factory.mktemp("head")
    port, dashboard = free_port(), free_port()
    ports = [f"--{name}={free_port()}" for name in ("dashboard-agent-listen-port", "ray-client-server-port")]
    command = [RAY, "start", "--head", f"--port={port}", f"--dashboard-port={dashboard}", "--num-cpus=4", *ports]
    head = subprocess.Popen(
        [*command, "--object-store-memory=83886080", "--block"],
        env=environment(RAY_TMPDIR="/tmp"),
        cwd="/",  # not the project: its packages must be found all the same
        stdout=(tmp_path / "head.log").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{dashboard}"
    try:
        eventually(lambda: _answers(f"{address}/api/serve/applications/"), bool, within=60)
        yield address
    finally:
        # Its own group only: `ray stop` would end the session's Ray too.
        os.killpg(head.pid, signal.SIGKILL)
        head.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@dataclass
class Deployed:
    """serve_config.yaml on a running cluster. `config` is what was deployed last."""

    dashboard: str
    address: str
    config: dict

    def deploy(self) -> None:
        """The request that `serve deploy` sends, without starting a process for it."""
        httpx.put(f"{self.dashboard}/api/serve/applications/", json=self.config, timeout=30).raise_for_status()

    def status(self) -> dict:
        found = httpx.get(f"{self.dashboard}/api/serve/applications/", timeout=10).json()
        return found["applications"]["shoal"]

    def replicas(self) -> dict[str, list[str]]:
        """Names of each deployment's replicas that take requests."""
        return {
            name: [r["replica_id"] for r in found["replicas"] if r["state"] == "RUNNING"]
            for name, found in self.status()["deployments"].items()
        }

    def speak(self, text: str = "Hello from a cluster.", **fields: object) -> httpx.Response:
        body = {"text": text, "max_new_tokens": 20, "seed": 1, "format": "pcm", **fields}
        return httpx.post(f"{self.address}/v1/tts", json=body, timeout=60)


@pytest.fixture(scope="module")
def deployed(dashboard: str, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    port, folder = free_port(), tmp_path_factory.mktemp("deployed")
    config["http_options"] = {"host": "127.0.0.1", "port": port}
    stages = {name: {"threads": 1, "num_cpus": 0.5} for name in STAGES}  # so that the cluster holds all of them twice
    config["applications"][0]["args"] |= {"checkpoint": str(tiny), "voices": str(folder / "voices"), "stages": stages}
    cluster = Deployed(dashboard, f"http://127.0.0.1:{port}", config)
    file = folder / "serve_config.yaml"
    file.write_text(yaml.safe_dump(config))
    run(SERVE, "deploy", "--address", dashboard, str(file))
    found = eventually(cluster.status, lambda s: s["status"] in ("RUNNING", "DEPLOY_FAILED"), within=90)
    assert found["status"] == "RUNNING", found
    return cluster


def test_the_same_file_deploys_to_a_running_cluster(deployed: Deployed) -> None:
    healthy = yaml.safe_load(run(SERVE, "status", "--address", deployed.dashboard))["applications"]["shoal"]
    assert healthy["status"] == "RUNNING", healthy
    assert {d["status"] for d in healthy["deployments"].values()} == {"HEALTHY"}
    assert deployed.speak().status_code == 200


LONG = "The shoal turns as one, and nobody gives an order. " * 40  # ten segments


@contextmanager
def listening(cluster: Deployed) -> Iterator[Callable[[], int]]:
    """A client who has heard the beginning of a long text, and takes the rest when asked: gives its bytes."""
    body = {"text": LONG, "streaming": True, "seed": 4, "format": "pcm"}
    with httpx.stream("POST", f"{cluster.address}/v1/tts", json=body, timeout=60) as response:
        assert response.status_code == 200, response.read()
        parts = response.iter_raw()
        first = next(parts)
        yield lambda: len(first) + sum(map(len, parts))


def test_a_changed_limit_restarts_nothing(deployed: Deployed) -> None:
    before = deployed.replicas()
    (ingress,) = deployed.config["applications"][0]["deployments"]
    assert deployed.speak("x" * 600).status_code == 200
    with listening(deployed) as rest:
        ingress["user_config"]["text_chars"] = 500
        deployed.deploy()
        refused = eventually(lambda: deployed.speak("x" * 600), lambda r: r.status_code != 200)
        assert refused.status_code == 413 and "the limit is 500" in refused.text
        streamed = rest()
    assert deployed.replicas() == before
    # A faulty change leaves everything as it was: replicas that refused it would be replaced, and their requests lost.
    ingress["user_config"]["text_char"] = 10
    deployed.deploy()
    eventually(deployed.status, lambda s: s["status"] == "RUNNING")
    assert deployed.speak("x" * 600).status_code == 413 and deployed.speak().status_code == 200
    assert deployed.replicas() == before
    del ingress["user_config"]["text_char"]
    ingress["user_config"]["text_chars"] = 50_000
    deployed.deploy()
    whole = eventually(
        lambda: deployed.speak(LONG, max_new_tokens=1024, seed=4, streaming=True), lambda r: r.is_success
    )
    assert len(whole.content) == streamed


def test_new_replicas_serve_before_old_ones_stop(deployed: Deployed) -> None:
    before = deployed.replicas()
    whole = deployed.speak(LONG, max_new_tokens=1024, seed=4, streaming=True)
    answers: set[tuple[str, int]] = set()
    with listening(deployed) as rest:
        deployed.config["applications"][0]["args"]["stages"]["text_to_semantic"]["slots"] = 5
        deployed.deploy()

        def changed() -> bool:
            answers.add(("speak", deployed.speak().status_code))
            answers.add(("ready", httpx.get(f"{deployed.address}/v2/health/ready", timeout=30).status_code))
            now = deployed.replicas()
            return all(now.get(name) and not set(now[name]) & set(old) for name, old in before.items())

        eventually(changed, bool, within=90)
        assert rest() == len(whole.content)
    assert answers == {("speak", 200), ("ready", 200)}
    health = httpx.get(f"{deployed.address}/health", timeout=30).json()
    assert health["plan"]["stages"]["text_to_semantic"]["slots"] == 5 and health["plan"]["spare"]
    assert deployed.speak().status_code == 200


def test_a_lost_node_takes_only_its_own_streams_along(tiny: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-W", "ignore", "-m", "tests.graph.two_nodes", str(tiny), str(tmp_path / "voices"))
    seen = json.loads(next(line for line in run(*command, timeout=280).splitlines() if line.startswith('{"nodes"')))
    assert seen["nodes"] == len(set(seen["before"])) == len(set(seen["ingress"])) == 2, "a replica on each node"
    assert set(seen["streams"]) == {"whole", "broken off"} and len(seen["streams"]) == 8, seen
    statuses = {status for status, _, _ in seen["answers"]}
    assert 200 in statuses and statuses <= {200, 503}, seen
    assert all("restarting" in text for status, text, _ in seen["answers"] if status == 503)
    assert seen["answers"][-1][0] == seen["last"] == 200
    assert len(set(seen["back"]) - set(seen["before"])) == 1, "the node that came back is a new one to Ray, and in use"
