"""The kernels' threads under the compiler's race detector, alone and with more of them than cores."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from models.native import build

if reason := build.available():
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, program = Path(__file__).with_name("team.cpp"), tmp_path_factory.mktemp("team") / "team"
    flags = ["-O1", "-g", "-std=c++17", "-pthread", "-fsanitize=thread", f"-I{build.SOURCES}"]
    made = subprocess.run([build.compiler(), *flags, str(source), "-o", str(program)], capture_output=True, text=True)
    if "cannot find" in made.stderr:
        pytest.skip("the compiler has no race detector (libtsan)")
    assert made.returncode == 0, made.stderr
    return program


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_phases_follow_each_other_without_a_race(program: Path, threads: int) -> None:
    ran = subprocess.run([str(program), str(threads), "100"], capture_output=True, text=True, timeout=300)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
