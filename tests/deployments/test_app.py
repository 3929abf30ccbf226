"""The composition root: what the planner is told of a checkpoint."""

from __future__ import annotations

from pathlib import Path

from cluster.machine.profile import HardwareProfile
from cluster.planning.plan import PlanOptions
from cluster.planning.planner import make
from cluster.planning.stages import LM
from deployments.app import footprints
from models.checkpoint.reader import Checkpoint
from tests.paths import PROFILES


def test_a_container_of_two_cores_and_four_gb_runs_the_tiny_checkpoint(tiny: Path) -> None:
    container = HardwareProfile.from_json((PROFILES / "container-2-core-4gb.json").read_text())
    plan = make([container], PlanOptions(footprints=footprints(Checkpoint(tiny))))
    assert plan.tier == "cpu-low" and plan.expected_memory_gb < 1.6
    assert plan.stages[LM].slots == 16
