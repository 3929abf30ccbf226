"""OpenAI's speech protocol: /v1/audio/speech, and the lists of models and voices that its clients ask for."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.errors import CLIENT_CLOSED
from deployments.protocols import fields
from deployments.protocols.audio import SpeechStream, encoded, respond, start
from deployments.protocols.base import Protocol, pipeline_of
from deployments.protocols.cloning import UNCHOSEN, Cloning, registered_voice
from deployments.synthesis.speech import Speech
from models.types import SynthesisRequest

PCM_RATE = 24_000  # what OpenAI documents for response_format=pcm: 24 kHz, 16-bit signed, little-endian
STOCK_VOICES = frozenset(
    ("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse")
)


class SpeechRequest(Cloning):
    """OpenAI's fields, and Shoal's own and other servers' through the SDK's `extra_body`."""

    model: str | None = None
    input: str
    voice: fields.VoiceName = None
    response_format: fields.Format = "mp3"
    speed: Annotated[fields.Float, Field(ge=0.25, le=4.0)] = 1.0
    stream: fields.Bool = True
    stream_format: Literal["audio", "sse"] = "audio"
    sample_rate: fields.Int | None = None

    def synthesis(self, voice: str | None) -> SynthesisRequest:
        """`voice` is the registered one that the request means. Raises InvalidRequest."""
        return SynthesisRequest(
            text=self.input,
            references=self.recordings(),
            voice=voice,
            sampling=self.sampling(),
            format=self.response_format,
            streaming=self.stream or self.stream_format == "sse",
            chunk_length=self.chunk_length,
            normalize=self.normalize,
            speed=self.speed,
            sample_rate=self.sample_rate or (PCM_RATE if self.response_format == "pcm" else None),
            on_long_text=self.on_long_text,
            language=self.language,
            device=self.device,
        )


async def speech(request: Request) -> Response:
    """POST /v1/audio/speech."""
    asked = await fields.parse(request, SpeechRequest)
    if asked.model not in (None, _model(request)["id"]):
        fields.tell_ignored(request, ["model"])
    voice, note = await chosen_voice(request, asked)
    synthesis = asked.synthesis(voice)
    if asked.stream_format == "sse":
        return await _events(request, synthesis, note)
    return await respond(request, synthesis, note=note)


async def chosen_voice(connection: HTTPConnection, asked: SpeechRequest) -> tuple[str | None, str | None]:
    """The registered voice that is meant, and a note. A client's default voice ("alloy") must not fail only because it
    is not registered, and gives way to a recording that is sent along."""
    if asked.recordings() and asked.voice and asked.voice.lower() in {*STOCK_VOICES, UNCHOSEN}:
        return None, None
    return await registered_voice(connection, asked.voice, STOCK_VOICES)


async def _events(request: Request, synthesis: SynthesisRequest, note: str | None) -> Response:
    speech, container, headers = await start(request, synthesis, note)
    pipeline = pipeline_of(request)
    parts = encoded(speech, container, lead=pipeline.limits.lead_seconds)
    body = _event_lines(speech, parts, pipeline.stages.frame_rate)
    return SpeechStream(body, speech, headers, "text/event-stream")


async def _event_lines(
    speech: Speech, parts: AsyncGenerator[bytes, None], frame_rate: float
) -> AsyncGenerator[bytes, None]:
    """`usage` counts what there is to count here: characters in, frames of codes out; `ended` is "limit" where the
    speech was cut off."""
    async for part in parts:
        yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()})
    characters, frames = speech.characters, round(speech.samples / speech.sample_rate * frame_rate)
    usage = {"input_tokens": characters, "output_tokens": frames, "total_tokens": characters + frames}
    yield _event({"type": "speech.audio.done", "usage": usage, "ended": speech.ended})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _model(request: Request) -> dict[str, Any]:
    info = request.app.state.info
    return {"id": info.checkpoint, "object": "model", "created": int(info.started), "owned_by": "shoal"}


async def models(request: Request) -> Response:
    """GET /v1/models: the checkpoint."""
    return JSONResponse({"object": "list", "data": [_model(request)]})


async def audio_models(request: Request) -> Response:
    """GET /v1/audio/models, which Open WebUI and others ask: the same list, under their name for it too."""
    listed = [_model(request)]
    return JSONResponse({"object": "list", "data": listed, "models": listed})


async def model(request: Request) -> Response:
    """GET /v1/models/{id}."""
    known = _model(request)
    if request.path_params["id"] != known["id"]:
        raise HTTPException(404, f"There is no such model here; it serves {known['id']!r}.")
    return JSONResponse(known)


async def voices(request: Request) -> Response:
    """GET /v1/audio/voices: those that are registered."""
    registered = await asyncio.to_thread(pipeline_of(request).voices.list)
    return JSONResponse({"voices": [{"id": voice.id, "name": voice.id} for voice in registered]})


def error_body(status: int, message: str, error: Exception) -> Mapping[str, Any]:
    """OpenAI's form of an error."""
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    phrase = "client_closed_request" if status == CLIENT_CLOSED else HTTPStatus(status).phrase
    codes = {400: "invalid_value", 401: "invalid_api_key", 429: "rate_limit_exceeded"}
    code = codes.get(status, phrase.lower().replace(" ", "_"))
    return {"error": {"message": message, "type": kind, "param": getattr(error, "param", None), "code": code}}


PROTOCOL = Protocol(
    name="openai",
    prefixes=("/v1/audio", "/v1/models"),
    error_body=error_body,
    speaking=re.compile("/v1/audio/speech"),
    routes=[
        Route("/v1/audio/speech", speech, methods=["POST"]),
        Route("/v1/audio/voices", voices),
        Route("/v1/audio/models", audio_models),
        Route("/v1/models", models),
        Route("/v1/models/{id:path}", model),
    ],
)
