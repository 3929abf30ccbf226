"""Which streams run when: pure bookkeeping of slots, without tensors, threads or clocks (`now` is the caller's).

A stream waits, is prefilled chunk by chunk, then decodes one frame per step until it finishes. It pauses while it is
more than `lead` frames ahead of what its client has been sent, so that a stalled client costs no compute. Its listener
is assumed to play from the first frame on, and to hear silence where frames come late: when a listener is about to hear
silence, streams with audio in hand stand back.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from models.types import Busy

URGENT = 0.25  # seconds of audio in hand below which a listener is about to hear silence, or hears nothing yet
COMFORTABLE = 1.0  # seconds of audio in hand with which a stream can stand back for those


class State(Enum):
    """How far a stream has come."""

    WAITING = "waiting"
    PREFILL = "prefill"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"


@dataclass(slots=True, eq=False)
class Stream:
    """One utterance: `prompt_length` positions to prefill, then at most `max_frames` frames."""

    id: str
    prompt_length: int
    max_frames: int
    state: State = State.WAITING
    slot: int = -1
    prefilled: int = 0
    frames: int = 0
    sent: int = 0
    began: float | None = None

    @property
    def context(self) -> int:
        """Cached positions that the next decode step looks at, its own included."""
        return self.prompt_length + self.frames

    @property
    def unclaimed(self) -> int:
        """Positions of the cache that it may still fill."""
        return self.prompt_length + self.max_frames - self.prefilled - self.frames


@dataclass(slots=True)
class Chunk:
    """A piece of a prompt to prefill: positions start to end of the stream's prompt."""

    stream: Stream
    start: int
    end: int


@dataclass(slots=True)
class Scheduler:
    """Hands out `slots` in order of arrival; at most `waiting_limit` streams wait. A prompt is prefilled
    `prefill_chunk` positions at a time. `lead` is in frames, `frame_rate` in Hz."""

    slots: int
    waiting_limit: int
    prefill_chunk: int
    lead: int
    frame_rate: float
    _free: list[int] = field(init=False)
    _waiting: deque[Stream] = field(default_factory=deque, init=False)
    _placed: dict[str, Stream] = field(default_factory=dict, init=False)  # in order of arrival

    def __post_init__(self) -> None:
        self._free = list(range(self.slots))

    def submit(self, stream: Stream) -> None:
        """Let a stream wait for a slot. Raises Busy when the waiting room is full."""
        if len(self._waiting) >= max(self.waiting_limit, len(self._free)):
            raise Busy(f"all {self.slots} slots are busy and {len(self._waiting)} requests wait: try again shortly")
        self._waiting.append(stream)

    def admit(self, room: float = math.inf) -> list[Stream]:
        """Place waiting streams into free slots, the lowest first so that batches stay dense, as long as the positions
        that all placed streams may still claim of the cache stay within `room`."""
        admitted, promised = [], self.promised
        while self.placeable and (promised := promised + self._waiting[0].unclaimed) <= room:
            stream = self._waiting.popleft()
            stream.slot, stream.state = heapq.heappop(self._free), State.PREFILL
            self._placed[stream.id] = stream
            admitted.append(stream)
        return admitted

    def next_chunk(self) -> Chunk | None:
        """The next piece of prompt to prefill: a stream that has not started comes before every running one, but only
        one chunk at a time, so that a long prompt does not stall them."""
        for stream in self._placed.values():
            if stream.state is State.PREFILL:
                end = min(stream.prefilled + self.prefill_chunk, stream.prompt_length)
                return Chunk(stream, stream.prefilled, end)
        return None

    def prefilled(self, stream: Stream, end: int) -> None:
        """Record that a stream's prompt is in the cache up to `end`."""
        stream.prefilled = end
        if end >= stream.prompt_length:
            stream.state = State.RUNNING

    def next_batch(self, now: float) -> list[Stream]:
        """The streams of the next decode step: all that run, unless a listener is about to hear silence; then only the
        streams whose listeners cannot wait. A small batch is a quick one, and a stream that stands back is soon among
        them again."""
        running = [stream for stream in self._placed.values() if stream.state is State.RUNNING]
        in_hand = [self._in_hand(stream, now) for stream in running]
        if min(in_hand, default=URGENT) >= URGENT:
            return running
        return [stream for stream, seconds in zip(running, in_hand, strict=True) if seconds < COMFORTABLE]

    def _in_hand(self, stream: Stream, now: float) -> float:
        """Seconds of audio that a stream's listener has received and not yet played."""
        return 0.0 if stream.began is None else stream.frames / self.frame_rate - (now - stream.began)

    def generated(self, stream: Stream, now: float) -> None:
        """Record one more frame of a running stream."""
        if stream.began is None or self._in_hand(stream, now) < 0:  # playing starts, or goes on after silence
            stream.began = now - stream.frames / self.frame_rate
        stream.frames += 1
        if stream.frames >= stream.max_frames:
            self.finish(stream)
        elif stream.frames - stream.sent >= self.lead:
            stream.state = State.PAUSED

    def acknowledge(self, stream: Stream, frames: int) -> None:
        """Record that the client has been sent this many frames of a stream, in all, which may resume it."""
        stream.sent = max(stream.sent, frames)
        if stream.state is State.PAUSED and stream.frames - stream.sent < self.lead:
            stream.state = State.RUNNING

    def finish(self, stream: Stream) -> None:
        """End a stream in whatever state it is, and free its slot."""
        if stream.state is State.WAITING:
            self._waiting.remove(stream)
        elif stream.state is not State.DONE:
            del self._placed[stream.id]
            heapq.heappush(self._free, stream.slot)
        stream.state = State.DONE

    @property
    def promised(self) -> int:
        """Positions of the cache that placed streams may still claim."""
        return sum(stream.unclaimed for stream in self._placed.values())

    @property
    def placeable(self) -> bool:
        """Whether a stream waits and a slot is free."""
        return bool(self._waiting and self._free)

    @property
    def first_waiting(self) -> Stream:
        """The stream that is placed next, where one waits."""
        return self._waiting[0]

    @property
    def runnable(self) -> bool:
        """Whether a placed stream has something to do."""
        return any(stream.state in (State.PREFILL, State.RUNNING) for stream in self._placed.values())

    @property
    def used(self) -> int:
        """Slots in use."""
        return self.slots - len(self._free)

    @property
    def positions_used(self) -> int:
        """Cached positions of the streams that have a slot."""
        return sum(stream.prefilled + stream.frames for stream in list(self._placed.values()))

    @property
    def waiting(self) -> int:
        """Streams without a slot."""
        return len(self._waiting)
