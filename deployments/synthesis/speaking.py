"""A text's segments spoken side by side by the stages, and heard in order."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

import numpy as np

from deployments.monitoring.stats import RequestStats, SegmentStats
from deployments.synthesis.reading import Reading
from deployments.synthesis.script import Script
from deployments.synthesis.segments import Limits
from deployments.synthesis.sound import loudness
from deployments.synthesis.sound.joining import Joiner
from deployments.synthesis.stages import STARTED_WITHIN, Stages
from deployments.synthesis.utterance import Utterance
from models.text.reader import Segment
from models.types import EncodedReference, NoRoom

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpokenSegment:
    """A segment that was heard: its text as the model got it, and its samples `start` to `end` of the whole speech,
    without the pause after it."""

    text: str
    start: int
    end: int


@dataclass(slots=True, eq=False)
class _Place:
    """A segment that waits for its turn to be heard, without an utterance where it is only a pause."""

    segment: Segment
    number: int
    part: int = 0
    utterance: Utterance | None = None
    sounds: bool = False


class Speaking:
    """One text's way through the stages of one pool. Segments start as soon as they are due and there is room. The
    first runs alone until it sounds: nothing competes with the first audio, and the others find its voice prefix in
    the cache.

    `sounds`: whether any segment was heard yet; `segments`: those heard to their end; `samples`: what was handed out.
    `text_came` is when (perf_counter) the last segment came to a line that was empty: before that there was nothing to
    speak.
    """

    def __init__(
        self,
        stages: Stages,
        reading: Reading,
        script: Script,
        limits: Limits,
        within: float,
        stats: RequestStats,
    ) -> None:
        """What is to sound first must be taken `within` so many seconds."""
        self.sounds = False
        self.segments: list[SpokenSegment] = []
        self.samples = 0
        self.text_came = 0.0
        self._stages, self._reading, self._script = stages, reading, script
        self._limits, self._within, self._stats = limits, within, stats
        self._joiner = Joiner(stages.sample_rate)
        self._line: deque[_Place] = deque()
        self._silence = 0.0  # seconds, owed before the first sound
        self._loudness: float | None = None  # of the first segment, in dB
        self._voice: EncodedReference | None = None
        self._follows = script.follows  # until there is a voice to follow, or none is told
        self._room: float = math.inf  # frames behind a prompt, as far as it is known
        self._moved = asyncio.Event()
        self._starter = asyncio.create_task(self._start())
        self._starter.add_done_callback(lambda _: self._moved.set())

    async def blocks(self) -> AsyncGenerator[np.ndarray, None]:
        """Float32 PCM blocks in order. A pause before the first sound waits for that sound: until then the stages may
        still refuse. Raises what the stages and the text's source raise."""
        tried = False
        try:
            while place := await self._head():
                if place.utterance:
                    tried = True
                    async with aclosing(self._heard(place.segment, place.utterance)) as blocks:
                        async for block in blocks:
                            if not place.sounds:
                                place.sounds = self.sounds = True
                                self._look()
                            yield block
                if not (self._line and self._line[0] is place):
                    continue  # others have taken its place
                self._line.popleft()
                self._look()
                self._silence += place.segment.pause
                if self._silence and self.sounds:
                    yield self._pause()
            if self._silence and not tried:
                yield self._pause()
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Stop the work on every stage. What was to be spoken while nothing had sounded goes back to the reading."""
        self._starter.cancel()
        await asyncio.wait({self._starter})
        await asyncio.gather(*(place.utterance.aclose() for place in self._line if place.utterance))
        if not self.sounds:
            before = [Segment("", self._silence)] if self._silence else []
            self._reading.again(before + [place.segment for place in self._line])
        self._line.clear()

    async def _heard(self, segment: Segment, utterance: Utterance) -> AsyncGenerator[np.ndarray, None]:
        """An utterance's blocks as they follow what came before: joined to it, and about as loud as the first."""
        start, factor = None, 1.0
        evened = self._script.evened(segment)
        while (block := await utterance.next()) is not None:
            self._stats.origin = self._stats.origin or utterance.origin
            if self._silence:
                yield self._pause()
            if start is None:
                start = self.samples
                self._joiner.begin()
            if evened and self._loudness is not None:
                # Of a later segment much has been made when its turn comes: its level is known from the beginning.
                before, factor = factor, loudness.gain(self._loudness, utterance.level)
                block = loudness.scaled(block, before if self.samples > start else factor, factor)
            self.samples += len(block)
            yield self._joiner.sound(block)
        if utterance.ended:
            self._stats.ended.append(replace(utterance.ended, codes=None))
            if utterance.ended.generated.finished.reached_limit:
                log.info("segment %d of a text was cut off at its limit of frames", len(self._stats.ended))
        if start is not None:
            self.segments.append(SpokenSegment(segment.text, start, self.samples))
            if evened and self._loudness is None:
                self._loudness = utterance.level.db
        await utterance.aclose()

    def _pause(self) -> np.ndarray:
        silence, self._silence = self._joiner.silence(self._silence), 0.0
        self.samples += len(silence)
        return silence

    async def _head(self) -> _Place | None:
        """What is heard next; None at the end. Raises what ended the text early."""
        while not self._line and not self._starter.done():
            self._moved.clear()
            await self._moved.wait()
        if self._line:
            return self._line[0]
        self._starter.result()
        return None

    async def _start(self) -> None:
        """Start every segment of the text, each as soon as there is room."""
        number = 0
        while True:
            while len(self._speaking()) >= (self._limits.segments_ahead if self.sounds else 1) or self._unheard_voice():
                self._moved.clear()
                await self._moved.wait()
            segment = await self._reading.next()
            if segment is None:
                return
            if not self._line:
                self.text_came = time.perf_counter()
            parts = self._script.parts(segment, self._room) if segment.text else [segment]
            for part, piece in enumerate(parts):
                self._line.append(self._begun(_Place(piece, number, part)))
            number += bool(segment.text)
            self._look()

    def _begun(self, place: _Place) -> _Place:
        """The place with its utterance under way."""
        if place.segment.text:
            prompt = self._script.prompt(place.segment, place.number, place.part, self._voice)
            later = self.sounds or bool(self._speaking())
            place.utterance = Utterance(
                self._stages,
                prompt,
                lead=self._limits.lead_blocks,
                within=STARTED_WITHIN if later else self._within,
                patient=later,
                trimmed=self._script.bounded(prompt),
                over=lambda: self._made(place),
            )
        return place

    def _made(self, place: _Place) -> None:
        """A segment was made, or failed. One that found too little room behind its references gives its place to its
        parts."""
        utterance = place.utterance
        if utterance is None:
            return
        if self._follows and utterance.error is None:
            self._follow(place.segment.text, utterance.ended)
        self._moved.set()
        if not isinstance(utterance.error, NoRoom):
            return
        self._room = min(self._room, utterance.error.room)
        parts = self._script.parts(place.segment, utterance.error.room)
        if len(parts) > 1:
            at = self._line.index(place)
            del self._line[at]
            for part, piece in enumerate(parts):
                self._line.insert(at + part, self._begun(_Place(piece, place.number, place.part + part)))
            utterance.error = None
            self._look()

    def _unheard_voice(self) -> bool:
        """Whether the next segment waits for one that is being made, to follow its voice."""
        return self._follows and any(place.utterance and not place.utterance.over for place in self._line)

    def _follow(self, text: str, ended: SegmentStats | None) -> None:
        """Let the segments after this one have its voice, unless it was cut off: babble is no example."""
        if ended is None or ended.codes is None:
            self._follows = False
        elif not ended.generated.finished.reached_limit:
            self._voice, self._follows = self._script.voice(text, ended.codes), False

    def _look(self) -> None:
        """Something moved: there may be room, or something to hear, and the text may be wanted sooner."""
        self._reading.hungry = all(place.sounds for place in self._speaking())
        self._moved.set()

    def _speaking(self) -> list[_Place]:
        return [place for place in self._line if place.utterance]
