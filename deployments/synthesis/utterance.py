"""One segment being spoken by the stages, a bounded lead ahead of its listener."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import numpy as np

from deployments.monitoring.stats import Origin, SegmentStats
from deployments.synthesis.stages import Stages
from models.types import Busy, Gone, Prompt


class Utterance:
    """One segment being spoken, at most `lead` blocks ahead of its listener. A patient one waits its turn when the
    stages are busy, instead of failing a text whose beginning already sounds."""

    def __init__(self, stages: Stages, prompt: Prompt, lead: int, patient: bool, within: float) -> None:
        self._stages = stages
        self._prompt = prompt
        self._patient = patient
        self._within = within
        self._made: asyncio.Queue[np.ndarray | Exception | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(lead)
        self._closing = False
        self.origin: Origin | None = None
        self.ended: SegmentStats | None = None
        self._task = asyncio.create_task(self._run())

    async def next(self) -> np.ndarray | None:
        """The next block; None at the end. Raises what the stages raise."""
        item = await self._made.get()
        if isinstance(item, Exception):
            raise item
        self._room.release()
        return item

    async def aclose(self) -> None:
        """Stop the work on every stage."""
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
            self._made.put_nowait(end)

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
                            await self._room.acquire()
                            self._made.put_nowait(block)
                return
            except Busy as busy:
                if not self._patient:
                    raise
                await asyncio.sleep(min(busy.retry_after, 1.0))
