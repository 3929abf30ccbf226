"""Clusters: `serve deploy` of the same file to a running Ray, and a graph spread over two nodes. Each in processes of
its own, beside the session's Ray."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.graph import eventually, free_port

ROOT = Path(__file__).parent.parent.parent
RAY, SERVE = (str(Path(sys.executable).parent / name) for name in ("ray", "serve"))


def environment(**more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return plain | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "SHOAL_API_KEYS": ""} | more


def run(*command: str, **more: str) -> str:
    done = subprocess.run(command, env=environment(**more), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def head(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """`ray start --head` on free ports; gives the dashboard's address and Ray's."""
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
        yield address, f"127.0.0.1:{port}"
    finally:
        # Its own group only: `ray stop` would end the session's Ray too.
        os.killpg(head.pid, signal.SIGKILL)
        head.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_same_file_deploys_to_a_running_cluster(head: tuple[str, str], tiny: Path, tmp_path: Path) -> None:
    dashboard, address = head
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    port = free_port()
    config["http_options"] = {"host": "127.0.0.1", "port": port}
    config["applications"][0]["args"] |= {"checkpoint": str(tiny), "voices": str(tmp_path / "voices")}
    file = tmp_path / "serve_config.yaml"
    file.write_text(yaml.safe_dump(config))
    run(SERVE, "deploy", "--address", dashboard, str(file))

    def status() -> dict:
        return yaml.safe_load(run(SERVE, "status", "--address", dashboard))["applications"]["shoal"]

    healthy = eventually(status, lambda s: s["status"] in ("RUNNING", "DEPLOY_FAILED"), within=90)
    assert healthy["status"] == "RUNNING", healthy
    assert {d["status"] for d in healthy["deployments"].values()} == {"HEALTHY"}
    body = {"text": "Hello from a cluster.", "max_new_tokens": 20, "seed": 1}
    assert httpx.post(f"http://127.0.0.1:{port}/v1/tts", json=body, timeout=60).status_code == 200


TWO_NODES = """
import json, os, sys
from ray.cluster_utils import Cluster
import httpx, ray
from ray import serve
from cluster import nodes
from deployments.app import build
from tests.graph import free_port

checkpoint, voices = sys.argv[1:]
memory = 80 * 2**20
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": memory,
    "include_dashboard": True, "dashboard_port": free_port()})
cluster.add_node(num_cpus=2, object_store_memory=memory)
ray.init(address=cluster.address, log_to_driver=False)
port = free_port()
serve.start(http_options={"host": "127.0.0.1", "port": port})
stages = {name: {"threads": 1} for name in ("text_to_semantic", "vq_decoder", "reference_encoder")}
serve.run(build({"checkpoint": checkpoint, "voices": voices, "stages": stages}), name="shoal", route_prefix="/")
body = {"text": "Hello from two nodes.", "max_new_tokens": 20, "seed": 1}
answer = httpx.post(f"http://127.0.0.1:{port}/v1/tts", json=body, timeout=60)
application = serve.status().applications["shoal"]
from ray.util.state import list_actors
places = [(a.class_name.split(":")[-1], a.node_id) for a in list_actors(detail=True) if a.state == "ALIVE"]
plan = httpx.get(f"http://127.0.0.1:{port}/health").json()["plan"]["stages"]["text_to_semantic"]
found = {"status": answer.status_code, "nodes": len(nodes.profiles()), "planned": plan["initial_replicas"]}
print(json.dumps(found | {"places": [node for name, node in places if name == "TextToSemantic"]}))
serve.shutdown(); ray.shutdown(); cluster.shutdown()
"""


def test_two_nodes_share_the_graph(tiny: Path, tmp_path: Path) -> None:
    output = run(sys.executable, "-W", "ignore", "-c", TWO_NODES, str(tiny), str(tmp_path / "voices"))
    result = json.loads(next(line for line in output.splitlines() if line.startswith('{"status"')))
    assert result["status"] == 200
    # The plan gives each node a replica of its own, and that is where they are.
    assert result["nodes"] == result["planned"] == len(result["places"]) == len(set(result["places"])) == 2, result
