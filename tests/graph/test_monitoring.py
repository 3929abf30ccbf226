"""A real graph under a recorded load: its CSV logs, its metrics, and a real Prometheus that scrapes them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import ray
import yaml
from prometheus_client.parser import text_string_to_metric_families
from ray.serve.exceptions import RayServeException

from deployments.system import schemas
from tests.graph import recorded_load
from tests.graph.server import eventually, free_port, run
from tests.paths import ROOT

GRAFANA = ROOT / "cluster" / "grafana"
DASHBOARD = json.loads((GRAFANA / "shoal.json").read_text())
NAMES = "ttfa_seconds rtf underrun_seconds queue_seconds batch_width slots_used kv_bytes cache_hits_total"
ABSENT_HERE = ("shoal_gpu_", "shoal_cpu_temperature_celsius")  # without a GPU, and where no sensor can be read


def tool(name: str) -> str:
    """Prometheus's binary or one beside it; skips where there is none."""
    given = os.environ.get("PROMETHEUS")
    found = str(Path(given).with_name(name)) if given else shutil.which(name)
    if not found or not Path(found).exists():
        pytest.skip(f"needs {name}: install Debian's package prometheus, or set PROMETHEUS to its binary")
    return found


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs") / "made by Shoal"


@pytest.fixture(scope="module")
def watched(ray_address: str, tiny: Path, tmp_path_factory: pytest.TempPathFactory, logs: Path) -> str:
    """The address of a graph with CSV logs."""
    voices = tmp_path_factory.mktemp("voices")
    return run(ray_address, "watched", tiny, voices, "/watched", monitoring={"csv": str(logs)}, ingress_replicas=2)


@contextmanager
def prometheus(binary: str, address: str, folder: Path) -> Iterator[httpx.Client]:
    """A real Prometheus with our configuration, scraping `address` every second."""
    host, _, path = address.removeprefix("http://").partition("/")
    config = yaml.safe_load((GRAFANA / "prometheus.yml").read_text())
    (scrape,) = config["scrape_configs"]
    scrape |= {"scrape_interval": "1s", "scrape_timeout": "1s", "metrics_path": f"/{path}/metrics"}
    scrape["static_configs"] = [{"targets": [host]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [binary, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    process = subprocess.Popen(command, cwd=folder)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=10) as client:
            eventually(lambda: query(client, "up") if ready(client) else [], lambda up: [v for v in up if v == 1.0])
            yield client
    finally:
        process.terminate()
        process.wait(20)


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/status/buildinfo").status_code == 200
    except httpx.TransportError:
        return False


def query(client: httpx.Client, expression: str) -> list[float]:
    """The values of an instant query."""
    answer = client.get("/query", params={"query": expression})
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    return [float(series["value"][1]) for series in answer.json()["data"]["result"]]


def expressions() -> list[tuple[str, str]]:
    """(panel, query) of the dashboard, as Grafana fills in its variables."""
    found = []
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "2m").replace("$application", ".*")
            assert "$" not in text, f"unknown variable in {text}"
            found.append((panel["title"], text))
    return found


def test_every_panel_has_data_after_a_recorded_load(watched: str, logs: Path, tmp_path: Path) -> None:
    """And the load's logs are right: one load for both."""
    binary = shutil.which("prometheus") or os.environ.get("PROMETHEUS")
    if binary:
        httpx.post(f"{watched}/v1/tts", json={"text": "Hello.", "streaming": True}, timeout=60).raise_for_status()
        with prometheus(binary, watched, tmp_path) as client:
            eventually(lambda: query(client, "shoal_requests_total"), len)
            recorded_load.send(watched)
            for panel, expression in expressions():
                if not any(name in expression for name in ABSENT_HERE):
                    seen = eventually(lambda: query(client, expression), lambda values: any(v == v for v in values))  # noqa: B023
                    assert min(v for v in seen if v == v) >= 0, panel
            eventually(lambda: sum(query(client, "shoal_requests_total")), lambda sum: sum > recorded_load.SPOKEN + 3)
    else:
        recorded_load.send(watched)
    kinds = eventually(
        lambda: Counter((row["status"], row["error"]) for row in recorded_load.read(logs, "synthesis")),
        lambda found: found["499", "Gone"] == 1,
    )
    assert kinds["200", ""] >= recorded_load.SPOKEN
    assert {(str(status), kind) for _, status, kind in recorded_load.FAILURES} < kinds.keys()
    found = recorded_load.check(logs)
    assert found["realtime"] > 0 and found["failed"] == 4
    if not binary:
        pytest.skip("the logs are right; the dashboard needs prometheus: install Debian's package, or set PROMETHEUS")


def test_metrics_are_those_of_the_whole_graph_from_any_ingress(watched: str) -> None:
    httpx.post(f"{watched}/v1/tts", json={"text": "Hello.", "streaming": True}, timeout=60).raise_for_status()

    def families() -> dict:
        answer = httpx.get(f"{watched}/metrics", timeout=20)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return {family.name: family for family in text_string_to_metric_families(answer.text)}

    wanted = {f"shoal_{name.removesuffix('_total')}" for name in NAMES.split()} - {"shoal_cache_hits"}
    found = eventually(families, lambda found: wanted <= found.keys())
    stages = {sample.labels["stage"] for sample in found["shoal_slots"].samples}
    assert stages == {"reference_encoder", "text_to_semantic", "vq_decoder"}
    for name, labels in {
        "shoal_slots_used": {"stage", "device", "tier"},
        "shoal_ttfa_seconds": {"device", "tier"},
    }.items():
        assert all(labels <= sample.labels.keys() for sample in found[name].samples)
    replicas = {sample.labels["replica"] for sample in found["shoal_requests_running"].samples}
    assert len(replicas) == 2, "one of the two ingress replicas is missing"
    assert not any("shoal_gpu" in name for name in found), "a figure of a GPU that is not there"


def test_one_id_leads_from_the_answer_through_the_logs(watched: str, logs: Path) -> None:
    """The header of an answer, the access log, the CSV row, and GET /system/requests of both ingress replicas."""
    ids = [f"turn-{number}" for number in range(12)]
    for request_id in ids:
        body, headers = {"text": "Hello.", "streaming": True, "max_new_tokens": 4}, {"x-request-id": request_id}
        answer = httpx.post(f"{watched}/v1/tts", json=body, headers=headers, timeout=60)
        assert answer.headers.get_list("x-request-id") == [request_id]
    told = httpx.get(f"{watched}/system/requests", timeout=20).json()["requests"]
    assert [each["request_id"] for each in told[:12]] == ids[::-1], "the newest first"
    assert len({each["ingress"] for each in told[:12]}) == 2, "of both ingress replicas"
    (one,) = httpx.get(f"{watched}/system/requests?id=turn-3", timeout=20).json()["requests"]
    (row,) = eventually(
        lambda: [row for row in recorded_load.read(logs, "synthesis") if row["request_id"] == "turn-3"], len
    )
    assert row["replica"] == one["replica"] and float(row["wall_seconds"]) == pytest.approx(
        one["wall_seconds"], abs=1e-5
    )
    access = eventually(lambda: _access_lines("turn-3"), len)
    assert len(access) == 1
    for part in (f"replica={one['replica']}", "chars=6", "generate=", "decode=", "queue=", "pool=", "ended="):
        assert part in access[0]


def _access_lines(request_id: str) -> list[str]:
    """Lines of the ingress replicas' logs that name a request."""
    folder = Path(ray.worker.global_worker.node.get_logs_dir_path()) / "serve"
    texts = [path.read_text() for path in folder.glob("replica_watched_Ingress_*.log")]
    return [line for text in texts for line in text.splitlines() if f" ms {request_id} " in line]


def test_promtool_finds_nothing_to_mend(watched: str) -> None:
    text = eventually(lambda: httpx.get(f"{watched}/metrics", timeout=20).text, lambda text: "shoal_slots{" in text)
    done = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_system_tells_of_its_machine(watched: str) -> None:
    status = schemas.SystemStatus.model_validate(httpx.get(f"{watched}/system-status", timeout=20).json())
    (machine,) = status.machines
    assert 0 <= machine.cpu_percent <= 100 and machine.ram_available_bytes > 0
    assert machine.gpus or machine.gpu_error


def test_optimizing_a_real_graph(watched: str) -> None:
    voice = (recorded_load.VOICE.read_bytes(), "Félicitations.")
    form = {"data": {"text": "Hello.", "reference_text": voice[1]}, "files": {"reference_audio": voice[0]}}
    httpx.post(f"{watched}/v1/tts", **form, timeout=60).raise_for_status()
    answer = httpx.post(f"{watched}/optimize-for-hardware", timeout=30)
    told = schemas.Optimization.model_validate(answer.json())
    assert told.before.knobs.prefix_cache_positions > 0
    knobs = eventually(
        lambda: schemas.Optimization.model_validate(httpx.post(f"{watched}/optimize-for-hardware").json()).before.knobs,
        lambda knobs: knobs.prefix_cache_positions == 0,
    )
    assert knobs.prefix_cache_capacity > 0
    assert httpx.post(f"{watched}/v1/tts", **form, timeout=60).status_code == 200


def test_a_folder_that_cannot_be_written_to_fails_before_anything_loads(tiny: Path, ray_address: str) -> None:
    with pytest.raises(RayServeException, match=r"monitoring\.csv"):
        run(ray_address, "never", tiny, Path("voices"), "/never", monitoring={"csv": "/proc/nowhere"})


def test_a_misspelt_key_is_named(tiny: Path, ray_address: str) -> None:
    with pytest.raises(RayServeException, match=r"monitoring\.cvs.*did you mean 'csv'"):
        run(ray_address, "never", tiny, Path("voices"), "/never", monitoring={"cvs": "logs"})


def test_the_dashboard_is_whole() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places), "two panels lie on one another"
    shown = " ".join(expression for _, expression in expressions())
    assert [name for name in NAMES.split() if f"shoal_{name}" not in shown] == []
