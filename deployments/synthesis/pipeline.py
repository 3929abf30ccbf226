"""One request's way: text and voice -> segments -> prompts -> PCM blocks in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deployments.monitoring.stats import RequestStats, RequestWatch
from deployments.synthesis.encode_cache import EncodeCache
from deployments.synthesis.references import References, check_references
from deployments.synthesis.segments import Limits, header_text, prompts, segment
from deployments.synthesis.speaking import STARTED_WITHIN, EncodedAudio, Stages, speak
from deployments.synthesis.voices import VoiceLibrary
from models.types import (
    Busy,
    EncodedReference,
    Gone,
    InvalidRequest,
    NotReady,
    OutOfMemory,
    Reference,
    SynthesisRequest,
    Unsayable,
)

log = logging.getLogger(__name__)

SHORT = 300  # characters of a text that is segmented in about the time that another thread takes to wake
TAKEN_WITHIN = 3.0  # seconds in which a replica takes a request, where another pool could


@dataclass(frozen=True, slots=True)
class Pool:
    """Stages on one kind of device, and the tier that it makes with its limits in characters, of a text and of a
    segment; `text_chars_hot`: a text's while a machine of it is hot, where that is another."""

    name: str
    device: str
    stages: Stages
    tier: str
    text_chars: int
    text_chars_hot: int | None = None
    segment_chars: int = 300

    def limits(self, limits: Limits) -> Limits:
        segment_chars = min(self.segment_chars, limits.segment_chars)
        return replace(limits, tier=self.tier, tier_text_chars=self.text_chars, segment_chars=segment_chars)


class Speech:
    """Audio being made. The first block exists already: what can be refused was refused before this object."""

    def __init__(
        self,
        headers: dict[str, str],
        sample_rate: int,
        first: np.ndarray,
        rest: AsyncGenerator[np.ndarray, None],
        watch: RequestWatch,
    ) -> None:
        self.headers = headers
        self.sample_rate = sample_rate
        self.samples = 0
        self._first = first
        self._rest = rest
        self._watch = watch

    async def blocks(self) -> AsyncGenerator[np.ndarray, None]:
        """Float32 PCM blocks in [-1, 1], in order; once. `samples` counts what was taken."""
        try:
            block: np.ndarray | None = self._first
            while block is not None:
                self.samples += len(block)
                yield block
                asked = time.perf_counter()
                block = await anext(self._rest, None)
                if block is not None:
                    self._watch.heard(len(block) / self.sample_rate, asked)
            self._watch.end()
        except Exception as error:
            self._watch.end(error)
            raise
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Stop the work on every stage; harmless when it is finished."""
        self._watch.end(Gone("The client left."))
        await self._rest.aclose()


class Pipeline:
    """`stages` encode references for all pools; `route` gives the pools that may speak for a request asking for a
    device or None, best first, and raises InvalidRequest where there are none. `record` is told of every request once,
    when it is over."""

    def __init__(
        self,
        stages: Stages,
        voices: VoiceLibrary,
        limits: Limits,
        route: Callable[[str | None], Sequence[Pool]],
        record: Callable[[RequestStats], None] = lambda stats: None,
    ) -> None:
        self.stages = stages
        self.voices = voices
        self.limits = limits
        self.encoded: EncodeCache[EncodedAudio] = EncodeCache(limits.encode_cache)
        self.running = 0
        self._references = References(stages, voices, self.encoded)
        self._route = route
        self._record = record

    async def open(self, request: SynthesisRequest) -> Speech:
        """Start speaking; returns with the first block made.

        Raises InvalidRequest, Unsayable, TooLarge, VoiceNotFound, NotAudio, Busy, NotReady, OutOfMemory.
        """
        watch = RequestWatch(RequestStats(len(request.text), request.streaming), self._over)
        self.running += 1
        try:
            return await self._open(request, watch)
        except BaseException as error:
            watch.end(error)
            raise

    async def _open(self, request: SynthesisRequest, watch: RequestWatch) -> Speech:
        stats, pools = watch.stats, self._route(request.device)
        segments, headers = await self._segment(request, pools[0])
        references = await self._encoded(request, watch)
        stats.reference_seconds = sum(each.codes.shape[1] for each in references) / self.stages.frame_rate or None
        notes = [note for reference in references for note in reference.notes]
        refusals: list[Exception] = []
        for pool in pools:
            if refusals:  # this pool's tier has limits of its own
                log.info("passed on to pool %s: %s", pool.name, refusals[-1])
                segments, headers = await self._segment(request, pool)
            stats.segments, stats.pool = len(segments), pool.name
            within = STARTED_WITHIN if pool is pools[-1] else TAKEN_WITHIN
            rest = speak(pool.stages, prompts(request, references, segments), self.limits, within, stats)
            try:
                first = await anext(rest, None)
            except (Busy, NotReady, OutOfMemory) as error:
                refusals.append(error)
                continue
            if first is None:
                raise Unsayable("The model made no sound for this text; add words, or try another seed.")
            watch.heard(len(first) / self.stages.sample_rate)
            headers |= {"X-Device": pool.device, "X-Pool": pool.name}
            if stats.origin:
                headers |= {"X-Device": stats.origin.device, "X-Precision": stats.origin.weights}
            if notes:
                headers["X-Reference-Note"] = header_text(" ".join(notes))
            return Speech(headers, self.stages.sample_rate, first, rest, watch)
        raise refusals[0]

    async def _segment(self, request: SynthesisRequest, pool: Pool) -> tuple[list[str], dict[str, str]]:
        limits = pool.limits(self.limits)
        if len(request.text) <= SHORT:
            return segment(request, limits)
        return await asyncio.to_thread(segment, request, limits)

    def _over(self, stats: RequestStats) -> None:
        self.running -= 1
        self._record(stats)

    async def add_voice(self, voice_id: str, audio: bytes, text: str) -> tuple[str, ...]:
        """Register a voice, encoded at once: a bad recording is refused here, and no request waits for it later.
        Returns notes. Raises InvalidRequest, VoiceExists, NotAudio, TooLarge, NoSpace, Busy, NotReady."""
        check_references((Reference(audio, text),), 1, self.limits.text_chars)
        return await self._references.add(voice_id, audio, text)

    async def _encoded(self, request: SynthesisRequest, watch: RequestWatch) -> tuple[EncodedReference, ...]:
        """The voice that a request asks for; nothing, where the model picks one."""
        if request.voice is not None:
            if request.references:
                raise InvalidRequest("Give either a registered voice or reference recordings, not both.")
            found = await self._references.voice(request.voice)
            if isinstance(found, EncodedReference):
                return (found,)
            with watch.encoding():
                return (await self._references.encode_voice(found),)
        if not request.references:
            return ()
        check_references(request.references, self.limits.references, self.limits.text_chars)
        with watch.encoding():
            return tuple(await asyncio.gather(*map(self._references.encode, request.references)))
