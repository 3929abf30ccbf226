"""Which pool of replicas a new request goes to: `choose(pools, last, now) -> Decision`, pure.

Weights never move at run time: a pool stays on its device, and requests are routed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.machine.gpu_meter import GpuLoad
from cluster.machine.monitor import Load

INTERVAL = 5.0  # seconds between decisions

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Threshold(_Strict):
    """Percents: new requests leave a pool above the first, and may return to it at or below the second."""

    leave_above: Percent
    return_below: Percent

    @model_validator(mode="after")
    def _in_order(self) -> Threshold:
        if self.return_below >= self.leave_above:
            raise ValueError(f"return_below {self.return_below:g} must be under leave_above {self.leave_above:g}")
        return self


class Thresholds(_Strict):
    """`gpu_busy` and `vram_others` (VRAM held by other processes) count against pools on a GPU, `cpu` and `ram` against
    pools on the CPU: each as it is on the GPU or machine of the pool that has most left."""

    gpu_busy: Threshold = Threshold(leave_above=85, return_below=70)
    vram_others: Threshold = Threshold(leave_above=90, return_below=80)
    cpu: Threshold = Threshold(leave_above=90, return_below=75)
    ram: Threshold = Threshold(leave_above=85, return_below=75)


# Figures that count for a pool on each device, and their names. No API tells how busy Apple's GPU is.
FIGURES: Mapping[str, Mapping[str, str]] = {
    "cuda": {"gpu_busy": "GPU busy", "vram_others": "VRAM held by others"},
    "cpu": {"cpu": "CPU", "ram": "RAM"},
    "mps": {},
}


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool as the policy sees it. `loads` are those of its machines; `available`: a replica of it runs, or one starts
    on demand."""

    name: str
    device: str
    thresholds: Thresholds
    loads: tuple[Load, ...]
    available: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """`at` is in seconds of the clock that `now` is read from. `high` holds each (pool, figure) that went over
    leave_above and has not come down to return_below since."""

    pool: str
    reason: str
    at: float
    high: frozenset[tuple[str, str]] = frozenset()


def choose(pools: Sequence[PoolState], last: Decision | None, now: float) -> Decision:
    """The pool for requests that ask for none; `pools` in order of preference, at least one.

    A decision holds for INTERVAL seconds: until then the answer is `last` again. Chosen is the first pool that is
    available and not high; where all are high, the one decided last, unless it is over a threshold and another is on
    its way down.
    """
    if last is not None and now - last.at < INTERVAL:
        return last
    current = last.pool if last else pools[0].name
    before = last.high if last else frozenset()
    high: set[tuple[str, str]] = set()
    levels: dict[str, int] = {}
    objections: dict[str, str] = {}
    for pool in pools:
        level, objection, figures = _judge(pool, before)
        levels[pool.name], objections[pool.name] = level, objection
        high |= {(pool.name, figure) for figure in figures}

    def rank(pool: PoolState) -> tuple[int, bool]:
        level = levels[pool.name]
        return level, level > 0 and pool.name != current

    best = min(pools, key=rank)
    passed = pools if levels[best.name] else pools[: pools.index(best)]
    reason = "; ".join(objections[pool.name] for pool in passed) or "the first choice, and nothing speaks against it"
    return Decision(best.name, reason, now, frozenset(high))


def mean(loads: Sequence[Load]) -> Load:
    """The mean of samples, oldest first, over what is known; a figure that is never known stays None."""
    latest = loads[-1]

    def gpu(latest: GpuLoad) -> GpuLoad:
        seen = [each for load in loads for each in load.gpus if each.index == latest.index]
        busy, others = _mean(each.utilization for each in seen), _mean(each.vram_others for each in seen)
        return replace(latest, utilization=busy, vram_others=others)

    return Load(
        cpu=fmean(each.cpu for each in loads),
        ram=fmean(each.ram for each in loads),
        ram_available=latest.ram_available,
        gpus=tuple(map(gpu, latest.gpus)),
        gpu_error=latest.gpu_error,
        temperature=latest.temperature,
    )


def _judge(pool: PoolState, before: frozenset[tuple[str, str]]) -> tuple[int, str, list[str]]:
    """0 free, 1 coming down, 2 over a threshold, 3 unavailable; the objection in words; the figures that are high.
    An unknown figure stays what it was."""
    level, objections, high = 0, [], []
    for figure, name in FIGURES[pool.device].items():
        threshold: Threshold = getattr(pool.thresholds, figure)
        value = _least(figure, pool.loads)
        was_high = (pool.name, figure) in before
        if value is None:
            if was_high:
                high.append(figure)
                level = max(level, 1)
                objections.append(f"{name} was too high and is unknown now")
        elif value > threshold.leave_above:
            high.append(figure)
            level = 2
            objections.append(f"{name} {value:.0f} % is over {threshold.leave_above:g} %")
        elif was_high and value > threshold.return_below:
            high.append(figure)
            level = max(level, 1)
            objections.append(f"{name} {value:.0f} % is not down to {threshold.return_below:g} % yet")
    if not pool.available:
        level, objections = 3, ["no replica runs", *objections]
    return level, f"{pool.name}: {', '.join(objections)}" if objections else "", high


def _least(name: str, loads: Sequence[Load]) -> float | None:
    if name in ("cpu", "ram"):
        return min((getattr(load, name) for load in loads), default=None)
    gpus = [gpu for load in loads for gpu in load.gpus]
    known = (gpu.utilization if name == "gpu_busy" else gpu.vram_others for gpu in gpus)
    return min((value for value in known if value is not None), default=None)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
