"""A synthesis request -> an HTTP response with its audio, whole or as it is made."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.protocols.base import pipeline_of
from deployments.synthesis.containers import ContainerEncoder, encoder
from deployments.synthesis.pipeline import Speech
from models.types import SynthesisRequest, VoiceNotFound

VOICE_NOTE = "No voice of this name is registered; the model chose one."


class SpeechStream(StreamingResponse):
    """Audio as it is made. The ingress watches for departures, so this only sends; however it ends, the work ends."""

    def __init__(
        self, body: AsyncGenerator[bytes, None], speech: Speech, headers: dict[str, str], media_type: str
    ) -> None:
        super().__init__(body, headers=headers, media_type=media_type)
        self._speech = speech

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.stream_response(send)
        finally:
            await self.body_iterator.aclose()
            await self._speech.aclose()


async def respond(request: Request, synthesis: SynthesisRequest, *, volume_db: float = 0.0) -> Response:
    """Raises what Pipeline.open and containers.encoder raise: nothing is sent before the first audio exists."""
    speech, container = await start(request, synthesis)
    headers = {"Content-Disposition": f"attachment; filename=audio.{synthesis.format}", **speech.headers}
    if synthesis.format == "pcm":
        headers["X-Sample-Rate"] = str(synthesis.sample_rate or speech.sample_rate)
    if synthesis.streaming:
        body = encoded(speech, container, volume_db, pipeline_of(request).limits.lead_seconds)
        return SpeechStream(body, speech, headers, container.media_type)
    body = encoded(speech, container, volume_db)
    return Response(b"".join([part async for part in body]), headers=headers, media_type=container.media_type)


async def without_stock_voice(
    request: Request, synthesis: SynthesisRequest, stock: Collection[str]
) -> tuple[SynthesisRequest, dict[str, str]]:
    """The request, without a voice that its client names when nobody chose one and that is not registered; the headers
    that say so."""
    if synthesis.voice not in stock:
        return synthesis, {}
    try:
        await asyncio.to_thread(pipeline_of(request).voices.get, synthesis.voice)
    except VoiceNotFound:
        return replace(synthesis, voice=None), {"X-Voice-Note": VOICE_NOTE}
    return synthesis, {}


async def start(request: Request, synthesis: SynthesisRequest) -> tuple[Speech, ContainerEncoder]:
    """The speech with its first block made, and the encoder for it; the format is checked before any work."""
    pipeline = pipeline_of(request)
    container = encoder(
        synthesis.format,
        pipeline.stages.sample_rate,
        streaming=synthesis.streaming,
        bitrate_kbps=synthesis.bitrate_kbps,
        out_sample_rate=synthesis.sample_rate,
        speed=synthesis.speed,
    )
    return await pipeline.open(synthesis), container


async def encoded(
    speech: Speech, container: ContainerEncoder, volume_db: float = 0.0, lead: float = math.inf
) -> AsyncGenerator[bytes, None]:
    """The container's bytes, none empty, at most `lead` seconds of sound before they are played. Ray Serve takes all
    that it is given and keeps it for a client that does not read: nothing else holds such a stream back."""
    gain, began = 10 ** (volume_db / 20), time.monotonic()
    async with aclosing(speech.blocks()) as blocks:
        async for block in blocks:
            if part := container.feed(block * gain if volume_db else block):
                yield part
            played = time.monotonic() - began
            await asyncio.sleep(max(0.0, speech.samples / speech.sample_rate / container.speed - lead - played))
    if rest := container.finish():
        yield rest
