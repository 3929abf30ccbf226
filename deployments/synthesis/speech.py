"""One speech, as a protocol takes it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence

import numpy as np

from deployments.monitoring.stats import RequestWatch
from deployments.synthesis.reading import Reading
from deployments.synthesis.speaking import Speaking, SpokenSegment
from models.types import Gone


class Speech:
    """Audio being made. The first block exists already: what can be refused was refused before this object."""

    def __init__(
        self,
        headers: dict[str, str],
        sample_rate: int,
        first: np.ndarray,
        rest: AsyncGenerator[np.ndarray, None],
        speaking: Speaking,
        reading: Reading,
        watch: RequestWatch,
    ) -> None:
        self.headers = headers
        self.sample_rate = sample_rate
        self.samples = 0
        self._first = first
        self._rest = rest
        self._speaking = speaking
        self._reading = reading
        self._watch = watch

    @property
    def characters(self) -> int:
        """Of the text that has come so far."""
        return self._watch.stats.text_chars

    @property
    def ended(self) -> str:
        """ "limit" once a segment was cut off at its limit of frames, else "complete"."""
        return "limit" if self._watch.stats.reached_limit else "complete"

    @property
    def segments(self) -> Sequence[SpokenSegment]:
        """Those that were made to their end, in order; the list grows while blocks are taken."""
        return self._speaking.segments

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
                    self._watch.heard(len(block) / self.sample_rate, max(asked, self._speaking.text_came))
            self._watch.end()
        except Exception as error:
            self._watch.end(error)
            raise
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Stop the work on every stage and close the text's source; harmless when all is finished. Where another task
        waits for a block, cancel that one instead."""
        self._watch.end(Gone("The client left."))
        await self._rest.aclose()
        await self._reading.aclose()
