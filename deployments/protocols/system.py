"""GET /health: what runs here, on what, and how it fares."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def _always_ready() -> dict[str, bool]:
    return {}


async def _no_engine() -> None:
    return None


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What the server says about itself. `plan` is JSON-ready; `ready` tells, by model name, which stages can work (one
    that it does not name can); `engine` gives text-to-semantic's counters, or None."""

    version: str
    checkpoint: str
    device: str
    tier: str
    precision: str
    plan: Any = None
    started: float = field(default_factory=time.time)
    ready: Callable[[], Awaitable[dict[str, bool]]] = _always_ready
    engine: Callable[[], Awaitable[dict[str, int] | None]] = _no_engine


async def health(request: Request) -> Response:
    """200 with the state of everything; 503 with the same body while a stage cannot work."""
    info: ServerInfo = request.app.state.info
    pipeline = request.app.state.pipeline
    stages = await info.ready()
    ready = all(stages.values())
    cache = pipeline.encoded
    body = {
        "status": "ok" if ready else "not ready",
        "version": info.version,
        "checkpoint": info.checkpoint,
        "device": info.device,
        "tier": info.tier,
        "precision": info.precision,
        "sample_rate": pipeline.stages.sample_rate,
        "stages": stages,
        "reference_cache": {"entries": len(cache), "hits": cache.hits, "misses": cache.misses},
        "engine": await info.engine(),
        "plan": info.plan,
        "uptime_seconds": round(time.time() - info.started, 1),
    }
    return JSONResponse(body, 200 if ready else 503)


routes = [Route("/health", health)]
