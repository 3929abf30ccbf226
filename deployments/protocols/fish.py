"""Fish Audio's protocol, as upstream's server and the fish-audio SDK speak it: /v1/tts and /v1/references."""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import Field
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.protocols import fields
from deployments.protocols.audio import respond, without_stock_voice
from deployments.protocols.base import Protocol, pipeline_of, plain_body
from models.types import Reference, SynthesisRequest

# What LiveKit's plugin, now and before, sends as the voice when nobody chose one.
STOCK_VOICES = frozenset(("933563129e564b19a115bedd57b7406a", "8ef4a238714b45718ce04243307c57a7"))


class ReferenceAudio(fields.Fields):
    audio: fields.Audio
    text: str


class Prosody(fields.Fields):
    speed: float = Field(1.0, ge=0.5, le=2.0)
    volume: float = Field(0.0, ge=-20.0, le=20.0)


class TTSRequest(fields.Generation):
    """Upstream's ServeTTSRequest and the SDK's TTSRequest. As upstream, `reference_id` goes before `references`."""

    text: str
    format: Literal["wav", "pcm", "mp3", "opus", "flac", "aac"]
    references: list[ReferenceAudio] = Field(default_factory=list)
    reference_id: str | None = None
    streaming: bool
    sample_rate: int | None = None
    mp3_bitrate: int | None = None
    opus_bitrate: int | None = None
    prosody: Prosody = Prosody()

    def synthesis(self) -> SynthesisRequest:
        voice = self.reference_id or None
        opus = self.opus_bitrate
        if opus and opus >= 1000:  # the cloud's documents have it in bits a second, the SDKs in kbit/s
            opus //= 1000
        bitrate = {"mp3": self.mp3_bitrate, "opus": opus}.get(self.format)
        return SynthesisRequest(
            text=self.text,
            references=() if voice else tuple(Reference(each.audio, each.text) for each in self.references),
            voice=voice,
            sampling=self.sampling(),
            format=self.format,
            streaming=self.streaming,
            chunk_length=self.chunk_length,
            normalize=self.normalize,
            speed=self.prosody.speed,
            sample_rate=self.sample_rate,
            bitrate_kbps=None if bitrate == -1000 else bitrate,  # the SDK's word for "automatic"
            on_long_text=self.on_long_text,
            device=self.device,
        )


async def tts(request: Request) -> Response:
    """POST /v1/tts. Fish's cloud always streams, and MP3 unless asked otherwise: its clients (which name a `model` in a
    header) get that. Upstream's own server gives a whole WAV."""
    values, form = await fields.read(request)
    cloud = "model" in request.headers
    for name, usual in (("format", "mp3" if cloud else "wav"), ("streaming", cloud)):
        if values.get(name) is None:
            values[name] = usual
    if form is not None:
        values["references"] = await _form_references(form)
        values["prosody"] = {key: values[key] for key in ("speed", "volume") if key in values}
    asked = fields.check(TTSRequest, values, strict=form is None)
    synthesis, notes = await without_stock_voice(request, asked.synthesis(), STOCK_VOICES)
    response = await respond(request, synthesis, volume_db=asked.prosody.volume)
    response.headers.update(notes)
    return response


async def _form_references(form: FormData) -> list[dict[str, object]]:
    audios, texts = await fields.upload(form, "reference_audio"), form.getlist("reference_text")
    if len(audios) != len(texts):
        raise fields.InvalidField(
            f"Each reference_audio needs the words spoken in it as reference_text: got {len(audios)} and {len(texts)}.",
            "reference_text",
        )
    return [{"audio": audio, "text": text} for audio, text in zip(audios, texts, strict=True)]


class AddReference(fields.Fields):
    id: str
    audio: fields.Audio
    text: str


class NamedReference(fields.Fields):
    reference_id: str


class RenamedReference(fields.Fields):
    old_reference_id: str
    new_reference_id: str


async def add_reference(request: Request) -> Response:
    values, form = await fields.read(request)
    if form is not None and (audios := await fields.upload(form, "audio")):
        values["audio"] = audios[0]
    asked = fields.check(AddReference, values)
    notes = await pipeline_of(request).add_voice(asked.id, asked.audio, asked.text)
    message = " ".join((f"Voice {asked.id!r} is registered.", *notes))
    return JSONResponse({"success": True, "message": message, "reference_id": asked.id})


async def list_references(request: Request) -> Response:
    ids = [voice.id for voice in await asyncio.to_thread(pipeline_of(request).voices.list)]
    return JSONResponse({"success": True, "reference_ids": ids, "message": f"{len(ids)} registered voices."})


async def get_reference(request: Request) -> Response:
    voice = await asyncio.to_thread(pipeline_of(request).voices.get, request.path_params["id"])
    return JSONResponse({"success": True, "reference_id": voice.id, "text": voice.text})


async def delete_reference(request: Request) -> Response:
    voice_id = request.path_params.get("id")
    if voice_id is None:
        values, _ = await fields.read(request)
        voice_id = fields.check(NamedReference, values).reference_id
    await asyncio.to_thread(pipeline_of(request).voices.delete, voice_id)
    return JSONResponse({"success": True, "message": f"Voice {voice_id!r} is deleted.", "reference_id": voice_id})


async def rename_reference(request: Request) -> Response:
    values, _ = await fields.read(request)
    asked = fields.check(RenamedReference, values)
    old, new = asked.old_reference_id, asked.new_reference_id
    await asyncio.to_thread(pipeline_of(request).voices.rename, old, new)
    message = f"Voice {old!r} is now {new!r}."
    return JSONResponse({"success": True, "message": message, "old_reference_id": old, "new_reference_id": new})


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


PROTOCOL = Protocol(
    name="fish",
    prefixes=("/v1/tts", "/v1/references", "/v1/health"),
    open_paths=frozenset(("/v1/health",)),
    error_body=plain_body,
    routes=[
        Route("/v1/tts", tts, methods=["POST"]),
        Route("/v1/references/add", add_reference, methods=["POST"]),
        Route("/v1/references/list", list_references),
        Route("/v1/references/update", rename_reference, methods=["POST"]),
        Route("/v1/references/delete", delete_reference, methods=["DELETE"]),
        Route("/v1/references/{id:path}", get_reference),
        Route("/v1/references/{id:path}", delete_reference, methods=["DELETE"]),
        Route("/v1/health", health, methods=["GET", "POST"]),
    ],
)
