from __future__ import annotations

import pytest

from cluster.machine.judge import judge
from cluster.machine.monitor import Load


def load(cpu: float = 10.0, ram: float = 10.0, temperature: float | None = None) -> Load:
    return Load(cpu, ram, 10**9, (), None, temperature)


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
    ],
)
def test_thresholds(seen: Load, fanless: bool, pressures: tuple[str, ...]) -> None:
    verdict = judge(seen, fanless)
    assert verdict.memory_critical is ("memory" in pressures)
    assert verdict.cpu_maxed is ("cpu" in pressures)
    assert verdict.hot is ("hot" in pressures)
    assert (verdict.action == "OK") is (not pressures)


def test_the_action_says_what_to_do_about_each() -> None:
    action = judge(load(cpu=99.0, ram=99.0, temperature=99.0), False).action
    assert "/optimize-for-hardware" in action and "hot" in action and "cores" in action
