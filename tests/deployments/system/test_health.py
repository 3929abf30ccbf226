"""The routes about the server itself, before machines and stages made up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cluster.machine.gpu_meter import GpuLoad
from cluster.machine.monitor import Load
from deployments.ingress.asgi import create_app
from deployments.monitoring.stats import MachineLoad
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from deployments.system import schemas
from tests.cluster.machines import machine
from tests.deployments.fakes import INFO, FakeStages, make_pipeline, recording

CALM = Load(cpu=10.0, ram=20.0, ram_available=10**9, gpus=(), gpu_error="no driver", temperature=None)


PROFILE = dataclasses.replace(machine("rtx-4090"), nvidia_driver="580.82.07", torch="2.11.0+cu130")


class Machines:
    """What the replicas would answer."""

    def __init__(self) -> None:
        self.loads = [CALM]
        self.fanless = False
        self.positions, self.capacity = 700, 1536

    async def machines(self) -> list[MachineLoad]:
        return [MachineLoad(f"node-{i}", f"host-{i}", self.fanless, load, False) for i, load in enumerate(self.loads)]

    async def engines(self) -> list[dict[str, int]]:
        return [{"slots": 4, "prefix_cache_positions": self.positions, "prefix_cache_capacity": self.capacity}]

    async def clear_prefixes(self, halve: bool) -> None:
        self.positions, self.capacity = 0, self.capacity // (2 if halve else 1)


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def client(machines: Machines, stages: FakeStages, tmp_path: Path) -> Iterator[TestClient]:
    answers = {name: getattr(machines, name) for name in ("machines", "engines", "clear_prefixes")}
    limits = Limits()
    pipeline = make_pipeline(stages, VoiceLibrary(str(tmp_path)), limits)
    info = dataclasses.replace(INFO, profiles=(PROFILE,), **answers)
    with TestClient(create_app(pipeline, info, ("key",))) as client:
        client.headers["authorization"] = "Bearer key"
        yield client


def test_health_tells_of_the_machines_that_the_plan_was_made_for(client: TestClient) -> None:
    (machine,) = client.get("/health").json()["machines"]
    gpu = {"index": 0, "name": "NVIDIA GeForce RTX 4090", "compute_capability": "8.9", "problem": None}
    assert machine.pop("gpus") == [gpu | {"vram_total_bytes": PROFILE.gpus[0].vram_total}]
    assert (machine["os"], machine["cpu"], machine["physical_cores"]) == ("linux", PROFILE.cpu.model, 16)
    assert machine["ram_total_bytes"] == PROFILE.ram_total
    assert (machine["nvidia_driver"], machine["torch"]) == ("580.82.07", "2.11.0+cu130")


def test_a_calm_machine_is_ok_and_unknown_figures_are_null(client: TestClient) -> None:
    answer = client.get("/system-status").json()
    assert schemas.SystemStatus.model_validate(answer).recommended_action == "OK"
    (machine,) = answer["machines"]
    assert (machine["memory"], machine["cpu"], machine["thermal"]) == ("ok", "ok", "ok")
    assert machine["temperature_celsius"] is None and machine["gpus"] == [] and machine["gpu_error"] == "no driver"


def test_a_machine_under_pressure_is_named(client: TestClient, machines: Machines) -> None:
    lost = GpuLoad(0, None, None, None)
    machines.loads = [CALM, dataclasses.replace(CALM, cpu=95.0, ram=91.0, gpus=(lost,), gpu_error="GPU 0 is lost")]
    answer = schemas.SystemStatus.model_validate(client.get("/system-status").json())
    calm, pressed = answer.machines
    assert calm.recommended_action == "OK"
    assert (pressed.memory, pressed.cpu) == ("critical", "maxed")
    (unknown,) = pressed.gpus
    assert set(unknown.model_dump(exclude={"index"}).values()) == {None}
    assert (pressed.vram, pressed.thermal) == ("ok", "ok"), "what is unknown is no pressure"
    assert answer.recommended_action.startswith("host-1: Memory")


def test_a_full_and_a_hot_gpu_are_named(client: TestClient, machines: Machines) -> None:
    hot = GpuLoad(0, 99.0, 5.0, 8 * 10**9, 24 * 10**9, 91.0, ("thermal slowdown by the hardware",))
    full = GpuLoad(1, 99.0, 5.0, 24 * 10**9 - 1, 24 * 10**9, 70.0, ())
    machines.loads = [dataclasses.replace(CALM, gpus=(hot, full))]
    answer = schemas.SystemStatus.model_validate(client.get("/system-status").json())
    (machine,) = answer.machines
    assert (machine.thermal, machine.vram, machine.memory) == ("hot", "critical", "ok")
    assert (machine.gpus[0].temperature_celsius, machine.gpus[0].throttle_reasons) == (91.0, [*hot.throttled])
    assert (machine.gpus[1].vram_total_bytes, machine.gpus[1].throttle_reasons) == (24 * 10**9, [])
    assert "GPU 1 is nearly full" in answer.recommended_action and "GPU 0 down" in answer.recommended_action


def test_no_machine_is_no_ok(client: TestClient, machines: Machines) -> None:
    machines.loads = []
    assert client.get("/system-status").json()["recommended_action"] != "OK"


def test_optimizing_clears_caches_and_says_what_it_leaves(client: TestClient, machines: Machines) -> None:
    voice = {"data": {"id": "sea", "text": "the sea"}, "files": {"audio": recording()}}
    assert client.post("/v1/references/add", **voice).status_code == 200
    answer = schemas.Optimization.model_validate(client.post("/optimize-for-hardware").json())
    before, after = answer.before.knobs, answer.after.knobs
    assert (before.reference_cache_entries, before.prefix_cache_positions) == (1, 700)
    assert (after.reference_cache_entries, after.prefix_cache_positions) == (0, 0)
    assert after.reference_cache_capacity == before.reference_cache_capacity
    assert after.segments_ahead == before.segments_ahead
    assert any("threads" in line for line in answer.not_changed)
    assert any("not critical" in line for line in answer.not_changed)


def test_optimizing_under_pressure_halves(client: TestClient, machines: Machines, stages: FakeStages) -> None:
    machines.loads = [dataclasses.replace(CALM, ram=90.0), dataclasses.replace(CALM, cpu=95.0)]
    answer = schemas.Optimization.model_validate(client.post("/optimize-for-hardware").json())
    before, after = answer.before.knobs, answer.after.knobs
    assert after.reference_cache_capacity == before.reference_cache_capacity // 2
    assert after.prefix_cache_capacity == before.prefix_cache_capacity // 2
    assert (after.segment_chars, after.segments_ahead) == (150, before.segments_ahead // 2)
    words = "word " * 100
    assert client.post("/v1/tts", json={"text": words, "chunk_length": 300}).status_code == 200
    assert max(len(prompt.text) for prompt in stages.prompts) <= 150
    for _ in range(6):
        answer = schemas.Optimization.model_validate(client.post("/optimize-for-hardware").json())
    floor = answer.after.knobs
    assert (floor.reference_cache_capacity, floor.segment_chars, floor.segments_ahead) == (1, 100, 1)


def test_emotions_and_languages(client: TestClient) -> None:
    emotions = schemas.Emotions.model_validate(client.get("/emotions").json())
    assert "excited" in emotions.emotions and "whispering" in emotions.tones and "laughing" in emotions.special
    assert "reference" in emotions.note
    languages = schemas.Languages.model_validate(client.get("/languages").json()).languages
    assert " ".join(each.code for each in languages) == "en zh ja ko fr de es pl ru it pt ar hi tr"
    assert all(each.normalized for each in languages), "numbers are read in every language that S1 speaks"


def test_only_probes_and_scrapes_need_no_key(client: TestClient) -> None:
    del client.headers["authorization"]
    for path in ("/system-status", "/emotions", "/languages"):
        assert client.get(path).status_code == 401
    assert client.post("/optimize-for-hardware").status_code == 401
    assert client.get("/health").status_code == 200
    answer = client.get("/metrics")
    assert (answer.status_code, "Ray" in answer.text) == (503, True)


def test_health_follows_its_schema(client: TestClient) -> None:
    health = schemas.Health.model_validate(client.get("/health").json())
    assert health.status == "ok" and health.engine["slots"] == 4
