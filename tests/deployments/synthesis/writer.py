"""Texts that arrive in pieces, and how tests listen to what is made of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable

from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.speech import Speech
from models.types import Flush, Reference, SynthesisRequest
from tests.deployments.fakes import recording

VOICE = Reference(recording(), "The sea and all of its fish were quiet on that day.")
SENTENCES = [f"Sentence number {i} says something about the sea and its fish." for i in range(20)]
LONG = " ".join(SENTENCES)


class Writer:
    """A source of text whose pieces a test hands out one by one. `asked`: how often one was asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.closed = False
        self._pieces: asyncio.Queue[str | Flush | Exception | None] = asyncio.Queue()

    def write(self, *pieces: str | Flush | Exception | None) -> None:
        """The next pieces; an exception to be raised, or None for the end."""
        for piece in pieces:
            self._pieces.put_nowait(piece)

    async def pieces(self) -> AsyncGenerator[str | Flush, None]:
        try:
            while True:
                self.asked += 1
                piece = await self._pieces.get()
                if piece is None:
                    return
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed = True


async def at_once(pieces: Iterable[str | Flush]) -> AsyncGenerator[str | Flush, None]:
    for piece in pieces:
        yield piece


def asked(text: str | AsyncGenerator[str | Flush, None], **more: object) -> SynthesisRequest:
    """With a voice, so that segments need not wait for the first one's."""
    return SynthesisRequest(text, references=(VOICE,), streaming=True, normalize=False, **more)


async def hear(pipeline: Pipeline, request: SynthesisRequest) -> Speech:
    speech = await pipeline.open(request)
    async for _ in speech.blocks():
        pass
    return speech


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)


async def quiet() -> None:
    """Long enough for whatever could happen by itself to have happened."""
    for _ in range(20):
        await asyncio.sleep(0.001)
