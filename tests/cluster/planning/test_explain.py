"""`python -m cluster plan --explain` on every machine of profiles/: each decision with its rule."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cluster.__main__ import app
from cluster.planning import pools
from cluster.planning.plan import PlanError
from tests.cluster.machines import NAMES, PROFILES, machines


def shown(name: str, *arguments: str):
    path = PROFILES / name
    files = sorted(path.glob("*.json")) if path.is_dir() else [path.with_suffix(".json")]
    profiles = [part for file in files for part in ("--profile", str(file))]
    return CliRunner().invoke(app, ["plan", *profiles, *arguments], terminal_width=200)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_comes_with_its_rule(name: str) -> None:
    done = shown(name, "--explain")
    try:
        plans = pools.plan(machines(name)).plans.values()
    except PlanError as error:
        assert done.exit_code == 2 and str(error) in done.stderr and not done.stdout
        return
    assert done.exit_code == 0
    rules = [line.removeprefix("  - ") for line in done.stdout.splitlines() if line.startswith("  - ")]
    stages = [stage for plan in plans for stage in plan.stages.values()]
    assert rules == [
        r for plan in plans for r in (*plan.reasons, *(r for s in plan.stages.values() for r in s.reasons))
    ]
    assert all(": " in rule for rule in rules if not rule.startswith("redeployment "))
    for stage in stages:
        figures = [stage.device, stage.precision, f"threads {stage.threads}", f"slots {stage.slots}"]
        figures += [f"replicas {stage.min_replicas} to {stage.max_replicas}"]
        figures += [f"{stage.num_gpus:g} of a GPU"] if stage.num_gpus else []
        figures += [f"not on {', '.join(stage.avoid_nodes)}"] if stage.avoid_nodes else []
        for figure in figures:
            assert any(rule.startswith(figure) for rule in stage.reasons), figure


def test_the_plain_table_is_short() -> None:
    short = shown("rtx-4090").stdout
    assert "--explain" in short and len(short.splitlines()) < 40, "two pools"
    assert "one replica a GPU" not in short
    assert "one replica a GPU" in shown("rtx-4090", "--explain").stdout
