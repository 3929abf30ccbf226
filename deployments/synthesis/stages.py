"""The three stages as a pipeline calls them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from deployments.monitoring.stats import Origin, SegmentStats
from models.reference_encoder.transcripts import Heard
from models.types import EncodedReference, Prompt

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
