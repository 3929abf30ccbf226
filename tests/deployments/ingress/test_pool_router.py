"""Routing between pools: simulated loads and stages that answer at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import balance
from cluster.balance import Thresholds
from cluster.machine.gpu_meter import GpuLoad
from cluster.machine.monitor import Load
from deployments.ingress import pool_router as module
from deployments.ingress.pool_router import PoolRouter
from deployments.monitoring.stats import MachineLoad
from deployments.stages.status import PoolStatus
from deployments.synthesis.pipeline import Pipeline, Pool
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from models.types import Busy, InvalidRequest, NotReady, OutOfMemory, SynthesisRequest
from tests.deployments.fakes import FakeStages

QUIET = Load(10, 40, 8 * 10**9, (GpuLoad(0, 10, 10, None),), None, None)
BUSY = replace(QUIET, gpus=(GpuLoad(0, 99, 10, None),))


class Machine:
    """A monitor, replicas and a Ray Serve of which a test says what they see."""

    def __init__(self) -> None:
        self.load = QUIET
        self.working = False
        self.elsewhere: dict[str, list[MachineLoad]] = {}
        self.looks = 0
        self.states = {"cuda": "running", "cpu": "running"}
        self.fail: Exception | None = None

    def start(self) -> None:
        pass

    def latest(self) -> Load:
        return self.load

    async def machines(self) -> dict[str, list[MachineLoad]]:
        here = [MachineLoad("a", "a", False, self.load, self.working)]
        running = {name: here for name, state in self.states.items() if state == "running"}
        return running | self.elsewhere

    async def status(self) -> dict[str, PoolStatus]:
        self.looks += 1
        if self.fail:
            raise self.fail
        return {name: PoolStatus(state, {}) for name, state in self.states.items()}


class Two:
    """A GPU's pool and a CPU's behind one pipeline."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("cuda", "cpu")) -> None:
        self.machine = Machine()
        self.stages = {name: FakeStages() for name in names}
        pools = [
            Pool(name, name, stages, f"tier-{name}", 50 if name == "cpu" else 1000, 100 if name == "mps" else None)
            for name, stages in self.stages.items()
        ]
        thresholds = dict.fromkeys(names, Thresholds())
        self.router = PoolRouter(pools, thresholds, self.machine.status, self.machine.machines, self.machine, "a test")
        voices = VoiceLibrary(str(folder / "voices"))
        self.pipeline = Pipeline(self.stages[names[0]], voices, Limits(), self.router.route)

    async def headers(self, text: str = "Hello.", **fields: object) -> dict[str, str]:
        speech = await self.pipeline.open(SynthesisRequest(text, **fields))
        await speech.aclose()
        return speech.headers

    async def speaker(self, device: str | None = None) -> str:
        return (await self.headers(device=device))["X-Device"]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.sleep(0.005)

    async def until_speaks(self, device: str) -> None:
        async with asyncio.timeout(5):
            while await self.speaker() != device:
                await asyncio.sleep(0.005)

    async def look(self) -> None:
        """Until what the machine shows now has been seen."""
        await self.speaker()
        looks = self.machine.looks
        await self.until(lambda: self.machine.looks >= looks + 2)


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Two:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(balance, "INTERVAL", 0.02)
    return Two(tmp_path)


async def test_load_moves_requests_and_back_and_says_why(two: Two) -> None:
    await two.look()
    assert await two.speaker() == "cuda"
    two.machine.load = BUSY
    await two.until_speaks("cpu")
    two.machine.load = QUIET
    await two.until_speaks("cuda")
    shown = await two.router.describe()
    reasons = [(each["pool"], each["reason"]) for each in shown["decisions"]]
    assert [pool for pool, _ in reasons] == ["cuda", "cpu", "cuda"]
    assert "GPU busy" in reasons[1][1]
    assert [(pool["name"], pool["state"]) for pool in shown["pools"]] == [("cuda", "running"), ("cpu", "running")]


async def test_our_own_work_on_a_gpu_is_no_reason_to_leave_it(two: Two) -> None:
    two.machine.working, two.machine.load = True, BUSY
    await two.look()
    assert await two.speaker() == "cuda"
    two.machine.load = replace(QUIET, gpus=(GpuLoad(0, 99, 95, None),))  # others' memory is
    await two.until_speaks("cpu")


def there(node: str, busy: float, *, gpu: int = 0, fanless: bool = False, **fields: float) -> MachineLoad:
    return MachineLoad(node, node, fanless, replace(QUIET, gpus=(GpuLoad(gpu, busy, 10, None),), **fields), False)


async def test_a_pool_is_judged_by_the_machines_that_it_runs_on(two: Two) -> None:
    two.machine.load = replace(QUIET, gpus=())  # the ingress has none
    two.machine.elsewhere = {"cuda": [there("b", 99), there("c", 99)]}
    await two.until_speaks("cpu")
    two.machine.elsewhere = {"cuda": [there("b", 99), there("b", 10, gpu=1)]}  # replicas that see one GPU each
    await two.until_speaks("cuda")
    two.machine.elsewhere = {"cuda": [there("b", 99)]}
    await two.until_speaks("cpu")
    two.machine.elsewhere = {"cuda": [there("b", 99)], "cpu": [there("d", 0, ram=99)]}
    await two.look()
    assert await two.speaker() == "cpu", "both are over their thresholds: nothing moves"
    two.machine.elsewhere = {"cuda": [there("b", 10)], "cpu": [there("d", 0)]}
    await two.until_speaks("cuda")


async def test_of_replicas_on_one_gpu_the_one_at_work_knows_whose_work_it_is(two: Two) -> None:
    idle, working = there("b", 99), replace(there("b", 99), working=True)
    two.machine.elsewhere = {"cuda": [working, idle]}
    await two.look()
    assert await two.speaker() == "cuda"
    two.machine.elsewhere = {"cuda": [idle, idle]}
    await two.until_speaks("cpu")


async def test_what_was_seen_holds_while_no_replica_answers(two: Two) -> None:
    two.machine.elsewhere = {"cuda": [there("b", 99)]}
    await two.until_speaks("cpu")
    two.machine.elsewhere = {"cuda": []}
    await two.look()
    assert await two.speaker() == "cpu"
    two.machine.states["cuda"] = "asleep"  # now this machine stands in
    await two.until(lambda: (two.router.route(None), two.stages["cuda"].wakes)[1] > 0)


async def test_a_machine_that_is_gone_is_forgotten(two: Two) -> None:
    two.machine.elsewhere = {"cuda": [there("b", 99)]}
    await two.until_speaks("cpu")
    two.machine.elsewhere = {"cuda": [there("c", 10)]}
    await two.until_speaks("cuda")


async def test_a_hot_machine_takes_shorter_texts_until_it_has_cooled(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(balance, "INTERVAL", 0.02)
    air = Two(tmp_path, ("mps",))
    air.machine.states = {"mps": "running"}
    text = "Words about the sea and its fish. " * 6

    async def limit() -> tuple[str, str]:
        headers = await air.headers(text, on_long_text="truncate")
        return headers["X-Max-Text-Length"], headers["X-Text-Truncated"]

    async def becomes(wanted: tuple[str, str]) -> None:
        async with asyncio.timeout(5):
            while await limit() != wanted:
                await asyncio.sleep(0.005)

    await becomes(("1000", "false"))
    air.machine.elsewhere = {"mps": [there("air", 0, fanless=True, cpu=80)]}
    await becomes(("100", "true"))
    air.machine.elsewhere = {"mps": [there("air", 0, fanless=True, cpu=20)]}
    await becomes(("1000", "false"))


async def test_a_pool_that_sleeps_is_woken_while_the_other_speaks(two: Two) -> None:
    two.machine.states["cpu"] = "asleep"
    two.machine.load = BUSY
    await two.speaker()
    await two.until(lambda: (two.router.route(None), two.stages["cpu"].wakes)[1] > 0)
    assert await two.speaker() == "cuda"
    two.machine.states["cpu"] = "running"
    await two.until_speaks("cpu")


async def test_a_request_for_a_pool_that_sleeps_wakes_it_and_waits(two: Two) -> None:
    two.machine.states["cpu"] = "asleep"
    await two.look()
    assert await two.speaker("cpu") == "cpu"
    assert two.stages["cpu"].wakes == 1 and two.stages["cuda"].wakes == 0


async def test_a_dead_pool_is_routed_around_before_anything_is_decided(two: Two, monkeypatch) -> None:
    await two.look()
    monkeypatch.setattr(balance, "INTERVAL", 1e9)
    two.machine.states["cuda"] = "starting"
    await two.look()
    assert await two.speaker() == "cpu"
    assert await two.speaker("cuda") == "cuda", "a request for a pool waits for it"


async def test_a_pool_that_has_just_failed_is_not_asked_first(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    await two.look()
    two.stages["cuda"].failed_at = time.monotonic()
    monkeypatch.setattr(balance, "INTERVAL", 60)
    assert await two.speaker() == "cpu"
    two.stages["cuda"].failed_at -= 61
    assert await two.speaker() == "cuda"


async def test_what_was_known_holds_while_ray_serve_does_not_answer(two: Two) -> None:
    two.machine.load = BUSY
    await two.until_speaks("cpu")
    two.machine.fail = RuntimeError("the controller is restarting")
    await two.look()
    assert await two.speaker() == "cpu"
    two.machine.fail, two.machine.load = None, QUIET
    await two.until_speaks("cuda")


@pytest.mark.parametrize("error", [Busy("full", 3), NotReady("dead"), OutOfMemory("too large")])
async def test_a_refused_request_goes_to_the_other_pool_unless_it_is_forced(two: Two, error: Exception) -> None:
    two.stages["cuda"].fail = error
    assert await two.speaker() == "cpu"
    with pytest.raises(type(error)):
        await two.speaker("cuda")
    two.stages["cpu"].fail = NotReady("dead too")
    with pytest.raises(type(error)):
        await two.speaker()
    assert {stages.active for stages in two.stages.values()} == {0}


async def test_a_text_that_sounds_stays_in_its_pool(two: Two) -> None:
    two.stages["cuda"].fail, two.stages["cuda"].fail_after = NotReady("died midway"), 1
    speech = await two.pipeline.open(SynthesisRequest("A sentence about fish. " * 30))
    with pytest.raises(NotReady):
        async for _ in speech.blocks():
            pass
    assert not two.stages["cpu"].prompts


async def test_the_limits_are_those_of_the_pool_that_speaks(two: Two) -> None:
    text = "Words about the sea and its fish. " * 4
    cuda = await two.headers(text, on_long_text="truncate")
    two.stages["cuda"].fail = Busy("full")
    cpu = await two.headers(text, on_long_text="truncate")
    assert (cuda["X-Hardware-Tier"], cuda["X-Text-Truncated"], cuda["X-Pool"]) == ("tier-cuda", "false", "cuda")
    assert (cpu["X-Hardware-Tier"], cpu["X-Text-Truncated"], cpu["X-Pool"]) == ("tier-cpu", "true", "cpu")


async def test_a_device_without_a_pool_is_refused_with_what_exists(two: Two) -> None:
    with pytest.raises(InvalidRequest, match="device 'mps' has no pool here; there is: auto, cuda, cpu"):
        await two.speaker("mps")
    assert [await two.speaker(device) for device in ("auto", "", None, "cpu")] == ["cuda", "cuda", "cuda", "cpu"]


async def test_one_pool_asks_nobody(tmp_path: Path) -> None:
    one = Two(tmp_path, ("cpu",))
    assert [await one.speaker(device) for device in (None, "auto", "cpu")] == ["cpu"] * 3
    with pytest.raises(InvalidRequest, match="'cuda' has no pool here; there is: auto, cpu"):
        await one.speaker("cuda")
    await asyncio.sleep(0)
    assert one.machine.looks == 0
