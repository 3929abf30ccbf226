"""POST /optimize-for-hardware: what can be done for a machine under pressure while the graph runs."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.synthesis.pipeline import Pipeline
from deployments.system import schemas
from deployments.system.health import ServerInfo, read_system
from models.types import SHORTEST_SEGMENT

NOT_CHANGED = (
    "Device, precision, threads and slots are fixed when a replica starts: deploy again to plan for the machines as "
    "they are now, or set stages.<stage>.threads and slots."
)
THIS_REPLICA = "Other ingress replicas keep their reference cache and segment settings: call again to reach them."


async def optimize(request: Request) -> Response:
    """Clears caches; under memory pressure halves their room and the length of segments, and where a CPU is maxed or
    hot the number of segments spoken at once. It holds until the replicas are replaced."""
    pipeline: Pipeline = request.app.state.pipeline
    info: ServerInfo = request.app.state.info
    before = await _read(pipeline, info)
    changed = [
        f"The reference cache is empty: {before.knobs.reference_cache_entries} entries dropped.",
        f"The prefix caches are empty: {before.knobs.prefix_cache_positions} positions dropped.",
    ]
    machines = before.system.machines
    tight = any(machine.memory == "critical" for machine in machines)
    busy = any(machine.cpu == "maxed" or machine.thermal == "hot" for machine in machines)
    pipeline.encoded.shrink(0)
    await info.clear_prefixes(tight)
    limits = pipeline.limits
    if tight:
        pipeline.encoded.capacity = max(1, pipeline.encoded.capacity // 2)
        limits = replace(limits, segment_chars=max(SHORTEST_SEGMENT, limits.segment_chars // 2))
        changed.append("Memory is critical: the caches have half their room, and segments half their length.")
    if busy:
        limits = replace(limits, segments_ahead=max(1, limits.segments_ahead // 2))
        changed.append("A CPU is maxed or hot: half as many segments of a text are spoken at once.")
    pipeline.limits = limits
    not_changed = [NOT_CHANGED, THIS_REPLICA]
    if not tight:
        not_changed.append("Memory is not critical: the caches keep their room, and segments their length.")
    if not busy:
        not_changed.append("No CPU is maxed or hot: as many segments of a text are spoken at once.")
    after = await _read(pipeline, info)
    body = schemas.Optimization(before=before, after=after, changed=changed, not_changed=not_changed)
    return JSONResponse(body.model_dump())


async def _read(pipeline: Pipeline, info: ServerInfo) -> schemas.Reading:
    engines = await info.engines()
    knobs = schemas.Knobs(
        reference_cache_entries=len(pipeline.encoded),
        reference_cache_capacity=pipeline.encoded.capacity,
        prefix_cache_positions=sum(engine["prefix_cache_positions"] for engine in engines),
        prefix_cache_capacity=sum(engine["prefix_cache_capacity"] for engine in engines),
        segment_chars=pipeline.limits.segment_chars,
        segments_ahead=pipeline.limits.segments_ahead,
    )
    return schemas.Reading(knobs=knobs, system=await read_system(info))


routes = [Route("/optimize-for-hardware", optimize, methods=["POST"])]
