"""Stages that tell how each segment was made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection

import numpy as np

from deployments.monitoring.stats import Generated, SegmentStats, Use
from deployments.synthesis.stages import STARTED_WITHIN
from models.types import Finished, NoRoom, Prompt
from tests.deployments.fakes import FRAME, FakeStages

BABBLE = 0.1  # its level


class TellingStages(FakeStages):
    """A character of text and a frame of reference take a position each, of `positions`. `babbling`: texts whose
    utterances miss their end."""

    def __init__(self, babbling: Collection[str] = (), positions: int = 2048) -> None:
        super().__init__()
        self.babbling, self.positions = babbling, positions

    async def speak(
        self, prompt: Prompt, within: float = STARTED_WITHIN
    ) -> AsyncGenerator[np.ndarray | SegmentStats, None]:
        room = self.positions - len(prompt.text) - sum(each.codes.shape[1] for each in prompt.references)
        if room < prompt.needs:
            raise NoRoom(f"room for {room} frames", room)
        limit, frames = min(prompt.sampling.max_new_tokens, room), 0
        async for block in super().speak(prompt, within):
            frames += len(block) // FRAME
            yield block
        if prompt.text in self.babbling:
            yield np.full((limit - frames) * FRAME, BABBLE, np.float32)
            frames = limit
        codes = np.full((10, frames), prompt.sampling.seed % 1000, np.int16) if prompt.keeps_codes else None
        use = Use(cpu=None, gpu_mean=None, gpu_peak=None, vram_peak=None, rss=1)
        finished = Finished(frames, frames >= limit, 0.0, 0.1, 10, 0, frames, 0.1, 1.0)
        yield SegmentStats(Generated(finished, 1, use), "cpu", (10, frames), 0.1, 1.0, codes)
