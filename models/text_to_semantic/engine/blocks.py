"""Frames gathered into blocks: a small first one for low first-audio time, then growing ones for little overhead."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from models.text_to_semantic.engine.work import Deliver, Event

# A block must be made while the one before it plays. Doubling needs speech made twice as fast as it is spoken: it left
# a gap in every utterance on a machine that is just faster than real time.
GROWTH = 1.2
# The next block may take this part of the time that the listener can still play, at the pace of the last block: it must
# be decoded too, and other streams may come.
SPENT = 0.5


def ramp(first: int, largest: int) -> list[int]:
    """The sizes of blocks: from `first` they grow by a fifth each, at least by a frame, to `largest`."""
    sizes = [min(first, largest)]
    while sizes[-1] < largest:
        sizes.append(min(max(sizes[-1] + 1, int(sizes[-1] * GROWTH)), largest))
    return sizes


class Pace:
    """How large a stream's blocks are: each has the next of the growing `sizes`, or a later one where frames come so
    fast that it is ready in time. Pure: `now` is the caller's, in seconds; `frame_rate` in Hz."""

    def __init__(self, sizes: list[int], frame_rate: float) -> None:
        self._sizes, self._frame_rate = sizes, frame_rate
        self._least = 0  # index in `sizes` of the least size of the block under way
        self._size, self._due = sizes[0], math.inf  # its largest size, and when it is due even if smaller
        self._frames = 0  # in all blocks before
        self._played = 0.0  # when the listener began to play
        self._since: float | None = None  # when the last frame before this block came

    def came(self, count: int, now: float) -> bool:
        """The block has `count` frames now; returns whether it is whole, in which case the next one begins."""
        if self._since is None:  # the very first frame, whose time went into the prompt
            self._since = now
        if count < self._size and not (now > self._due and count in self._sizes[self._least :]):
            return False
        made = count if self._frames else count - 1
        self._played = self._played if self._frames else now
        self._frames += count
        spend = SPENT * (self._frames / self._frame_rate - (now - self._played))
        makeable = spend * made / max(now - self._since, 1e-6)
        self._since, self._due = now, now + spend
        self._least = min(self._sizes.index(count) + 1, len(self._sizes) - 1)
        self._size = max([self._sizes[self._least], *(size for size in self._sizes if size <= makeable)])
        return True


def gather(pace: Pace, deliver: Deliver, clock: Callable[[], float] = time.monotonic) -> Deliver:
    """A receiver that passes frames on in blocks, then the frames that are left, and the end. Where a stream fails,
    frames that were not passed on are dropped."""
    frames: list[np.ndarray] = []

    def take(event: Event) -> None:
        if isinstance(event, np.ndarray):
            frames.append(event)
            if not pace.came(len(frames), clock()):
                return
        if frames and not isinstance(event, Exception):
            deliver(np.concatenate(frames, axis=1))
            frames.clear()
        if not isinstance(event, np.ndarray):
            deliver(event)

    return take
