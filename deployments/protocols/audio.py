"""A synthesis request -> an HTTP response with its audio, whole or as it is made."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.protocols.base import pipeline_of
from deployments.synthesis.containers import ContainerEncoder, encoder
from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.speech import Speech
from models.types import SynthesisRequest

# A proxy that collects a stream, or a cache that keeps it, would undo it: nginx collects unless it is told.
STREAMED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class SpeechStream(StreamingResponse):
    """Audio as it is made. The ingress watches for departures, so this only sends; however it ends, the work ends."""

    def __init__(
        self, body: AsyncGenerator[bytes, None], speech: Speech, headers: dict[str, str], media_type: str
    ) -> None:
        super().__init__(body, headers=headers | STREAMED, media_type=media_type)
        self._body, self._speech = body, speech

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            await self.stream_response(send)
        finally:
            await self._body.aclose()
            await self._speech.aclose()


async def respond(
    request: Request, synthesis: SynthesisRequest, *, volume_db: float = 0.0, note: str | None = None
) -> Response:
    """The audio; `note` is about its voice. Raises what Pipeline.open and containers.encoder raise: nothing is sent
    before the first audio exists."""
    speech, container, headers = await start(request, synthesis, note)
    headers["Content-Disposition"] = f"attachment; filename=audio.{synthesis.format}"
    if synthesis.streaming:
        body = encoded(speech, container, volume_db, pipeline_of(request).limits.lead_seconds)
        return SpeechStream(body, speech, headers, container.media_type)
    whole = b"".join([part async for part in encoded(speech, container, volume_db)])
    return Response(whole, headers=headers | end_note(speech), media_type=container.media_type)


def end_note(speech: Speech) -> dict[str, str]:
    """A header for a speech that was made whole: where it was cut off."""
    return {"X-Ended": speech.ended} if speech.ended == "limit" else {}


async def start(
    request: Request, synthesis: SynthesisRequest, note: str | None
) -> tuple[Speech, ContainerEncoder, dict[str, str]]:
    """The speech with its first block made, the encoder for it, and the response's headers; the format is checked
    before any work."""
    pipeline = pipeline_of(request)
    container = container_of(pipeline, synthesis)
    speech = await pipeline.open(synthesis)
    headers = {**speech.headers, "X-Sample-Rate": str(container.sample_rate)}
    return speech, container, headers | ({"X-Voice-Note": note} if note else {})


def container_of(pipeline: Pipeline, synthesis: SynthesisRequest) -> ContainerEncoder:
    """The encoder that a request asks for. Raises InvalidRequest."""
    return encoder(
        synthesis.format,
        pipeline.stages.sample_rate,
        streaming=synthesis.streaming,
        bitrate_kbps=synthesis.bitrate_kbps,
        out_sample_rate=synthesis.sample_rate,
        speed=synthesis.speed,
    )


async def encoded(
    speech: Speech, container: ContainerEncoder, volume_db: float = 0.0, lead: float = math.inf
) -> AsyncGenerator[bytes, None]:
    """The container's bytes, none empty, at most `lead` seconds of sound before they are played. Ray Serve takes all
    that it is given and keeps it for a client that does not read: nothing else holds such a stream back. A silence in
    which the text has not come yet earns no lead."""
    gain, played_until = 10 ** (volume_db / 20), 0.0
    async with aclosing(speech.blocks()) as blocks:
        async for block in blocks:
            if part := container.feed(block * gain if volume_db else block):
                yield part
            now = time.monotonic()
            played_until = max(played_until, now) + len(block) / speech.sample_rate / container.speed
            await asyncio.sleep(max(0.0, played_until - now - lead))
    if rest := container.finish():
        yield rest
