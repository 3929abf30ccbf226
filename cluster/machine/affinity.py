"""Keeping a process to one kind of core on hybrid CPUs, as the plan asks (`StagePlan.cores`)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Literal

from cluster.machine.probe import cpu_list

CoreKind = Literal["all", "performance", "efficiency"]

PERFORMANCE = Path("/sys/devices/cpu_core/cpus")  # there on Linux with a hybrid Intel CPU only


def choose(kind: CoreKind, usable: frozenset[int], performance: frozenset[int]) -> frozenset[int]:
    """Logical CPUs for a process that may run on `usable`; all of them where the machine has one kind of core."""
    fast = usable & performance
    wanted = {"all": usable, "performance": fast, "efficiency": usable - fast}[kind]
    return wanted if fast and wanted else usable


@cache
def usable() -> frozenset[int]:
    """Logical CPUs that this process might run on before `keep_to` bound it."""
    return frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


def keep_to(kind: CoreKind, listing: Path = PERFORMANCE) -> None:
    """Bind every thread of this process, and so those that they start. Does nothing where the system has no such call
    or tells of no kinds of cores."""
    if not hasattr(os, "sched_setaffinity") or not listing.exists():
        return
    chosen = choose(kind, usable(), cpu_list(listing.read_text()))
    for task in Path("/proc/self/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), chosen)
        except ProcessLookupError:  # a thread that has just ended
            continue
