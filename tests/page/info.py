"""What a server says about itself, for the page to show: the real plan of a known machine, and loads of one moment."""

from __future__ import annotations

import time
from typing import Any

from cluster.machine.monitor import GpuLoad, Load
from cluster.planning import pools
from cluster.planning.plan import PlanOptions
from deployments.monitoring.request_rows import Row, row
from deployments.monitoring.stats import MachineLoad, RequestStats
from deployments.system.health import ServerInfo
from tests.cluster.machines import SMALL, machines

ENGINE = {
    "slots": 16,
    "slots_used": 3,
    "waiting": 0,
    "widest_batch": 9,
    "prefix_cache_voices": 2,
    "prefix_cache_hits": 41,
    "prefix_cache_misses": 9,
    "memory_claimable": 8_000_000_000,
}


def request(
    ago: float, chars: int, audio: float, first: float, wall: float, encode: float | None = None, queue: float = 0.0
) -> Row:
    """A request that is over, whose speech began after `first` seconds."""
    stats = RequestStats(chars, True, began=time.time() - ago, status=200, segments=1)
    stats.audio_seconds, stats.ttfa_seconds, stats.wall_seconds, stats.encode_seconds = audio, first, wall, encode
    return dict(row(stats, "cpu-low")) | {"queue_seconds": queue, "request_id": f"request-{ago:g}"}


FAILED = RequestStats(12, True, began=time.time() - 900, status=429, error="Busy", wall_seconds=0.02)
REQUESTS = [
    request(20, 102, 6.8, 0.19, 1.12),
    request(95, 1480, 97.4, 0.22, 14.9),
    request(240, 64, 4.1, 1.34, 2.02, encode=1.05),
    request(600, 210, 13.6, 0.94, 3.61, queue=0.71),
    row(FAILED, "cpu-low"),
]


def info(profile: str, checkpoint: str = "starter", gpus: tuple[GpuLoad, ...] = ()) -> ServerInfo:
    """A server of that machine."""
    found = machines(profile)
    planned = pools.plan(found, PlanOptions(footprints=SMALL))
    first = planned.first
    load = Load(cpu=37.4, ram=46.2, ram_available=13_500_000_000, gpus=gpus, gpu_error=None, temperature=58.0)

    async def engines() -> list[dict[str, int]]:
        return [ENGINE]

    async def loads() -> list[MachineLoad]:
        return [MachineLoad(each.node, each.hostname, fanless=False, load=load, working=True) for each in found]

    async def states() -> dict[str, Any]:
        running = {"state": "running", "tier": first.tier, "replicas": {"text_to_semantic": 1, "vq_decoder": 1}}
        named = [{"name": name, "device": pools.device_of(plan), **running} for name, plan in planned.plans.items()]
        return {"reason": planned.reason, "pools": named, "decisions": []}

    async def requests() -> list[Row]:
        return REQUESTS

    lm = first.stages["text_to_semantic"]
    return ServerInfo(
        version="0.2.0",
        checkpoint=checkpoint,
        device=pools.device_of(first),
        tier=first.tier,
        precision=lm.precision if lm.quantization == "none" else lm.quantization,
        plan=planned.to_dict(),
        profiles=found,
        engines=engines,
        machines=loads,
        pools=states,
        requests=requests,
    )
