"""The kernels' threads under the compiler's race detector, alone and with more of them than cores."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from models.native import build

pytestmark = pytest.mark.slow


def _compile(source: Path, program: Path) -> Path | None:
    flags = ["-O1", "-g", "-std=c++17", "-pthread", "-fsanitize=thread", f"-I{build.SOURCES}"]
    made = subprocess.run([build.compiler(), *flags, str(source), "-o", str(program)], check=False)
    return None if made.returncode else program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("pool")
    (scratch / "empty.cpp").write_text("int main() {}")
    try:
        empty = _compile(scratch / "empty.cpp", scratch / "empty")
    except build.CannotBuild as error:
        pytest.skip(str(error))
    if empty is None or subprocess.run([str(empty)], check=False).returncode:
        pytest.skip("the compiler has no race detector that runs here")
    program = _compile(Path(__file__).with_name("thread_pool.cpp"), scratch / "pool")
    assert program
    return program


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_phases_follow_each_other_without_a_race(program: Path, threads: int) -> None:
    ran = subprocess.run([str(program), str(threads), "100"], capture_output=True, text=True, timeout=300)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
