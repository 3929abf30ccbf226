"""The server about itself: how it and its machines fare, what it can say, and its metrics."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cluster.machine.judge import judge
from cluster.machine.profile import HardwareProfile
from deployments.monitoring.request_rows import Row
from deployments.monitoring.stats import MachineLoad
from deployments.system import schemas
from models.repository.served import ServedModel
from models.text.languages import LANGUAGES, SPOKEN
from models.text.markers import EMOTIONS, SPECIAL, TONES
from models.types import NotReady

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"
EMOTION_NOTE = (
    "Write a marker in parentheses where it begins, such as (excited); it stays in force until the next one, also in "
    "the later segments of a long text. Most of the emotion comes from the reference "
    "recording, whose mood the voice keeps: a marker cannot turn a calm recording into a shouting one."
)
LANGUAGE_NOTE = (
    "The language of each sentence is told from its text; `language` of a request says which one is meant where that "
    "does not tell. normalized: numbers, dates and "
    "abbreviations are written out first; elsewhere the model reads the digits."
)


async def _always_ready() -> dict[str, bool]:
    return {}


async def _nothing() -> None:
    return None


async def _none() -> list[Any]:
    return []


async def _no_metrics() -> bytes:
    raise NotReady("There are no metrics outside Ray Serve.")


async def _no_prefixes(halve: bool) -> None:
    return None


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What the server says about itself. `plan` is JSON-ready, made for `profiles`, and `models` are as it runs them;
    `ready` tells, by model name, which stages can work (one that it does not name can); `engines` gives the counters of
    every text-to-semantic replica; `machines` are those that run a stage; `pools` tells what runs where, and which pool
    requests go to; `requests` are the last ones, the newest first."""

    version: str
    checkpoint: str
    device: str
    tier: str
    precision: str
    plan: Any = None
    models: Mapping[str, ServedModel] = field(default_factory=dict)
    profiles: Sequence[HardwareProfile] = ()
    started: float = field(default_factory=time.time)
    ready: Callable[[], Awaitable[dict[str, bool]]] = _always_ready
    engines: Callable[[], Awaitable[list[dict[str, int]]]] = _none
    machines: Callable[[], Awaitable[list[MachineLoad]]] = _none
    clear_prefixes: Callable[[bool], Awaitable[None]] = _no_prefixes
    metrics: Callable[[], Awaitable[bytes]] = _no_metrics
    pools: Callable[[], Awaitable[dict[str, Any] | None]] = _nothing
    requests: Callable[[], Awaitable[list[Row]]] = _none


async def health(request: Request) -> Response:
    """200 with the state of everything; 503 with the same body while a stage cannot work."""
    info: ServerInfo = request.app.state.info
    pipeline = request.app.state.pipeline
    stages = await info.ready()
    ready = all(stages.values())
    cache = pipeline.encoded
    body = schemas.Health(
        status="ok" if ready else "not ready",
        version=info.version,
        checkpoint=info.checkpoint,
        device=info.device,
        tier=info.tier,
        precision=info.precision,
        sample_rate=pipeline.stages.sample_rate,
        stages=stages,
        reference_cache=schemas.CacheStatus(entries=len(cache), hits=cache.hits, misses=cache.misses),
        engine=next(iter(await info.engines()), None),
        pools=await info.pools(),
        machines=[_described(machine) for machine in info.profiles],
        plan=info.plan,
        uptime_seconds=round(time.time() - info.started, 1),
    )
    return _json(body, 200 if ready else 503)


async def system_status(request: Request) -> Response:
    """GET /system-status."""
    return _json(await read_system(request.app.state.info))


async def read_system(info: ServerInfo) -> schemas.SystemStatus:
    """Every machine that runs a stage, judged."""
    machines = [_machine(each) for each in await info.machines()]
    actions = [(each.host, each.recommended_action) for each in machines if each.recommended_action != "OK"]
    if not machines:
        actions = [("none", "No machine answers: see /health.")]
    advice = " ".join(f"{host}: {action}" for host, action in actions)
    return schemas.SystemStatus(recommended_action=advice or "OK", machines=machines)


def _described(profile: HardwareProfile) -> schemas.Machine:
    cpu = profile.cpu
    return schemas.Machine(
        node=profile.node,
        host=profile.hostname,
        os=profile.os,
        cpu=cpu.model,
        cpu_vendor=cpu.vendor,
        physical_cores=cpu.physical_cores,
        performance_cores=cpu.performance_cores,
        logical_cores=cpu.logical_cores,
        instruction_sets=list(cpu.instruction_sets),
        apple=profile.apple,
        ram_total_bytes=profile.ram_total,
        gpus=[
            schemas.Gpu(
                index=gpu.index,
                name=gpu.name,
                vram_total_bytes=gpu.vram_total,
                compute_capability=".".join(map(str, gpu.compute_capability)),
                problem=gpu.problem,
            )
            for gpu in profile.gpus
        ],
        nvml_error=profile.nvml_error,
        nvidia_driver=profile.nvidia_driver,
        torch=profile.torch,
    )


def _machine(each: MachineLoad) -> schemas.MachineStatus:
    load, verdict = each.load, judge(each.load, each.fanless)
    return schemas.MachineStatus(
        node=each.node,
        host=each.host,
        cpu_percent=round(load.cpu, 1),
        cpu="maxed" if verdict.cpu_maxed else "ok",
        ram_percent=round(load.ram, 1),
        ram_available_bytes=load.ram_available,
        memory="critical" if verdict.memory_critical else "ok",
        vram="critical" if verdict.vram_critical else "ok",
        temperature_celsius=load.temperature,
        thermal="hot" if verdict.hot else "ok",
        gpus=[
            schemas.GpuStatus(
                index=gpu.index,
                utilization_percent=gpu.utilization,
                vram_used_bytes=gpu.vram_used,
                vram_total_bytes=gpu.vram_total,
                vram_others_percent=gpu.vram_others,
                temperature_celsius=gpu.temperature,
                throttle_reasons=None if gpu.throttled is None else list(gpu.throttled),
            )
            for gpu in load.gpus
        ],
        gpu_error=load.gpu_error,
        recommended_action=verdict.action,
    )


async def emotions(request: Request) -> Response:
    """GET /emotions."""
    return _json(schemas.Emotions(note=EMOTION_NOTE, emotions=list(EMOTIONS), tones=list(TONES), special=list(SPECIAL)))


async def languages(request: Request) -> Response:
    """GET /languages."""
    spoken = [schemas.Language(code=code, name=name, normalized=code in LANGUAGES) for code, name in SPOKEN.items()]
    return _json(schemas.Languages(note=LANGUAGE_NOTE, languages=spoken))


async def metrics(request: Request) -> Response:
    """GET /metrics, in Prometheus's text format."""
    return Response(await request.app.state.info.metrics(), media_type=PROMETHEUS_TEXT)


def _json(body: BaseModel, status: int = 200) -> JSONResponse:
    return JSONResponse(body.model_dump(), status)


routes = [
    Route("/health", health),
    Route("/system-status", system_status),
    Route("/emotions", emotions),
    Route("/languages", languages),
    Route("/metrics", metrics),
]
