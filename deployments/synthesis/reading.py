"""A text as it arrives -> the segments to speak, each as soon as it is due."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Protocol

from deployments.monitoring.stats import RequestStats
from models.text.reader import Segment
from models.types import FLUSH, Gone, TextPieces, TooLarge

SETTLE = 0.003  # seconds without a further piece, after which a text counts as waited for
BITE = 300  # characters of a long piece that are read at a time: some milliseconds, in which the event loop stands
NOTHING_SAID = Segment("", pause=0.2)  # stands for a text without a word or number


class TextReader(Protocol):
    """What is asked of `models.text.reader.Reader`."""

    def feed(self, piece: str) -> list[Segment]:
        """The segments that are full, whatever comes next."""

    def complete(self) -> list[Segment]:
        """Also those whose last sentence is complete."""

    def finish(self) -> list[Segment]:
        """Everything that is left; more may be fed after it."""


def read(text: str, reader: TextReader) -> list[Segment]:
    """A whole text's segments; a short silence where it holds nothing to say."""
    return [*reader.feed(text), *reader.finish()] or [NOTHING_SAID]


class Reading(Protocol):
    """The segments of one text in order, for one consumer. `hungry`: nothing else waits to be spoken there."""

    hungry: bool

    async def next(self) -> Segment | None:
        """The next segment, as soon as it is due; None at the end. Raises what the source of the text raises, after the
        segments before it."""

    def again(self, segments: Sequence[Segment]) -> None:
        """Take back segments that were not spoken: they come next."""

    async def aclose(self) -> None:
        """Stop reading, and close the source."""


class WholeText:
    """A text that is there: all its segments are due."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.hungry = True
        self._due = deque(segments)

    async def next(self) -> Segment | None:
        """The next segment; None at the end."""
        return self._due.popleft() if self._due else None

    def again(self, segments: Sequence[Segment]) -> None:
        """Take back segments that were not spoken."""
        self._due.extendleft(reversed(segments))

    async def aclose(self) -> None:
        """Nothing is open."""


class StreamedText:
    """A text that arrives in pieces.

    Full segments are due at once. Complete sentences are due while the consumer is hungry and no further piece has come
    for SETTLE seconds: text that arrives at once is packed into full segments. The source is awaited only while no
    segment is due, so that less than a segment and a piece is kept.
    """

    def __init__(self, pieces: TextPieces, reader: TextReader, longest: int, stats: RequestStats) -> None:
        """Each piece has at most `longest` characters. Characters and segments are counted in `stats`."""
        self._reader, self._stats = reader, stats
        self._due: deque[Segment] = deque()
        self._hungry = True
        self._ended = False
        self._error: Exception | None = None
        self._moved, self._wanted = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._read(pieces, longest))

    @property
    def hungry(self) -> bool:
        """Whether a complete sentence is worth speaking by itself."""
        return self._hungry

    @hungry.setter
    def hungry(self, hungry: bool) -> None:
        self._hungry = hungry
        self._moved.set()

    async def next(self) -> Segment | None:
        """The next segment, as soon as it is due; None at the end. Raises what the source raises, after the segments
        before it, and TooLarge for a piece that is too long."""
        while not (self._due or self._ended):
            self._moved.clear()
            if self._hungry:
                await asyncio.sleep(SETTLE)
                if not self._moved.is_set():
                    self._give(self._reader.complete())
            if not (self._due or self._ended):
                await self._moved.wait()
        if self._due:
            segment = self._due.popleft()
            self._wanted.set()
            return segment
        if self._error:
            raise self._error
        return None

    def again(self, segments: Sequence[Segment]) -> None:
        """Take back segments that were not spoken."""
        self._due.extendleft(reversed(segments))

    async def aclose(self) -> None:
        """Stop reading, and close the source."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _read(self, pieces: TextPieces, longest: int) -> None:
        try:
            await self._feed(pieces, longest)
        except asyncio.CancelledError:
            self._error = Gone("The source of the text was stopped.")
            raise
        except Exception as error:
            self._error = error
        finally:
            self._ended = True
            self._moved.set()
            if isinstance(pieces, AsyncGenerator):
                with suppress(Exception):  # the consumer hears how the text ended, not how its source closed
                    await pieces.aclose()

    async def _feed(self, pieces: TextPieces, longest: int) -> None:
        reader, stats, blank = self._reader, self._stats, True
        async for piece in pieces:
            if piece is FLUSH:
                await self._offer(reader.finish())
                continue
            if len(piece) > longest:
                raise TooLarge(f"A piece of text has {len(piece)} characters; the limit is {longest}.")
            stats.text_chars += len(piece)
            blank = blank and not piece.strip()
            for at in range(0, len(piece), BITE):
                if at:
                    await asyncio.sleep(0)
                await self._offer(reader.feed(piece[at : at + BITE]))
        self._give(reader.finish())
        if not stats.segments and not blank:
            self._give([NOTHING_SAID])

    async def _offer(self, segments: Sequence[Segment]) -> None:
        """Returns when no segment is due any more."""
        self._give(segments)
        while self._due:
            self._wanted.clear()
            await self._wanted.wait()

    def _give(self, segments: Sequence[Segment]) -> None:
        self._stats.segments = (self._stats.segments or 0) + len(segments)
        self._due.extend(segments)
        self._moved.set()
