"""Whether a machine is under pressure, and what to do about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.machine.monitor import Load
from cluster.machine.nvml import HEAT

MEMORY_CRITICAL = 85.0  # percent of RAM
CPU_MAXED = 90.0  # percent of the usable cores
FANLESS_HOT = 70.0  # percent of the cores, of a machine without a fan and without a sensor that can be read
HOT = 85.0  # degrees Celsius, below where CPUs begin to slow themselves down (95 to 105)
LEAST_VRAM = 500_000_000  # bytes free of a GPU: half of what the plan leaves


@dataclass(frozen=True, slots=True)
class Verdict:
    """`hot`: the CPU, or a GPU that heat slows down; `vram_critical`: of any GPU; `action` is what to do, "OK" for
    nothing."""

    memory_critical: bool
    vram_critical: bool
    cpu_maxed: bool
    hot: bool
    action: str


def judge(load: Load, fanless: bool) -> Verdict:
    """What a load means. A CPU's temperature is its sensor's, or guessed from the load of a fanless machine; a GPU's is
    judged by its driver, which says when heat slows it down: limits differ from card to card."""
    memory, cpu = load.ram > MEMORY_CRITICAL, load.cpu > CPU_MAXED
    vram = [gpu.index for gpu in load.gpus if gpu.vram_free is not None and gpu.vram_free < LEAST_VRAM]
    slowed = [gpu.index for gpu in load.gpus if HEAT & set(gpu.throttled or ())]
    hot = fanless and load.cpu > FANLESS_HOT if load.temperature is None else load.temperature > HOT
    actions = []
    if memory:
        actions.append(
            "Memory is nearly full: POST /optimize-for-hardware, close other programs, or give stages fewer slots."
        )
    if vram:
        actions.append(f"GPU {_listed(vram)} is nearly full: close other programs there, or give stages fewer slots.")
    if slowed:
        actions.append(f"Heat slows GPU {_listed(slowed)} down: send fewer requests at once, or cool it better.")
    if hot:
        actions.append("It runs hot and will slow down: send shorter texts and fewer at once until it has cooled.")
    if cpu:
        actions.append("All cores are busy: send fewer requests at once, or add a machine.")
    return Verdict(memory, bool(vram), cpu, hot or bool(slowed), " ".join(actions) or "OK")


def _listed(indices: list[int]) -> str:
    return ", ".join(map(str, indices))
