"""Frames gathered into blocks: a small first one for low first-audio time, then growing ones for little overhead."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from models.text_to_semantic.engine.work import Deliver, Event

# A block must be made while the one before it plays. Doubling, which needs speech made twice as fast as it is spoken,
# left a gap in every utterance of a machine that is just faster than real time.
GROWTH = 1.2
# Of the time that a listener can still play, the next block may take so much, at the last one's pace: it must be
# decoded too, and other streams may come.
SPENT = 0.5


def ramp(first: int, largest: int) -> list[int]:
    """The sizes that blocks have: from `first` by a fifth each, at least a frame, to `largest`."""
    sizes = [min(first, largest)]
    while sizes[-1] < largest:
        sizes.append(min(max(sizes[-1] + 1, int(sizes[-1] * GROWTH)), largest))
    return sizes


class Pace:
    """How large a stream's blocks are: of `sizes`, which grow, the next one each time, or a later one where frames come
    so fast that it is in time. Pure: `now` is the caller's, in seconds; `frame_rate` in Hz."""

    def __init__(self, sizes: list[int], frame_rate: float) -> None:
        self._sizes, self._frame_rate = sizes, frame_rate
        self._least = 0  # of `sizes`, the block under way has at least this one
        self._size, self._due = sizes[0], math.inf  # and at most this many frames, or fewer when it is due
        self._frames = 0  # of all blocks before
        self._played = 0.0  # when the listener began
        self._since: float | None = None  # when the frame before this block came

    def came(self, count: int, now: float) -> bool:
        """`count` frames of the block are there; returns whether it is whole, and then begins the next."""
        if self._since is None:  # the first frame of all, before which there was a prompt
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
    """Takes frames and passes them on in blocks, then what is left of them, and the end. Where a stream fails, what was
    not passed on is dropped."""
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
