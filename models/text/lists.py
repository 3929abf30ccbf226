"""Lists of words, written as people write them."""

from __future__ import annotations


def names(line: str) -> tuple[str, ...]:
    """The words of a line, which are separated by spaces."""
    return tuple(line.split())
