"""The policy that routes by load, on simulated loads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cluster.balance import INTERVAL, Decision, PoolState, Threshold, Thresholds, choose, mean
from cluster.machine.gpu_meter import GpuLoad
from cluster.machine.monitor import Load

QUIET = Load(cpu=10, ram=40, ram_available=8 * 10**9, gpus=(), gpu_error=None, temperature=None)
CUDA, CPU = PoolState("cuda", "cuda", Thresholds(), ()), PoolState("cpu", "cpu", Thresholds(), ())


def load(busy: float | None = 10, others: float | None = 10, cpu: float = 10, ram: float = 40) -> Load:
    return replace(QUIET, cpu=cpu, ram=ram, gpus=(GpuLoad(0, busy, others, None),))


def on(load: Load, *pools: PoolState) -> list[PoolState]:
    """All pools on one machine."""
    return [replace(pool, loads=(load,)) for pool in pools]


def follow(*loads: Load, pools: tuple[PoolState, ...] = (CUDA, CPU), every: float = INTERVAL) -> list[Decision]:
    decisions: list[Decision] = []
    for count, now in enumerate(loads):
        decisions.append(choose(on(now, *pools), decisions[-1] if decisions else None, count * every))
    return decisions


def route(*loads: Load, **options: object) -> list[str]:
    return [decision.pool for decision in follow(*loads, **options)]


@pytest.mark.parametrize(
    ("now", "pool", "reason"),
    [
        (load(), "cuda", "the first choice, and nothing speaks against it"),
        (load(busy=86), "cpu", "cuda: GPU busy 86 % is over 85 %"),
        (load(others=91), "cpu", "cuda: VRAM held by others 91 % is over 90 %"),
        (load(busy=85, others=90), "cuda", "the first choice, and nothing speaks against it"),
        (load(cpu=99, ram=99), "cuda", "the first choice, and nothing speaks against it"),
        (load(busy=99, cpu=99), "cuda", "cuda: GPU busy 99 % is over 85 %; cpu: CPU 99 % is over 90 %"),
        (load(busy=None, others=None), "cuda", "the first choice, and nothing speaks against it"),
        (replace(QUIET, gpus=(), gpu_error="no driver"), "cuda", "the first choice, and nothing speaks against it"),
        (load(busy=None, others=95), "cpu", "cuda: VRAM held by others 95 % is over 90 %"),
    ],
)
def test_the_rules(now: Load, pool: str, reason: str) -> None:
    (decision,) = follow(now)
    assert (decision.pool, decision.reason) == (pool, reason)


def test_a_pool_that_was_left_is_returned_to_when_it_has_come_well_down() -> None:
    assert route(load(86), load(80), load(71), load(70), load(80), load(86)) == [*["cpu"] * 3, "cuda", "cuda", "cpu"]
    decision = follow(load(86), load(80))[-1]
    assert decision.reason == "cuda: GPU busy 80 % is not down to 70 % yet"


@pytest.mark.parametrize("pressed", [{"cpu": 91}, {"ram": 86}])
def test_a_loaded_cpu_sends_requests_to_an_accelerator_that_is_coming_down(pressed: dict) -> None:
    seen = [load(90), load(80), load(80, **pressed), load(80, cpu=80, ram=80), load(80)]
    assert route(*seen) == ["cpu", "cpu", "cuda", "cuda", "cpu"]


def test_where_everything_is_loaded_nothing_moves() -> None:
    assert route(load(90), load(90, cpu=99), load(95, cpu=95), load(99, ram=99)) == ["cpu"] * 4


def test_a_figure_that_becomes_unknown_decides_nothing() -> None:
    decisions = follow(load(90), load(None), load(None, None), load(60))
    assert [decision.pool for decision in decisions] == ["cpu", "cpu", "cpu", "cuda"]
    assert decisions[1].reason == "cuda: GPU busy was too high and is unknown now"


def test_the_gpu_with_most_left_counts() -> None:
    one_free = replace(QUIET, gpus=(GpuLoad(0, 99, 95, None), GpuLoad(1, 20, None, None), GpuLoad(2, None, 5, None)))
    assert route(one_free) == ["cuda"]
    assert route(replace(one_free, gpus=one_free.gpus[:1])) == ["cpu"]


def test_a_pool_is_judged_by_its_own_machines() -> None:
    here, there = load(cpu=99, ram=99), load(99)
    cuda, cpu = replace(CUDA, loads=(load(),)), replace(CPU, loads=(here,))
    assert choose((cuda, cpu), None, 0).pool == "cuda"
    assert choose((replace(cuda, loads=(there,)), cpu), None, 0).reason.count(";") == 1
    assert choose((replace(cuda, loads=(there, load(20))), cpu), None, 0).pool == "cuda", "one of two has room"
    assert choose((replace(cuda, loads=(there,)), replace(cpu, loads=(here, load()))), None, 0).pool == "cpu"
    assert choose((replace(cuda, loads=()), cpu), None, 0).pool == "cuda", "nothing is known of it"


def test_a_pool_without_replicas_is_left_at_once_and_returned_to() -> None:
    dead = (replace(CUDA, available=False), CPU)
    first = choose(on(load(), CUDA, CPU), None, 0)
    left = choose(on(load(), *dead), first, INTERVAL)
    assert (left.pool, left.reason) == ("cpu", "cuda: no replica runs")
    assert choose(on(load(), CUDA, CPU), left, 2 * INTERVAL).pool == "cuda"
    # A loaded pool is better than a dead one.
    assert choose(on(load(cpu=99), *dead), first, INTERVAL).pool == "cpu"


def test_apples_gpu_tells_nothing_so_its_pool_is_left_only_when_dead() -> None:
    mps = PoolState("mps", "mps", Thresholds(), ())
    assert route(load(99, 99), pools=(mps, CPU)) == ["mps"]
    assert route(load(), pools=(replace(mps, available=False), CPU)) == ["cpu"]


def test_each_pool_has_its_own_thresholds() -> None:
    never = Threshold(leave_above=100, return_below=99)
    patient = replace(CUDA, thresholds=Thresholds(gpu_busy=never))
    assert route(load(99), pools=(patient, CPU)) == ["cuda"]


percent = st.one_of(st.none(), st.floats(0, 100))
loads = st.builds(load, busy=percent, others=percent, cpu=st.floats(0, 100), ram=st.floats(0, 100))
steps = st.lists(st.tuples(loads, st.floats(0.01, 20), st.booleans()), min_size=1, max_size=40)


@given(steps)
def test_decisions_are_never_less_than_the_interval_apart(steps: list[tuple[Load, float, bool]]) -> None:
    last, now = None, 0.0
    for seen, later, available in steps:
        now += later
        found = choose(on(seen, replace(CUDA, available=available), CPU), last, now)
        assert found is last or last is None or found.at - last.at >= INTERVAL
        assert found.pool in ("cuda", "cpu") and found.reason
        last = found


@given(steps)
def test_a_lock_is_never_left(steps: list[tuple[Load, float, bool]]) -> None:
    last, now = None, 0.0
    for seen, later, available in steps:
        now += later
        last = choose(on(seen, replace(CUDA, available=available)), last, now)
        assert last.pool == "cuda"


between = st.builds(
    load, busy=st.floats(70.01, 85), others=st.floats(80.01, 90), cpu=st.floats(75.01, 90), ram=st.floats(75.01, 85)
)


@given(st.sampled_from([load(), load(90), load(others=95), load(90, cpu=95)]), st.lists(between, max_size=20))
def test_between_the_thresholds_nothing_changes(start: Load, wobble: list[Load]) -> None:
    assert len(set(route(start, *wobble))) == 1


@given(steps)
def test_a_move_has_a_cause_that_its_reason_names(steps: list[tuple[Load, float, bool]]) -> None:
    last, now = None, 0.0
    for seen, later, _ in steps:
        now += later
        found = choose(on(seen, CUDA, CPU), last, now)
        if last and found.pool != last.pool:
            if found.pool == "cpu":
                assert found.reason.startswith("cuda: ")
            else:
                assert found.reason.startswith("the first choice") or "cpu: " in found.reason
        last = found


def test_mean_of_samples() -> None:
    found = mean([load(100, None, cpu=0), load(None, None, cpu=50), load(50, None, cpu=100)])
    assert (found.cpu, found.gpus[0].utilization, found.gpus[0].vram_others) == (50, 75, None)
    vanished = mean([load(100), QUIET])
    assert vanished.gpus == ()


@pytest.mark.parametrize(
    ("leave", "back"), [(50, 60), (50, 50), (101, 50), (50, -1), (float("nan"), 5), (True, 0), ("90", 80)]
)
def test_impossible_thresholds_are_refused(leave: object, back: object) -> None:
    with pytest.raises(ValidationError):
        Threshold(leave_above=leave, return_below=back)
