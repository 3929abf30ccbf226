"""POST /v1/text/preview: a text as it would be spoken, segment by segment, without speaking it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.protocols import fields
from deployments.protocols.base import pipeline_of
from models.types import USUAL_SEGMENT, SynthesisRequest


class PreviewRequest(fields.Fields):
    """The fields of a speech request that change how its text is read."""

    text: str
    language: fields.LanguageCode = None
    normalize: fields.Bool = True
    chunk_length: fields.ChunkLength = USUAL_SEGMENT
    streaming: fields.Bool = False
    on_long_text: Literal["split", "truncate"] = "split"
    device: str | None = None


class PreviewSegment(BaseModel):
    """`text`: as the model gets it; empty, it is a silence alone. `language`: ISO 639-1, null where it is unknown.
    `pause`: seconds of silence after it. `seconds`: expected, without the pause."""

    text: str
    language: str | None
    pause: float
    seconds: float


class Preview(BaseModel):
    """`characters` and `seconds` are those of all segments, pauses among the seconds."""

    segments: list[PreviewSegment]
    characters: int
    seconds: float


async def preview(request: Request) -> Response:
    """The segments that the same fields would have spoken, in their order."""
    asked = await fields.parse(request, PreviewRequest)
    synthesis = SynthesisRequest(
        asked.text,
        streaming=asked.streaming,
        chunk_length=asked.chunk_length,
        normalize=asked.normalize,
        on_long_text=asked.on_long_text,
        device=asked.device,
        language=asked.language,
    )
    found = await pipeline_of(request).preview(synthesis)
    segments = [
        PreviewSegment(text=each.text, language=each.language, pause=each.pause, seconds=each.seconds) for each in found
    ]
    answer = Preview(
        segments=segments,
        characters=sum(len(each.text) for each in segments),
        seconds=round(sum(each.seconds + each.pause for each in segments), 2),
    )
    return JSONResponse(answer.model_dump())


routes = [Route("/v1/text/preview", preview, methods=["POST"])]
