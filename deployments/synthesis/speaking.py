"""A text's segments spoken side by side by the stages, and heard in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from deployments.monitoring.stats import Origin, RequestStats, SegmentStats
from deployments.synthesis import joining
from deployments.synthesis.segments import Limits
from models.reference_encoder.transcripts import Heard
from models.types import Busy, EncodedReference, Gone, Prompt

# Seconds in which a replica starts and takes a request: beside an H200 it compiles for 34 s the first time, and other
# machines have slower CPUs.
STARTED_WITHIN = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class EncodedAudio:
    """What the reference-encoder returns: codes int16 (num_codebooks, frames), what a transcript must fit, and what the
    caller should know."""

    codes: np.ndarray
    heard: Heard
    notes: tuple[str, ...] = ()


class Stages(Protocol):
    """The three stages as the pipeline calls them. `codec_key` names the codec's weights: codes belong to them.
    `active` counts segments being spoken; `failed_at` is when one last raised NotReady, by time.monotonic."""

    sample_rate: int
    frame_rate: float
    codec_key: str
    active: int
    failed_at: float

    async def encode(self, audio: bytes) -> EncodedAudio:
        """A recording in any container -> its codes. Raises NotAudio, TooLarge, Busy, NotReady."""

    def speak(
        self, prompt: Prompt, within: float = STARTED_WITHIN
    ) -> AsyncGenerator[Origin | np.ndarray | SegmentStats, None]:
        """Float32 PCM blocks of one segment, before them where they come from, after them how they were made; closing
        or cancelling the generator stops the work on every stage. Raises Busy, or NotReady where no replica takes it
        `within` so many seconds."""

    async def room(self, reference: EncodedReference) -> int:
        """Positions of the model that a voice leaves for text and speech; below zero where it does not fit itself.
        Raises Busy, NotReady."""

    def wake(self) -> None:
        """Start what stands by at zero replicas; returns at once."""


async def speak(
    stages: Stages, prompts: Sequence[Prompt], limits: Limits, within: float, stats: RequestStats
) -> AsyncGenerator[np.ndarray, None]:
    """All prompts' float32 PCM blocks in order; what is to sound first must be taken `within` seconds. The first prompt
    runs alone until it sounds: nothing competes with the first audio, and the others find its voice prefix cached."""
    waiting = deque(prompts)
    running: deque[_Utterance] = deque()

    def start(count: int, patient: bool) -> None:
        while waiting and len(running) < count:
            limit = STARTED_WITHIN if patient else within
            running.append(_Utterance(stages, waiting.popleft(), limits.lead_blocks, patient, limit))

    try:
        start(1, patient=False)
        sounding, level = False, 0.0
        while running:
            seam = sounding
            while (block := await running[0].next()) is not None:
                stats.origin = stats.origin or running[0].origin
                if seam:
                    block, seam = joining.continued(block, level, stages.sample_rate), False
                sounding, level = True, float(block[-1])
                start(limits.segments_ahead, patient=True)
                yield block
            spoken = running.popleft()
            stats.ended += [spoken.ended] if spoken.ended else []
            await spoken.aclose()
            start(limits.segments_ahead if sounding else 1, patient=sounding)
    finally:
        await asyncio.gather(*(utterance.aclose() for utterance in running))


class _Utterance:
    """One segment being spoken, at most `lead` blocks ahead of its listener. A patient one waits its turn when the
    stages are busy, instead of failing a text whose beginning already sounds."""

    def __init__(self, stages: Stages, prompt: Prompt, lead: int, patient: bool, within: float) -> None:
        self._stages = stages
        self._prompt = prompt
        self._patient = patient
        self._within = within
        self._made: asyncio.Queue[np.ndarray | Exception | None] = asyncio.Queue(lead)
        self._closing = False
        self.origin: Origin | None = None
        self.ended: SegmentStats | None = None
        self._task = asyncio.create_task(self._run())

    async def next(self) -> np.ndarray | None:
        """The next block; None at the end."""
        item = await self._made.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def aclose(self) -> None:
        self._closing = True
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        end: Exception | None = None
        try:
            await self._speak()
        except asyncio.CancelledError:
            end = Gone("The stages stopped this request.")
        except Exception as error:
            end = error
        if not self._closing:
            await self._made.put(end)

    async def _speak(self) -> None:
        while True:
            try:
                async with aclosing(self._stages.speak(self._prompt, self._within)) as blocks:
                    async for block in blocks:
                        if isinstance(block, Origin):
                            self.origin = block
                            continue
                        if isinstance(block, SegmentStats):
                            self.ended = block
                            continue
                        self._patient = False
                        if len(block):
                            await self._made.put(block)
                return
            except Busy as busy:
                if not self._patient:
                    raise
                await asyncio.sleep(min(busy.retry_after, 1.0))
