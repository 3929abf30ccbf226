"""How the graph fares, asked of Ray Serve."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from ray import serve
from ray.serve.schema import DeploymentStatusOverview

from cluster.planning.pools import Pools
from cluster.planning.stages import DECODER, ENCODER, LM
from deployments.monitoring.shared_answer import SharedAnswer

ASK_EVERY = 1.0  # seconds; health checks come often, and each question costs the controller a call
ANSWER_WITHIN = 2.0  # seconds; after that what was last known holds, as it does while the head of a cluster is away

# A model's name in the model repository: its deployment's name in Ray.
DEPLOYMENTS = {ENCODER: "ReferenceEncoder", LM: "TextToSemantic", DECODER: "VQDecoder"}


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """`state`: running; asleep or waking, of a pool that starts on demand; starting, of any other that cannot speak.
    `replicas`: running ones by model."""

    state: str
    replicas: dict[str, int]


def deployment_name(model: str, pool: str, pools: Pools) -> str:
    """The first pool's deployments go by their stages' names, another's by its own name too."""
    return DEPLOYMENTS[model] if pool == next(iter(pools.plans)) else f"{DEPLOYMENTS[model]}-{pool}"


class GraphStatus:
    """The state of one application's stages."""

    def __init__(self, application: str, pools: Pools) -> None:
        self._application, self._plans = application, pools
        self._status = SharedAnswer(lambda: asyncio.to_thread(serve.status), ASK_EVERY, ANSWER_WITHIN)
        self._deployments: dict[str, DeploymentStatusOverview] = {}

    async def ready(self) -> dict[str, bool]:
        """Whether each stage can work: it runs, or starts on demand, in any of the pools. Serve names no deployments
        while it builds a changed application: the old ones, of which this is one, serve until then."""
        await self._ask_serve()
        return {
            model: not self._deployments
            or any(
                plan.stages[model].min_replicas == 0 or self._running(model, pool)
                for pool, plan in self._plans.plans.items()
                if model in plan.stages
            )
            for model in DEPLOYMENTS
        }

    async def pools(self) -> dict[str, PoolStatus]:
        """Each pool's state, by name."""
        await self._ask_serve()
        return {pool: self._pool(pool) for pool in self._plans.plans}

    def _pool(self, pool: str) -> PoolStatus:
        stages = self._plans.plans[pool].stages
        speaking = [model for model in (LM, DECODER) if model in stages]
        replicas: dict[str, int] = {model: self._running(model, pool) for model in speaking}
        if all(replicas.values()):
            return PoolStatus("running", replicas)
        if any(stages[model].min_replicas > 0 and not replicas[model] for model in speaking):
            return PoolStatus("starting", replicas)
        found = [self._deployments.get(deployment_name(model, pool, self._plans)) for model in speaking]
        return PoolStatus("waking" if any(each and each.replica_states for each in found) else "asleep", replicas)

    def _running(self, model: str, pool: str) -> int:
        found = self._deployments.get(deployment_name(model, pool, self._plans))
        return sum(count for state, count in found.replica_states.items() if state == "RUNNING") if found else 0

    async def _ask_serve(self) -> None:
        with contextlib.suppress(TimeoutError):
            self._deployments = (await self._status.get()).applications[self._application].deployments
