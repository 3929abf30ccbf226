"""Text in, speech out, over a WebSocket: what the live protocols share. How messages look is each protocol's own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocket

from deployments.protocols.audio import container_of, encoded
from deployments.protocols.base import pipeline_of
from deployments.synthesis.pipeline import Pipeline
from models.types import FLUSH, Flush, InvalidRequest, SynthesisRequest, TooSlow

IDLE = 600.0  # seconds in which a client sends nothing that could be spoken; LiveKit keeps a socket for 300
ROOM = 20_000  # characters that wait for the reader of the text; a cancellation behind more than these is heard late


class Turn:
    """One speech whose text comes while it is spoken, in one container."""

    def __init__(self, pipeline: Pipeline, synthesis: SynthesisRequest, volume_db: float = 0.0) -> None:
        """The text of `synthesis` is not used. Raises InvalidRequest for a container that is not possible."""
        self.container = container_of(pipeline, replace(synthesis, streaming=True))
        self._pipeline, self._synthesis, self._volume_db = pipeline, synthesis, volume_db
        self._waiting: deque[str | Flush] = deque()
        self._size = 0
        self._ended = False
        self._came, self._room = asyncio.Event(), asyncio.Event()

    async def say(self, piece: str | Flush) -> None:
        """The next piece of the text, or FLUSH: what is there is spoken now. Returns when there is room for another.
        Raises InvalidRequest after the end."""
        if self._ended:
            raise InvalidRequest("The text has ended: wait until it is spoken before you send more.")
        self._waiting.append(piece)
        self._size += _size(piece)
        self._came.set()
        while self._size > ROOM:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """The text is complete. Raises InvalidRequest the second time."""
        if self._ended:
            raise InvalidRequest("The text has ended before.")
        self._ended = True
        self._came.set()

    async def audio(self) -> AsyncGenerator[bytes, None]:
        """The container's bytes; none for a text without a character. A request begins with the first one: an open
        socket costs no place before. Raises what Pipeline.open raises, and TooSlow where no text comes for IDLE s."""
        if not await self._begun():
            return
        asked = replace(self._synthesis, text=self._pieces(), streaming=True)
        speech = await self._pipeline.open(asked)
        try:
            parts = encoded(speech, self.container, self._volume_db, self._pipeline.limits.lead_seconds)
            async with aclosing(parts):
                async for part in parts:
                    yield part
        finally:
            await speech.aclose()

    async def _begun(self) -> bool:
        """Waits for the first character; False where the text ends without one."""
        while True:
            while self._waiting and (self._waiting[0] is FLUSH or not self._waiting[0].strip()):
                self._take()
            if self._waiting or self._ended:
                return bool(self._waiting)
            await self._more()

    async def _pieces(self) -> AsyncGenerator[str | Flush, None]:
        while True:
            while self._waiting:
                yield self._take()
            if self._ended:
                return
            await self._more()

    def _take(self) -> str | Flush:
        piece = self._waiting.popleft()
        self._size -= _size(piece)
        self._room.set()
        return piece

    async def _more(self) -> None:
        self._came.clear()
        try:
            async with asyncio.timeout(IDLE):
                await self._came.wait()
        except TimeoutError:
            raise TooSlow(f"No text came for {IDLE:g} seconds.") from None


async def begin(socket: WebSocket, synthesis: SynthesisRequest, volume_db: float = 0.0) -> Turn:
    """A turn whose voice and container exist. Raises InvalidRequest, VoiceNotFound."""
    pipeline = pipeline_of(socket)
    turn = Turn(pipeline, synthesis, volume_db)
    if synthesis.voice is not None:
        await asyncio.to_thread(pipeline.voices.get, synthesis.voice)
    return turn


async def spoken(speaking: Coroutine[Any, Any, None], hearing: Coroutine[Any, Any, None]) -> bool:
    """Speak and hear side by side, until either ends, which ends the other: True where the speech came to its end,
    False where `hearing` wanted no more of it. Raises what either raises."""
    tasks = [asyncio.ensure_future(speaking), asyncio.ensure_future(hearing)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
    return not tasks[0].cancelled()


async def received(socket: WebSocket, within: float | None = None) -> str | bytes:
    """The next message, of text or of bytes. Raises TooSlow where none comes `within` seconds, ClientDisconnect."""
    try:
        async with asyncio.timeout(within):
            message = await socket.receive()
    except TimeoutError:
        raise TooSlow(f"No message came for {within:g} seconds.") from None
    if message["type"] == "websocket.disconnect":
        raise ClientDisconnect
    data: str | bytes | None = message.get("bytes")
    return message["text"] if data is None else data


def _size(piece: str | Flush) -> int:
    """What a waiting piece counts: empty ones are bounded too."""
    return 1 if isinstance(piece, Flush) else 1 + len(piece)
