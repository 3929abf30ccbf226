"""GET /system/requests: the last few hundred speech requests with their figures, for "why was this one slow?"."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.system.health import ServerInfo


class SpeechRequest(BaseModel):
    """One request, without its text and its audio. Names are those of the columns of synthesis_*.csv; times in seconds,
    but `time`, when it came (UTC). What is not known is null, never 0: figures of the stages are there where every
    segment was spoken to its end."""

    time: str
    request_id: str = Field(description="X-Request-Id of the response, and of the line in the access log")
    status: int | None
    error: str | None
    ended: str | None = Field(description="complete, limit (of frames or of the context), or the kind of error")
    text_chars: int
    streaming: bool
    segments: int | None
    reference_seconds: float | None
    encode_seconds: float | None = Field(description="the wait for the references' codes")
    ttfa_seconds: float | None = Field(description="from its arrival to its first audio")
    wall_seconds: float | None = Field(description="from its arrival to its end")
    audio_seconds: float | None
    rtf: float | None
    underrun_seconds: float | None = Field(description="silence that a listener heard after the first block")
    queue_seconds: float | None = Field(description="the first segment's wait for a slot of text-to-semantic")
    text_to_semantic_seconds: float | None
    vq_decoder_seconds: float | None
    prompt_positions: int | None
    cached_positions: int | None
    frames: int | None
    codes_shape: str | None
    frames_per_second: float | None
    decode_steps: int | None
    decode_steps_per_second: float | None
    weights_gb_per_second: float | None
    batch_width: float | None
    vq_decoder_batch_width: float | None
    cpu_percent: float | None
    gpu_mean_percent: float | None
    gpu_peak_percent: float | None
    vram_peak_bytes: int | None
    rss_bytes: int | None
    pool: str | None
    replica: str | None = Field(description="the text-to-semantic replica, as Ray names it in logs")
    tier: str
    device: str | None
    precision: str | None
    quantization: str | None
    compile: bool | None
    ingress: str = Field("", description="the ingress replica that answered")


class Requests(BaseModel):
    """The newest first, of every ingress replica."""

    requests: list[SpeechRequest]


async def requests(request: Request) -> Response:
    """`?id=` picks those of one request id."""
    info: ServerInfo = request.app.state.info
    rows, wanted = await info.requests(), request.query_params.get("id")
    found = [row for row in rows if wanted in (None, row["request_id"])]
    return JSONResponse(Requests.model_validate({"requests": found}).model_dump())


routes = [Route("/system/requests", requests)]
