"""The plan for this machine."""

from __future__ import annotations

from functools import cache

from cluster.machine.hardware import detect
from cluster.planning.plan import Plan, PlanOptions
from cluster.planning.planner import make
from cluster.planning.stages import STAGES


@cache
def plan(threads: int, device: str = "cpu") -> Plan:
    """The plan for S1-mini on this CPU, with that many threads for each stage, or on this GPU."""
    stages = {stage: {"threads": threads} for stage in STAGES} if device == "cpu" else {}
    return make([detect()], PlanOptions(device=device, stages=stages))
