"""The command `shoal` as people run it: a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.paths import ROOT


def environment(**variables: str) -> dict[str, str]:
    """Ours without what a developer may have set, and with these."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SHOAL_", "HF_"))}
    return clean | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"} | variables


def shoal(
    *arguments: str, given: bytes | None = None, variables: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end, with `given` on stdin."""
    return subprocess.run(
        [sys.executable, "-m", "shoal", *arguments],
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        env=environment(**variables),
        timeout=120,
        check=False,
    )


def sentence(done: subprocess.CompletedProcess[bytes], status: int) -> str:
    """The one line that a command ended with, which had this status."""
    assert done.returncode == status, done.stderr.decode()
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("shoal: ")
    return line.removeprefix("shoal: ")
