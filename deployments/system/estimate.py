"""POST /estimate-memory: what a request would claim, whether it is there, and how long a text would fit."""

from __future__ import annotations

from bisect import bisect_right
from functools import partial

from pydantic import BaseModel, Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cluster.machine.memory import SAFE, Claim, Costs, claim
from deployments.protocols import fields
from models.types import MOST_NEW_TOKENS, USUAL_SEGMENT, NotReady


class EstimateRequest(fields.Fields):
    """`text`, or only its length in characters; the rest as for /v1/tts."""

    text: str | None = None
    text_length: int | None = Field(None, ge=0, le=10**9)
    reference_seconds: float = Field(10.0, ge=0, le=3600, allow_inf_nan=False)
    max_new_tokens: int = Field(fields.DEFAULTS.max_new_tokens, ge=0, le=10**6)
    chunk_length: fields.ChunkLength = USUAL_SEGMENT
    streaming: bool = False

    @model_validator(mode="after")
    def _one_length(self) -> EstimateRequest:
        if (self.text is None) == (self.text_length is None):
            raise ValueError("give either text or text_length")
        return self

    @property
    def chars(self) -> int:
        """The length of the text."""
        return (self.text_length or 0) if self.text is None else len(self.text)

    def claim(self, costs: Costs, segment_chars: int, chars: int) -> Claim:
        """What a text of `chars` characters would claim, asked like this one."""
        return claim(
            costs,
            text_chars=chars,
            chunk_chars=min(self.chunk_length, segment_chars),
            reference_seconds=self.reference_seconds,
            max_new_tokens=self.max_new_tokens or MOST_NEW_TOKENS,
            streaming=self.streaming,
        )


class Estimate(BaseModel):
    """Bytes. `available` is what the server may still claim, `safe_limit` 80 % of it; a claim beyond what is available
    waits for other requests to end, or is refused with 507."""

    estimate: int
    cache: int
    voice_prefix: int
    audio: int
    available: int
    safe_limit: int
    safe: bool
    recommended_text_length: int


async def estimate(request: Request) -> Response:
    """POST /estimate-memory. Raises NotReady where no engine runs."""
    asked = await fields.parse(request, EstimateRequest)
    pipeline = request.app.state.pipeline
    engines = await request.app.state.info.engines()
    if not engines:
        raise NotReady("text-to-semantic is not running, so what is free is not known: send it a request first")
    engine = max(engines, key=lambda each: each["memory_claimable"])
    costs = Costs(
        bytes_per_position=engine["kv_bytes_per_position"],
        positions=engine["positions"],
        frame_rate=pipeline.stages.frame_rate,
        sample_rate=pipeline.stages.sample_rate,
        segments=pipeline.limits.segments_ahead,
    )
    claim_of = partial(asked.claim, costs, pipeline.limits.segment_chars)
    found, available = claim_of(asked.chars), max(0, engine["memory_claimable"])
    safe_limit = int(SAFE * available)
    lengths = range(pipeline.limits.tier_text_chars + 1)
    fitting = bisect_right(lengths, safe_limit, key=lambda chars: claim_of(chars).total if chars else 0) - 1
    answer = Estimate(
        estimate=found.total,
        cache=found.cache,
        voice_prefix=found.prefix,
        audio=found.audio,
        available=available,
        safe_limit=safe_limit,
        safe=found.total <= safe_limit,
        recommended_text_length=fitting,
    )
    return JSONResponse(answer.model_dump())


routes = [Route("/estimate-memory", estimate, methods=["POST"])]
