"""What a person sees: results on stdout, and what is said beside them on stderr."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

WIDTH = 160  # of a table that goes to a file or a pipe

console = Console(stderr=True, highlight=False, soft_wrap=True)  # stdout is for sound, tables and JSON


def note(text: str) -> None:
    """A line beside the result."""
    console.print(text, markup=False)


def complain(text: str) -> None:
    """The sentence that a command ends with."""
    console.print(f"shoal: {text}", markup=False, style="red" if console.is_terminal else None)


def show(table: Table) -> None:
    """A table, as wide as the terminal."""
    results = Console(highlight=False)
    if not results.is_terminal:
        results.width = WIDTH
    results.print(table)
