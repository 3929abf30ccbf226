"""Frames gathered into blocks: a small first one for low first-audio time, then growing ones for little overhead."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

# A block must be made while the one before it plays. Doubling, which needs speech made twice as fast as it is spoken,
# left a gap in every utterance of a machine that is just faster than real time.
GROWTH = 1.2


def ramp(first: int, largest: int) -> list[int]:
    """The sizes that blocks have: from `first` by a fifth each, at least a frame, to `largest`."""
    sizes = [min(first, largest)]
    while sizes[-1] < largest:
        sizes.append(min(max(sizes[-1] + 1, int(sizes[-1] * GROWTH)), largest))
    return sizes


def block_sizes(first: int, largest: int) -> Iterator[int]:
    """Frames in each block in turn: the ramp, then `largest` for ever."""
    return chain(ramp(first, largest), repeat(largest))
