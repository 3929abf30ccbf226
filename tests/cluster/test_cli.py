"""`python -m cluster` as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.machine.profile import HardwareProfile
from tests.cluster.machines import PROFILES
from tests.paths import ROOT


def cluster(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cluster", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_detect() -> None:
    printed = cluster("detect", "--json")
    profile = HardwareProfile.from_json(printed.stdout)
    table = cluster("detect")
    assert (printed.returncode, table.returncode) == (0, 0)
    assert profile.hostname in table.stdout and "RAM" in table.stdout


def test_plan_of_a_profile() -> None:
    path = str(PROFILES / "rtx-4090.json")
    plan = json.loads(cluster("plan", "--profile", path, "--json").stdout)
    assert plan["tier"] == "nvidia-large"
    locked = json.loads(cluster("plan", "--profile", path, "--json", "--device", "cpu").stdout)
    assert {stage["device"] for stage in locked["stages"].values()} == {"cpu"}


def test_plan_for_people() -> None:
    arguments = ("plan", "--profile", str(PROFILES / "m2-pro.json"))
    short, long = cluster(*arguments).stdout, cluster(*arguments, "--explain").stdout
    for words in ("tier apple-pro", "text_to_semantic", "mps", "text up to 600"):
        assert words in short and words in long
    assert "int8 on MPS falls back to the CPU" in long and "int8 on MPS" not in short


def test_plan_shows_the_pool_that_stands_by_and_why() -> None:
    path = str(PROFILES / "rtx-4090.json")
    pools = json.loads(cluster("plan", "--profile", path, "--json").stdout)["pools"]
    assert pools["further"]["cpu"]["stages"]["text_to_semantic"]["min_replicas"] == 0
    shown = cluster("plan", "--profile", path).stdout
    for words in ("Pool cuda: tier nvidia-large", "Pool cpu: tier server", "Pools cuda, cpu: the CPU stands by"):
        assert words in shown
    locked = cluster("plan", "--profile", path, "--device", "cuda").stdout
    assert "Pool cpu" not in locked and "one pool: cuda is locked" in locked


def test_plan_of_a_cluster() -> None:
    path = str(PROFILES / "epyc-2-core.json")
    plan = json.loads(cluster("plan", "--profile", path, "--profile", path, "--json").stdout)
    assert plan["stages"]["text_to_semantic"]["initial_replicas"] == 2


def test_plan_here() -> None:
    done = cluster("plan", "--json")
    assert done.returncode in (0, 2)  # this machine may be too small
    assert done.returncode == 2 or "tier" in json.loads(done.stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "missing.json"], "missing.json: No such file"),
        (["--profile", "."], "Is a directory"),
        (["--profile", "cluster/planning/tiers.yaml"], "tiers.yaml: profile: Invalid JSON"),
        (["--device", "gpu"], "choose auto, cpu, cuda, mps"),
        (["--tier", "cpu-hihg"], "did you mean 'cpu-high'"),
        (["--profile", str(PROFILES / "container-2-core-4gb.json")], "GB usable RAM"),
        (["--profile", str(PROFILES / "laptop-4gb-busy.json"), "--device", "cuda"], "GB usable VRAM"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    done = cluster("plan", *arguments)
    assert done.returncode == 2
    assert message in done.stderr and len(done.stderr.splitlines()) == 1 and done.stdout == ""


def test_a_profile_of_the_wrong_shape(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text((PROFILES / "ryzen-5.json").read_text().replace('"fanless"', '"fanles"'))
    done = cluster("plan", "--profile", str(path))
    assert done.returncode == 2 and "machine.json: " in done.stderr and "fanles" in done.stderr
