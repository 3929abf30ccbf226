"""Frames gathered into blocks: a small first one for low first-audio time, then growing ones for little overhead."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from models.text_to_semantic.work import Deliver, Event

# A block must be made while the one before it plays. Doubling, which needs speech made twice as fast as it is spoken,
# left a gap in every utterance of a machine that is just faster than real time.
GROWTH = 1.2
# Of what a listener has and has not played, as much may be spent on the next block at the pace of the last one: it must
# be decoded too, and other streams may come.
SPENT = 0.5


def ramp(first: int, largest: int) -> list[int]:
    """The sizes that blocks have: from `first` by a fifth each, at least a frame, to `largest`."""
    sizes = [min(first, largest)]
    while sizes[-1] < largest:
        sizes.append(min(max(sizes[-1] + 1, int(sizes[-1] * GROWTH)), largest))
    return sizes


@dataclass(slots=True)
class Pace:
    """How large a stream's next block is: the next of `sizes`, or a later one where frames come so fast that it is in
    time. Pure: `now` is the caller's, in seconds; `frame_rate` in Hz."""

    sizes: list[int]
    frame_rate: float
    _step: int = field(default=0, init=False)
    _frames: int = field(default=0, init=False)
    _since: float | None = field(default=None, init=False)  # when the frame before the block under way came
    _played: float = field(default=0.0, init=False)  # when its listener began to play

    @property
    def size(self) -> int:
        """Frames of the block under way."""
        return self.sizes[self._step]

    def came(self, count: int, now: float) -> bool:
        """`count` frames of the block are there; returns whether it is whole, and then begins the next."""
        if self._since is None:  # the first frame of all, before which there was a prompt
            self._since = now
        if count < self.size:
            return False
        made = count if self._frames else count - 1
        self._played = self._played if self._frames else now
        self._frames += count
        in_hand = self._frames / self.frame_rate - (now - self._played)
        makeable = SPENT * in_hand * made / max(now - self._since, 1e-6)
        self._since = now
        self._step = min(self._step + 1, len(self.sizes) - 1)
        while self._step + 1 < len(self.sizes) and self.sizes[self._step + 1] <= makeable:
            self._step += 1
        return True


def gather(pace: Pace, deliver: Deliver, clock: Callable[[], float] = time.monotonic) -> Deliver:
    """Takes frames and passes them on in blocks, then what is left of them, and the end. Of a stream that fails nothing
    is left."""
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
