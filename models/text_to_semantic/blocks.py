"""Frames gathered into blocks: a small first one for low first-audio time, then growing ones for little overhead."""

from __future__ import annotations

from collections.abc import Iterator


def block_sizes(first: int, largest: int) -> Iterator[int]:
    """Frames in each block in turn: `first`, doubling up to `largest`, then `largest` for ever."""
    size = first
    while True:
        yield size
        size = min(size * 2, largest)
