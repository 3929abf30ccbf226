from __future__ import annotations

import pytest

from cluster.machine.gpu_meter import GpuLoad
from cluster.machine.judge import judge
from cluster.machine.monitor import Load


def load(
    cpu: float = 10.0, ram: float = 10.0, temperature: float | None = None, gpus: tuple[GpuLoad, ...] = ()
) -> Load:
    return Load(cpu, ram, 10**9, gpus, None, temperature)


FULL = GpuLoad(1, None, None, vram_used=16 * 10**9 - 499_999_999, vram_total=16 * 10**9)
ROOMY = GpuLoad(0, 99.0, 95.0, vram_used=15 * 10**9, vram_total=16 * 10**9, temperature=99.0, throttled=("power cap",))
SLOWED = GpuLoad(2, None, None, None, throttled=("thermal slowdown by the hardware",))
UNKNOWN = GpuLoad(3, None, None, None)


@pytest.mark.parametrize(
    ("seen", "fanless", "pressures"),
    [
        (load(cpu=90.0, ram=85.0), False, ()),
        (load(ram=85.1), False, ("memory",)),
        (load(cpu=90.1), False, ("cpu",)),
        (load(cpu=70.1), True, ("hot",)),
        (load(cpu=70.1), False, ()),
        (load(cpu=70.1, temperature=60.0), True, ()),
        (load(temperature=85.5), False, ("hot",)),
        (load(cpu=99.0, ram=99.0), True, ("memory", "cpu", "hot")),
        (load(gpus=(ROOMY, UNKNOWN)), False, ()),
        (load(gpus=(ROOMY, FULL)), False, ("vram",)),
        (load(gpus=(SLOWED, FULL)), False, ("vram", "hot")),
    ],
)
def test_thresholds(seen: Load, fanless: bool, pressures: tuple[str, ...]) -> None:
    verdict = judge(seen, fanless)
    assert verdict.memory_critical is ("memory" in pressures)
    assert verdict.vram_critical is ("vram" in pressures)
    assert verdict.cpu_maxed is ("cpu" in pressures)
    assert verdict.hot is ("hot" in pressures)
    assert (verdict.action == "OK") is (not pressures)


def test_the_action_says_what_to_do_about_each() -> None:
    action = judge(load(cpu=99.0, ram=99.0, temperature=99.0), False).action
    assert "/optimize-for-hardware" in action and "hot" in action and "cores" in action
    action = judge(load(gpus=(SLOWED, FULL)), False).action
    assert "GPU 1 is nearly full" in action and "Heat slows GPU 2 down" in action
