"""The stages' names have one home, and the model repository's folders carry them."""

from __future__ import annotations

import ast

import pytest

from cluster.planning.stages import STAGES
from cluster.planning.tiers import PerStage, Precisions
from models.repository.checks import STAGES as SERVED
from tests.paths import ROOT

HOME = "cluster/planning/stages.py"


@pytest.mark.parametrize("room", ["cluster", "deployments"])
def test_code_takes_a_stages_name_from_its_home(room: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in ROOT.glob(f"{room}/**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in STAGES
    }
    assert {place.partition(":")[0] for place in found} <= {HOME}, found


def test_the_stages_are_the_models_that_run() -> None:
    assert tuple(SERVED) == STAGES


@pytest.mark.parametrize("table", [PerStage, Precisions])
def test_a_tier_prescribes_for_every_stage(table: type[PerStage] | type[Precisions]) -> None:
    assert tuple(table.model_fields) == STAGES
