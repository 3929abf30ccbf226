"""Measurements per request, and per stage at a point in time. What is not known is None."""

from __future__ import annotations

import time
import uuid
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np
import psutil

from cluster.machine.monitor import Load, Usage
from deployments.errors import status_of
from models.types import Finished, Gone


@dataclass(frozen=True, slots=True)
class Origin:
    """The text-to-semantic replica that a stream comes from, and how it runs: the stream's first item."""

    replica: str
    tier: str
    device: str
    precision: str
    quantization: str
    compiled: bool

    @property
    def weights(self) -> str:
        """The type that the weights are multiplied in."""
        return self.precision if self.quantization == "none" else self.quantization


@dataclass(frozen=True, slots=True)
class Use:
    """Use of a replica's machine while it worked: mean percent of its cores, percent of its busiest GPU, bytes of
    VRAM at most, and the replica's resident bytes at the end."""

    cpu: float | None
    gpu_mean: float | None
    gpu_peak: float | None
    vram_peak: int | None
    rss: int

    @classmethod
    def of(cls, usage: Usage) -> Use:
        """The monitor's figures, and the resident bytes now."""
        rss = psutil.Process().memory_info().rss
        return cls(usage.cpu_mean, usage.gpu_mean, usage.gpu_peak, usage.vram_peak, rss)


@dataclass(frozen=True, slots=True)
class Generated:
    """The end of a stream of codes: how the engine served it, bytes of weights that a decode step reads, and what the
    machine did meanwhile."""

    finished: Finished
    bytes_per_step: int
    use: Use


@dataclass(frozen=True, slots=True)
class SegmentStats:
    """The last item of a segment's stream. `codes_shape` is (num_codebooks, frames) of all its codes; the decoder on
    `device` worked on it for `decode_seconds`, in batches of `batch_width` blocks on average (None without a block).
    `codes` are there where the prompt asked for them."""

    generated: Generated
    device: str
    codes_shape: tuple[int, int]
    decode_seconds: float
    batch_width: float | None
    codes: np.ndarray | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StageLoad:
    """A stage at one moment; None where it has no such thing. The caches' counts run from the replica's start."""

    slots: int
    slots_used: int
    waiting: int
    kv_bytes: Mapping[str, int] | None = None
    cache_hits: int | None = None
    cache_misses: int | None = None


@dataclass(frozen=True, slots=True)
class MachineLoad:
    """The machine of a replica: Ray's node id, the host's name, and how it fares; `working`: the replica itself is at
    work there."""

    node: str
    host: str
    fanless: bool
    load: Load
    working: bool


@dataclass(slots=True)
class Playback:
    """A listener who plays from the first block on, in seconds since any moment."""

    silence: float = 0.0
    late_blocks: int = 0
    _until: float | None = None

    def heard(self, now: float, seconds: float, asked: float | None = None) -> None:
        """A block of `seconds` came at `now`. The listener took it up at `asked`, by default at once: silence before
        that is their own doing."""
        if self._until is not None and now > (due := max(self._until, asked or self._until)):
            self.silence += now - due
            self.late_blocks += 1
        self._until = max(self._until or now, now) + seconds


@dataclass(slots=True)
class RequestStats:
    """One speech request. Times in seconds: `wall_seconds` from its arrival to its end, `ttfa_seconds` to its first
    block of audio; `encode_seconds` is the wait for its references' codes. `status` is the HTTP status that it ended
    with, or would have if audio had not been sent yet, and `error` the kind of what went wrong. `pool` speaks."""

    text_chars: int
    streaming: bool
    began: float = field(default_factory=time.time)
    segments: int | None = None
    reference_seconds: float | None = None
    encode_seconds: float | None = None
    ttfa_seconds: float | None = None
    wall_seconds: float | None = None
    audio_seconds: float | None = None
    underrun_seconds: float | None = None
    origin: Origin | None = None
    pool: str | None = None
    ended: list[SegmentStats] = field(default_factory=list)
    status: int | None = None
    error: str | None = None
    request_id: str = field(default_factory=lambda: current_trace().request_id)

    @property
    def rtf(self) -> float | None:
        """Wall seconds for a second of audio; None without audio or before the end."""
        return self.wall_seconds / self.audio_seconds if self.audio_seconds and self.wall_seconds else None

    @property
    def reached_limit(self) -> bool:
        """Whether a segment was cut off at its limit of frames."""
        return any(segment.generated.finished.reached_limit for segment in self.ended)


@dataclass(slots=True)
class Trace:
    """One connection on its way through the server: its request id, and the speech requests that came over it."""

    request_id: str
    requests: list[RequestStats] = field(default_factory=list)


_trace: ContextVar[Trace] = ContextVar("trace")


def current_trace() -> Trace:
    """The trace of the connection that the current task works for; a new one outside of any."""
    return _trace.get(None) or Trace(uuid.uuid4().hex)


@contextmanager
def traced(request_id: str) -> Iterator[Trace]:
    """Work inside, and in tasks begun inside, belongs to this request id."""
    trace = Trace(request_id)
    token = _trace.set(trace)
    try:
        yield trace
    finally:
        _trace.reset(token)


class RequestWatch:
    """Fills a request's stats by the clock, and hands them over once, at its end."""

    def __init__(self, stats: RequestStats, over: Callable[[RequestStats], None]) -> None:
        self.stats = stats
        current_trace().requests.append(stats)
        self._over: Callable[[RequestStats], None] | None = over
        self._began = time.perf_counter()
        self._playback = Playback()
        self._audio = 0.0

    @contextmanager
    def encoding(self) -> Iterator[None]:
        """Times the wait for the references' codes."""
        began = time.perf_counter()
        yield
        self.stats.encode_seconds = time.perf_counter() - began

    def heard(self, seconds: float, asked: float | None = None) -> None:
        """The next block, of `seconds` of audio, is there; it was asked for at `asked` (perf_counter)."""
        now = time.perf_counter()
        if self.stats.ttfa_seconds is None:
            self.stats.ttfa_seconds = now - self._began
        self._playback.heard(now, seconds, asked)
        self._audio += seconds

    def end(self, error: BaseException | None = None) -> None:
        """The request is over; only the first call counts."""
        if self._over is None:
            return
        over, self._over = self._over, None
        stats = self.stats
        stats.wall_seconds = time.perf_counter() - self._began
        stats.audio_seconds = self._audio or None
        if stats.streaming and self._audio:
            stats.underrun_seconds = self._playback.silence
        if isinstance(error, (CancelledError, GeneratorExit)):
            error = Gone("The client left.")
        stats.error = None if error is None else type(error).__name__
        stats.status = 200 if error is None else status_of(error)
        over(stats)
