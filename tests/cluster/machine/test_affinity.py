"""Replicas on hybrid CPUs keep to the cores that the plan names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.machine.affinity import choose
from tests.paths import ROOT

EIGHT = frozenset(range(8))
FAST = frozenset(range(4))


@pytest.mark.parametrize(
    ("kind", "usable", "performance", "chosen"),
    [
        ("performance", EIGHT, FAST, FAST),
        ("efficiency", EIGHT, FAST, EIGHT - FAST),
        ("all", EIGHT, FAST, EIGHT),
        ("performance", frozenset({2, 3, 6}), FAST, {2, 3}),
        ("performance", frozenset({6, 7}), FAST, {6, 7}),  # a container without performance cores
        ("efficiency", FAST, FAST, FAST),
        ("performance", EIGHT, frozenset(), EIGHT),
        ("efficiency", EIGHT, frozenset(), EIGHT),
    ],
)
def test_which_cpus(kind: str, usable: frozenset[int], performance: frozenset[int], chosen: frozenset[int]) -> None:
    assert choose(kind, usable, performance) == chosen


PROCESS = """
import os, sys, threading, torch
from pathlib import Path
from cluster.machine.affinity import keep_to
from cluster.machine.monitor import _CpuMeter
torch.ones(500, 500) @ torch.ones(500, 500)  # starts torch's threads
early = threading.Thread(target=threading.Event().wait, daemon=True)
early.start()
keep_to("performance", Path(sys.argv[1]))
late = threading.Thread(target=threading.Event().wait, daemon=True)
late.start()
threads = [os.sched_getaffinity(int(task)) for task in os.listdir("/proc/self/task")]
print(len(threads), len(_CpuMeter()._cores), set().union(*threads))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no processes to CPUs")
def test_every_thread_of_a_process_is_bound(tmp_path: Path) -> None:
    fast = min(os.sched_getaffinity(0))
    listing = tmp_path / "cpus"
    listing.write_text(f"{fast}\n")
    command = [sys.executable, "-c", PROCESS, str(listing)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    count, watched, cpus = done.stdout.split(" ", 2)
    assert int(count) >= 3 and cpus.strip() == f"{{{fast}}}"
    assert int(watched) == len(os.sched_getaffinity(0)), "the load of the others still says how busy the machine is"
