"""Figures of one machine from several replicas."""

from __future__ import annotations

import asyncio

from ray import serve

from cluster.machine.gpu_meter import GpuLoad
from cluster.machine.monitor import Load
from deployments.monitoring.stats import MachineLoad
from deployments.stages.broadcast import Replicas, merged


def seen(node: str, cpu: float, *gpus: int, error: str | None = None) -> MachineLoad:
    load = Load(cpu, 40, 8 * 10**9, tuple(GpuLoad(index, 10, 10, None) for index in gpus), error, None)
    return MachineLoad(node, node, False, load, False)


def test_a_machine_has_the_gpus_that_any_of_its_replicas_sees() -> None:
    found = merged([seen("a", 10, 3), seen("b", 20), seen("a", 11, 0, error="GPU 0 is lost"), seen("a", 12)])
    assert [(each.node, each.load.cpu) for each in found] == [("a", 12), ("b", 20)]
    assert [gpu.index for gpu in found[0].load.gpus] == [0, 3]
    assert [each.load.gpu_error for each in found] == ["GPU 0 is lost", None]


@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 0}, graceful_shutdown_timeout_s=0)
class Stage:
    """A deployment of two replicas, of which one never answers."""

    async def stats(self) -> dict[str, int]:
        if serve.get_replica_context().rank.rank:
            await asyncio.sleep(3600)
        return {"slots": 4}


def test_a_silent_replica_does_not_hide_the_others(ray_address: str) -> None:
    handle = serve.run(Stage.bind(), name="silent", route_prefix=None)
    try:
        assert asyncio.run(Replicas({"cpu": handle}, []).engines()) == [{"slots": 4}]
    finally:
        serve.delete("silent")
