"""Whether a machine is under pressure, and what to do about it: pure."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.machine.monitor import Load

MEMORY_CRITICAL = 85.0  # percent of RAM
CPU_MAXED = 90.0  # percent of the usable cores
FANLESS_HOT = 70.0  # percent of the cores, of a machine without a fan and without a sensor that can be read
HOT = 85.0  # degrees Celsius, below where CPUs begin to slow themselves down (95 to 105)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`action` is what to do, "OK" for nothing."""

    memory_critical: bool
    cpu_maxed: bool
    hot: bool
    action: str


def judge(load: Load, fanless: bool) -> Verdict:
    """What a load means. Temperature is read from a sensor where there is one, else guessed of fanless machines."""
    memory, cpu = load.ram > MEMORY_CRITICAL, load.cpu > CPU_MAXED
    hot = fanless and load.cpu > FANLESS_HOT if load.temperature is None else load.temperature > HOT
    actions = []
    if memory:
        actions.append(
            "Memory is nearly full: POST /optimize-for-hardware, close other programs, or give stages fewer slots."
        )
    if hot:
        actions.append("It runs hot and will slow down: send shorter texts and fewer at once until it has cooled.")
    if cpu:
        actions.append("All cores are busy: send fewer requests at once, or add a machine.")
    return Verdict(memory, cpu, hot, " ".join(actions) or "OK")
