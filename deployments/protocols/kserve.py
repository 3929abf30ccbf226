"""KServe v2 / Triton over HTTP: health, metadata and configuration of the model repository, and inference."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.protocols.base import Protocol
from deployments.protocols.kserve_infer import speech
from models.repository.served import ServedModel

VERSION = "1"
EXTENSIONS = ["model_repository", "binary_tensor_data"]


async def server(request: Request) -> Response:
    """GET /v2: the server, and the extensions that it speaks."""
    body = {"name": "shoal", "version": request.app.state.info.version, "extensions": EXTENSIONS}
    return JSONResponse(body)


async def live(request: Request) -> Response:
    """GET /v2/health/live."""
    return JSONResponse({"live": True})


async def ready(request: Request) -> Response:
    """GET /v2/health/ready: 503 while a stage cannot work."""
    stages = await request.app.state.info.ready()
    return _readiness(all(stages.values()))


async def metadata(request: Request) -> Response:
    """GET /v2/models/{name}."""
    return JSONResponse(_model(request).metadata())


async def config(request: Request) -> Response:
    """The model's, with the batch width and the instances of the plan that runs."""
    return JSONResponse(_model(request).triton())


async def model_ready(request: Request) -> Response:
    """GET /v2/models/{name}/ready."""
    return _readiness(await _is_ready(request, _model(request)))


async def index(request: Request) -> Response:
    """POST /v2/repository/index, the listing of Triton's model repository extension."""
    rows = []
    for model in request.app.state.info.models.values():
        is_ready = await _is_ready(request, model)
        state = {"state": "READY", "reason": ""} if is_ready else {"state": "UNAVAILABLE", "reason": "starting"}
        rows.append({"name": model.name, "version": VERSION, **state})
    return JSONResponse(rows)


async def infer(request: Request) -> Response:
    """The ensemble's, whole. As in Triton, models that stream are not asked by themselves over HTTP."""
    model = _model(request)
    if not model.ensemble:
        raise HTTPException(400, f"{model.name} works as a step of fish_speech only: infer that.")
    return await speech(request, model)


def _model(request: Request) -> ServedModel:
    name, version = request.path_params["name"], request.path_params.get("version", VERSION)
    models: dict[str, ServedModel] = request.app.state.info.models
    if name not in models:
        raise HTTPException(404, f"Unknown model {name!r}; there are {', '.join(models)}.")
    if version != VERSION:
        raise HTTPException(404, f"Model {name!r} has only version {VERSION}, not {version!r}.")
    return models[name]


async def _is_ready(request: Request, model: ServedModel) -> bool:
    stages = await request.app.state.info.ready()
    return all(stages.get(name, True) for name in (model.name, *(step.model_name for step in model.ensemble)))


def _readiness(is_ready: bool) -> Response:
    return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)


def _of_model(suffix: str, endpoint: Callable[[Request], Awaitable[Response]], methods: list[str]) -> list[Route]:
    return [
        Route("/v2/models/{name}" + version + suffix, endpoint, methods=methods)
        for version in ("", "/versions/{version}")
    ]


def _error_body(status: int, message: str, error: Exception) -> Mapping[str, Any]:
    return {"error": message}


PROTOCOL = Protocol(
    name="kserve",
    prefixes=("/v2",),
    open_paths=frozenset(("/v2/health/live", "/v2/health/ready")),
    error_body=_error_body,
    speaking=re.compile("/v2/models/[^/]+(/versions/[^/]+)?/infer"),
    routes=[
        Route("/v2", server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route("/v2/repository/index", index, methods=["POST"]),
        *_of_model("", metadata, ["GET"]),
        *_of_model("/ready", model_ready, ["GET"]),
        *_of_model("/config", config, ["GET"]),
        *_of_model("/infer", infer, ["POST"]),
    ],
)
