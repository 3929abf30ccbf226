"""What a server says about itself, for the page to show: the real plan of a known machine, and loads of one moment."""

from __future__ import annotations

from typing import Any

from cluster.machine.monitor import GpuLoad, Load
from cluster.planning import pools
from cluster.planning.plan import PlanOptions
from deployments.monitoring.stats import MachineLoad
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


def info(profile: str, checkpoint: str = "starter", gpus: tuple[GpuLoad, ...] = ()) -> ServerInfo:
    """A server of that machine, which is called studio."""
    planned = pools.plan(machines(profile), PlanOptions(footprints=SMALL))
    first = planned.first
    load = Load(cpu=37.4, ram=46.2, ram_available=13_500_000_000, gpus=gpus, gpu_error=None, temperature=58.0)

    async def engines() -> list[dict[str, int]]:
        return [ENGINE]

    async def loads() -> list[MachineLoad]:
        return [MachineLoad("1", "studio", fanless=False, load=load, working=True)]

    async def states() -> dict[str, Any]:
        running = {"state": "running", "tier": first.tier, "replicas": {"text_to_semantic": 1, "vq_decoder": 1}}
        return {
            "reason": planned.reason,
            "pools": [
                {"name": name, "device": pools.device_of(plan), **running} for name, plan in planned.plans.items()
            ],
            "decisions": [],
        }

    lm = first.stages["text_to_semantic"]
    return ServerInfo(
        version="0.1.0",
        checkpoint=checkpoint,
        device=pools.device_of(first),
        tier=first.tier,
        precision=lm.precision if lm.quantization == "none" else lm.quantization,
        plan=planned.to_dict(),
        engines=engines,
        machines=loads,
        pools=states,
    )
