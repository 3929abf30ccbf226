"""Fish Audio's protocol, as upstream's server and the fish-audio SDK speak it: /v1/tts and /v1/references."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.protocols import fields
from deployments.protocols.audio import respond
from deployments.protocols.base import Protocol, pipeline_of, plain_body
from deployments.protocols.cloning import Cloning, registered_voice
from models.types import SynthesisRequest

# LiveKit's plugin sends these, now and before, when no voice was chosen.
STOCK_VOICES = frozenset(("933563129e564b19a115bedd57b7406a", "8ef4a238714b45718ce04243307c57a7"))

AUTOMATIC = -1000  # the SDK's word for a bit rate that the server chooses
Speed = Annotated[fields.Float, Field(ge=0.5, le=2.0)]
Volume = Annotated[fields.Float, Field(ge=-20.0, le=20.0)]  # dB


class Prosody(fields.Fields):
    """How it is spoken."""

    speed: Speed = 1.0
    volume: Volume = 0.0


class TTSRequest(Cloning):
    """Upstream's ServeTTSRequest and the SDK's TTSRequest. As upstream, `reference_id` goes before recordings. Forms
    have the prosody's fields beside the others."""

    text: str
    format: fields.Format
    reference_id: fields.VoiceName = None
    streaming: fields.Bool
    sample_rate: fields.Int | None = None
    mp3_bitrate: fields.Int | None = None
    opus_bitrate: fields.Int | None = None
    prosody: Annotated[Prosody, fields.Nested] = Prosody()
    speed: Speed | None = None
    volume: Volume | None = None

    @property
    def volume_db(self) -> float:
        """Decibels added to the loudness."""
        return self.prosody.volume if self.volume is None else self.volume

    def synthesis(self, voice: str | None) -> SynthesisRequest:
        """`voice` is the registered one that `reference_id` means. Raises InvalidRequest."""
        recordings = self.recordings()
        return SynthesisRequest(
            text=self.text,
            references=() if voice else recordings,
            voice=voice,
            sampling=self.sampling(),
            format=self.format,
            streaming=self.streaming,
            chunk_length=self.chunk_length,
            normalize=self.normalize,
            speed=self.prosody.speed if self.speed is None else self.speed,
            sample_rate=self.sample_rate,
            bitrate_kbps=self._bitrate(),
            on_long_text=self.on_long_text,
            language=self.language,
            device=self.device,
        )

    def _bitrate(self) -> int | None:
        opus = self.opus_bitrate
        if opus and opus >= 1000:  # the cloud's documents have it in bits a second, the SDKs in kbit/s
            opus //= 1000
        bitrate = {"mp3": self.mp3_bitrate, "opus": opus}.get(self.format)
        return None if bitrate == AUTOMATIC else bitrate


async def tts(request: Request) -> Response:
    """POST /v1/tts. Fish's cloud always streams, and MP3 unless asked otherwise: its clients (which name a `model` in a
    header) get that. Upstream's own server gives a whole WAV."""
    cloud = "model" in request.headers
    usual = {"format": "mp3" if cloud else "wav", "streaming": cloud}
    asked = await fields.parse(request, TTSRequest, usual)
    voice, note = await registered_voice(request, asked.reference_id, STOCK_VOICES)
    return await respond(request, asked.synthesis(voice), volume_db=asked.volume_db, note=note)


class AddReference(fields.Fields):
    """A voice to register."""

    id: fields.NewVoiceName
    audio: fields.Audio
    text: str


class NamedReference(fields.Fields):
    """A registered voice."""

    reference_id: fields.NewVoiceName


class RenamedReference(fields.Fields):
    """A registered voice, and what it is to be called."""

    old_reference_id: fields.NewVoiceName
    new_reference_id: fields.NewVoiceName


async def add_reference(request: Request) -> Response:
    """POST /v1/references/add."""
    asked = await fields.parse(request, AddReference)
    notes = await pipeline_of(request).add_voice(asked.id, asked.audio, asked.text)
    message = " ".join((f"Voice {asked.id!r} is registered.", *notes))
    return JSONResponse({"success": True, "message": message, "reference_id": asked.id})


async def list_references(request: Request) -> Response:
    """GET /v1/references/list: the ids as upstream has them, and the voices with their transcripts."""
    voices = await asyncio.to_thread(pipeline_of(request).voices.list)
    ids, known = [voice.id for voice in voices], [{"id": voice.id, "text": voice.text} for voice in voices]
    message = f"{len(ids)} registered voices."
    return JSONResponse({"success": True, "reference_ids": ids, "voices": known, "message": message})


async def get_reference(request: Request) -> Response:
    """GET /v1/references/{id}."""
    voice = await asyncio.to_thread(pipeline_of(request).voices.get, request.path_params["id"])
    return JSONResponse({"success": True, "reference_id": voice.id, "text": voice.text})


async def get_recording(request: Request) -> Response:
    """GET /v1/references/{id}/audio: the recording as it was sent; of no kind, so that no browser shows it."""
    voices = pipeline_of(request).voices
    voice = await asyncio.to_thread(voices.get, request.path_params["id"])
    reference = await asyncio.to_thread(voices.reference, voice)
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return Response(reference.audio, headers=headers, media_type="application/octet-stream")


async def delete_reference(request: Request) -> Response:
    """DELETE /v1/references/{id}, or /v1/references/delete with the id in the body."""
    voice_id = request.path_params.get("id")
    if voice_id is None:
        voice_id = (await fields.parse(request, NamedReference)).reference_id
    await asyncio.to_thread(pipeline_of(request).voices.delete, voice_id)
    return JSONResponse({"success": True, "message": f"Voice {voice_id!r} is deleted.", "reference_id": voice_id})


async def rename_reference(request: Request) -> Response:
    """POST /v1/references/update."""
    asked = await fields.parse(request, RenamedReference)
    old, new = asked.old_reference_id, asked.new_reference_id
    await asyncio.to_thread(pipeline_of(request).voices.rename, old, new)
    message = f"Voice {old!r} is now {new!r}."
    return JSONResponse({"success": True, "message": message, "old_reference_id": old, "new_reference_id": new})


async def health(request: Request) -> Response:
    """/v1/health: the server answers."""
    return JSONResponse({"status": "ok"})


PROTOCOL = Protocol(
    name="fish",
    prefixes=("/v1/tts", "/v1/references", "/v1/health"),
    open_paths=frozenset(("/v1/health",)),
    error_body=plain_body,
    speaking=re.compile("/v1/tts"),
    routes=[
        Route("/v1/tts", tts, methods=["POST"]),
        Route("/v1/references/add", add_reference, methods=["POST"]),
        Route("/v1/references/list", list_references),
        Route("/v1/references/update", rename_reference, methods=["POST"]),
        Route("/v1/references/delete", delete_reference, methods=["DELETE"]),
        Route("/v1/references/{id}/audio", get_recording),
        Route("/v1/references/{id:path}", get_reference),
        Route("/v1/references/{id:path}", delete_reference, methods=["DELETE"]),
        Route("/v1/health", health, methods=["GET", "POST"]),
    ],
)
