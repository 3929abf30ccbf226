"""What the planner would run on this machine's CPU."""

from __future__ import annotations

from functools import cache

from cluster.hardware import detect
from cluster.plan import STAGES, Plan, PlanOptions, make


@cache
def plan(threads: int) -> Plan:
    """The plan for S1-mini on this CPU, with that many threads for each stage."""
    return make([detect()], PlanOptions(device="cpu", stages={stage: {"threads": threads} for stage in STAGES}))
