"""Whether work that a thread does call by call still gets done."""

from __future__ import annotations

import time

from models.types import NotReady

BROKEN_AFTER = 3  # failed calls in a row: once a GPU's context is lost, every call fails, and at once


class Health:
    """`begin` before a call, `rest` when there is nothing to do, and in between `succeed` or `fail`."""

    def __init__(self, name: str, stalled_after: float) -> None:
        """`name` is what a person reads; a call that takes more than `stalled_after` seconds is stuck."""
        self._name, self._stalled_after = name, stalled_after
        self._began: float | None = None
        self._failures = 0

    def begin(self) -> None:
        """A call starts."""
        self._began = time.monotonic()

    def rest(self) -> None:
        """There is nothing to do."""
        self._began = None

    def succeed(self) -> None:
        """A call did its work."""
        self._failures = 0

    def fail(self, error: Exception) -> None:
        """A call failed. Running out of memory does not count, as there will be memory again. Torch's error is told by
        its name: processes that compute nothing use this too, and importing torch would cost each of them 0.4 GB."""
        if not (isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"):
            self._failures += 1

    def check(self) -> None:
        """Raises NotReady where only a new process helps."""
        if self._failures >= BROKEN_AFTER:
            raise NotReady(f"{self._name} failed {self._failures} times in a row: see the log of its replica")
        if self._began is not None and time.monotonic() - self._began > self._stalled_after:
            raise NotReady(f"{self._name} has not finished a step in {self._stalled_after:.0f} s")
