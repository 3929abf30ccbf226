"""A memory control group (v1 or v2), at whose limit the kernel kills."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.graph.server import eventually

V1 = Path("/sys/fs/cgroup/memory")
FILES = {  # what is asked: its file in v1 and in v2
    "limit": ("memory.limit_in_bytes", "memory.max"),
    "used": ("memory.usage_in_bytes", "memory.current"),
    "peak": ("memory.max_usage_in_bytes", "memory.peak"),
    "kills": ("memory.oom_control", "memory.events"),
}


@dataclass(frozen=True)
class ControlGroup:
    path: Path

    def join(self) -> None:
        """This process, and all that it starts from now on."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def limit(self, size: int) -> None:
        """From now on, in bytes."""
        self._file("limit").write_text(str(size))

    def used(self) -> int:
        """Bytes, of cached files too."""
        return int(self._file("used").read_text())

    def anonymous(self) -> int:
        """Bytes that belong to no file."""
        return self._stat("rss" if V1.exists() else "anon")

    def mapped(self) -> int:
        """Bytes of files that its processes have mapped; the kernel can take them back."""
        return self._stat("mapped_file" if V1.exists() else "file_mapped")

    def _stat(self, key: str) -> int:
        return int(re.search(rf"^{key} (\d+)", (self.path / "memory.stat").read_text(), re.MULTILINE)[1])

    def peak(self) -> int:
        """The most bytes that were ever used."""
        return int(self._file("peak").read_text())

    def kills(self) -> int:
        """Processes that the kernel killed for want of memory."""
        return int(re.search(r"^oom_kill (\d+)", self._file("kills").read_text(), re.MULTILINE)[1])

    def processes(self) -> list[int]:
        return [int(line) for line in (self.path / "cgroup.procs").read_text().split()]

    def _file(self, what: str) -> Path:
        return self.path / FILES[what][0 if V1.exists() else 1]


@contextmanager
def made() -> Iterator[ControlGroup]:
    """A new group, removed when its processes are gone; skips where none can be made."""
    path = Path(tempfile.mktemp(prefix="shoal-test-", dir=V1 if V1.exists() else V1.parent))
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    group = ControlGroup(path)
    if not group._file("limit").exists():
        path.rmdir()
        pytest.skip("the memory controller is not delegated here")
    try:
        yield group
    finally:
        eventually(group.processes, lambda left: not left)
        path.rmdir()
