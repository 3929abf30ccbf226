"""What can go wrong, as one sentence and an exit status."""

from __future__ import annotations

from enum import IntEnum

import typer


class Exit(IntEnum):
    """Exit statuses. 2 is a mistake on the command line, as click has it; 130 is Ctrl-C."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    BUSY = 5
    INTERRUPTED = 130


class Failure(typer.TyperException):
    """The command ends with this sentence and this status."""

    def __init__(self, message: str, status: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = status
