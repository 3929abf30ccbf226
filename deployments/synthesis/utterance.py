"""One segment being spoken by the stages, a bounded lead ahead of its listener."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import numpy as np

from deployments.monitoring.stats import Origin, SegmentStats
from deployments.synthesis.sound.loudness import Level
from deployments.synthesis.sound.trimming import Tail
from deployments.synthesis.stages import STARTED_WITHIN, Stages
from models.types import Busy, Gone, Prompt


class Utterance:
    """One segment being spoken, at most `lead` blocks ahead of its listener. A patient one waits its turn when the
    stages are busy, instead of failing a text whose beginning already sounds.

    `over`: nothing more is made; `error`: what it failed with; `ended`: how it was made, once it was made to its end;
    `level`: how loud what was made is.
    """

    def __init__(
        self,
        stages: Stages,
        prompt: Prompt,
        *,
        lead: int,
        within: float = STARTED_WITHIN,
        patient: bool,
        trimmed: bool,
        over: Callable[[], None],
    ) -> None:
        """`within` so many seconds a replica must take it. `trimmed`: an end at the limit of frames is babble, and cut
        where it is quietest. `over` is called when nothing more is made."""
        self._stages = stages
        self._prompt = prompt
        self._patient = patient
        self._within = within
        limit = prompt.sampling.max_new_tokens / stages.frame_rate
        self.level = Level(stages.sample_rate)
        self._tail = Tail(limit if trimmed else None, stages.sample_rate)
        self._made: asyncio.Queue[np.ndarray | Exception | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(lead)
        self._closing = False
        self._made_all = over
        self.over = False
        self.origin: Origin | None = None
        self.ended: SegmentStats | None = None
        self.error: Exception | None = None
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
        try:
            await self._speak()
        except asyncio.CancelledError:
            self.error = Gone("The stages stopped this request.")
        except Exception as error:
            self.error = error
        self.over = True
        if not self._closing:
            self._made_all()
            self._made.put_nowait(self.error)

    async def _speak(self) -> None:
        while True:
            try:
                async with aclosing(self._stages.speak(self._prompt, self._within)) as items:
                    async for item in items:
                        await self._take(item)
                cut = self.ended is not None and self.ended.generated.finished.reached_limit
                await self._put(self._tail.rest(cut))
                return
            except Busy as busy:
                if not self._patient:
                    raise
                await asyncio.sleep(min(busy.retry_after, 1.0))

    async def _take(self, item: Origin | np.ndarray | SegmentStats) -> None:
        if isinstance(item, Origin):
            self.origin = item
        elif isinstance(item, SegmentStats):
            self.ended = item
        else:
            self._patient = False
            await self._put(self._tail.feed(item))

    async def _put(self, block: np.ndarray) -> None:
        if len(block):
            self.level.feed(block)
            await self._room.acquire()
            self._made.put_nowait(block)
