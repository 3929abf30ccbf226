"""Memory: what requests claim, and an engine in a control group at whose limit the kernel kills."""

from __future__ import annotations

import queue
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cluster.machine import memory
from models.native import build
from models.text_to_semantic.engine.engine import Engine
from models.text_to_semantic.engine.scheduler import Scheduler
from models.text_to_semantic.native.network import NativeNetwork
from models.text_to_semantic.network.interface import EncodedPrompt
from models.text_to_semantic.prefix_cache import PrefixCache
from models.types import Finished, OutOfMemory, Sampling
from tests.graph.control_group import ControlGroup, made
from tests.models.text_to_semantic.network.small_network import SMALL, prompt, weights

pytestmark = pytest.mark.slow

if reason := build.available():
    pytest.skip(reason, allow_module_level=True)

# Few weights and a large cache: 64 KB a position, half of S1-mini's.
WIDE = replace(SMALL, n_layer=8, dim=64, n_head=16, n_local_heads=16, head_dim=128, fast_head_dim=24, fast_dim=64)
POSITIONS, SLOTS = 1600, 8
ROOM = 150_000_000  # bytes left to the engine: two streams and a half of 900 positions
MARGIN = 100_000_000  # instead of the real one, which would take long to fill


def wide() -> NativeNetwork:
    return NativeNetwork(weights(WIDE), slots=SLOTS, positions=POSITIONS, threads=1)


def speak(engine: Engine, prompts: list[int], frames: int = 4) -> list[Finished | Exception]:
    """How each stream ended: prompts of so many positions, `frames` of each at most."""
    events = [queue.Queue() for _ in prompts]
    for i, (length, into) in enumerate(zip(prompts, events, strict=True)):
        encoded = EncodedPrompt(prompt(length), 0, None)
        engine.submit(str(i), encoded, Sampling(seed=i, max_new_tokens=frames), into.put)
    ends = []
    for each in events:
        while isinstance(event := each.get(timeout=120), torch.Tensor | type(prompt(4).numpy())):
            pass
        ends.append(event)
    return ends


@pytest.mark.parametrize("length", [256, 768, 1536])
def test_a_request_claims_what_the_model_says(length: int) -> None:
    network = wide()
    network.reset(0, Sampling())
    network.prefill(0, prompt(64), 0)  # what a first call sets up
    before = psutil.Process().memory_info().rss
    network.reset(1, Sampling())
    network.prefill(1, prompt(length), 0)
    claimed = psutil.Process().memory_info().rss - before
    assert claimed == pytest.approx(memory.cache_bytes(length, network.kv_bytes_per_position), rel=0.1)


def test_what_is_kept_of_voices_is_given_back_when_it_is_dropped() -> None:
    network, rss = wide(), psutil.Process().memory_info
    network.reset(0, Sampling())
    network.prefill(0, prompt(400), 0)
    before = rss().rss
    for _ in range(3):
        kept = [network.copy_prefix(0, length) for length in (100, 160, 220, 280, 340)]
        held = rss().rss - before
        assert held == pytest.approx(1100 * network.kv_bytes_per_position, rel=0.2)
        kept.clear()
        assert rss().rss - before < held / 10


def test_streams_wait_until_they_fit_and_what_never_fits_is_refused() -> None:
    network = wide()
    each = network.kv_bytes_per_position
    engine = Engine(network, Scheduler(SLOTS, SLOTS, 256, 10**6, 20.0), PrefixCache(0), memory=lambda held: 1000 * each)
    try:
        ends = speak(engine, [600, 600, 1500, 300])
        assert [type(end) for end in ends] == [Finished, Finished, OutOfMemory, Finished]
        assert "0.10 GB of memory and 0.07 GB are free" in str(ends[2])
        assert engine.widest_batch == 1, "1,208 positions at once were too many"
        assert engine.stats()["slots_used"] == engine.stats()["waiting"] == 0
    finally:
        engine.stop()


def test_replicas_of_one_machine_never_claim_more_than_there_is() -> None:
    """Two engines see the same free memory, less what both hold: as they would be, side by side on one machine."""
    networks = [wide(), wide()]
    each, whole = networks[0].kv_bytes_per_position, 2400
    engines: list[Engine] = []
    most = 0

    def claimable(held: int) -> int:
        nonlocal most
        taken = sum(engine.held_bytes for engine in engines)
        most = max(most, taken)
        return memory.part(whole * each - taken, held, len(networks))

    engines += [Engine(n, Scheduler(SLOTS, SLOTS, 256, 10**6, 20.0), PrefixCache(0), claimable) for n in networks]
    try:
        with ThreadPoolExecutor() as both:
            ends = both.map(lambda engine: speak(engine, [500] * 6, frames=30), engines)
            assert all(isinstance(end, Finished) for one in ends for end in one)
        assert 1000 * each < most <= whole * each, "two streams of 530 positions each at once, and a fifth did not fit"
        assert {type(end) for end in speak(engines[0], [1300])} == {OutOfMemory}, "over its half"
    finally:
        for engine in engines:
            engine.stop()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 60)), max_size=60))
def test_parts_never_add_up_to_more_than_the_whole(steps: list[tuple[int, int, int]]) -> None:
    held, promised = [0, 0, 0], [0, 0, 0]
    for replica, action, amount in steps:
        if action == 0 and promised[replica] + amount <= memory.part(100 - sum(held), held[replica], 3):
            promised[replica] += amount
        elif action == 1:  # what was promised is filled
            held[replica] += min(amount, promised[replica])
            promised[replica] -= min(amount, promised[replica])
        elif action == 2:
            held[replica] -= min(amount, held[replica])
        assert sum(held) + sum(promised) <= 100
    assert memory.part(100, 0, 1) == 100 and memory.part(70, 30, 1) == 70


def test_what_ray_would_kill_for_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for total, left in ((4 * 10**9, memory.MARGIN), (100 * 10**9, 6 * 10**9)):
        monkeypatch.setattr(memory.hardware, "memory", lambda limits, total=total: (total, 8 * 10**9))
        assert memory.claimable() == 8 * 10**9 - left


@pytest.fixture
def control_group() -> Iterator[ControlGroup]:
    with made() as group:
        yield group


@pytest.mark.parametrize("guarded", [False, True], ids=["naive", "guarded"])
def test_a_hard_limit_kills_the_naive_engine_and_not_ours(control_group: ControlGroup, guarded: bool) -> None:
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", __name__, str(control_group.path), str(int(guarded))],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        said, _ = child.communicate(timeout=240)
        errors.seek(0)
        assert child.returncode == (0 if guarded else -9), errors.read()
    assert control_group.kills() == (0 if guarded else 1)
    if guarded:
        assert said.split() == ["Finished"] * 8 + ["OutOfMemory"]


def main(group: ControlGroup, guarded: bool) -> None:
    """Eight streams of which two fit at a time, then one that no longer fits, in a control group of this process."""
    network = wide()
    network.reset(0, Sampling())
    network.prefill(0, prompt(64), 0)
    network.release(0)
    group.join()
    used = group.used()
    memory.MARGIN = MARGIN
    group.limit(used + ROOM + MARGIN)
    scheduler = Scheduler(SLOTS, SLOTS, 256, 10**6, 20.0)
    engine = Engine(network, scheduler, PrefixCache(0), memory.claimable if guarded else None)
    ends = speak(engine, [850] * 8, frames=50)  # the first still speaks when the last is prefilled
    group.limit(used + MARGIN + ROOM // 10)
    ends += speak(engine, [850])
    print(*(type(end).__name__ for end in ends), flush=True)
    engine.stop()


if __name__ == "__main__":
    main(ControlGroup(Path(sys.argv[1])), bool(int(sys.argv[2])))
