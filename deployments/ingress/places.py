"""How many requests the pools can take, as replicas come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from cluster.planning.pools import Pools
from cluster.planning.stages import LM
from deployments.ingress.admission import Admission
from deployments.stages.status import PoolStatus


class Places:
    """Keeps an ingress replica's `admission` at its share of the slots of all pools."""

    def __init__(
        self, pools: Pools, ingress_replicas: int, status: Callable[[], Awaitable[Mapping[str, PoolStatus]]]
    ) -> None:
        """`status` is asked only while places are missing: each question costs Serve's controller a call."""
        self._slots = {pool: plan.stages[LM].slots for pool, plan in pools.plans.items()}
        self._ingress_replicas, self._status = ingress_replicas, status
        planned = {pool: plan.stages[LM].initial_replicas for pool, plan in pools.plans.items()}
        self.admission = Admission(share(self._slots, planned, ingress_replicas), pressed=self._count)
        self._counting: asyncio.Task[None] | None = None

    def _count(self) -> None:
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._recount())

    async def _recount(self) -> None:
        replicas = {pool: status.replicas.get(LM, 0) for pool, status in (await self._status()).items()}
        self.admission.set_places(share(self._slots, replicas, self._ingress_replicas))


def share(slots: Mapping[str, int], replicas: Mapping[str, int], ingress_replicas: int) -> int:
    """One ingress replica's part of the slots (pure). A pool without a replica counts as one: it starts with the first
    request, or is restarting, and requests wait for it."""
    total = sum(count * max(1, replicas.get(pool, 1)) for pool, count in slots.items())
    return max(1, -(-total // ingress_replicas))
