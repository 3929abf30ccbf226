"""Which pool of replicas a request goes to, and what the pools are called in Ray Serve."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cluster import balance
from cluster.balance import Decision, PoolState, Thresholds
from cluster.machine.judge import judge
from cluster.machine.monitor import Load, Monitor
from deployments.monitoring.stats import MachineLoad
from deployments.stages.status import PoolStatus
from deployments.synthesis.pipeline import Pool
from models.types import InvalidRequest

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds between looks at the pools and their machines
SHOWN = 20  # decisions


class PoolRouter:
    """The pools of one application, the preferred one first. With one, whose text limit does not fall when it is hot,
    there is nothing to decide: no load is read and no state asked for."""

    def __init__(
        self,
        pools: Sequence[Pool],
        thresholds: Mapping[str, Thresholds],
        status: Callable[[], Awaitable[Mapping[str, PoolStatus]]],
        machines: Callable[[], Awaitable[Mapping[str, Sequence[MachineLoad]]]],
        monitor: Monitor,
        reason: str,
    ) -> None:
        """`machines` gives those that each pool generates on; one that sleeps is judged by this one, with `monitor`."""
        self._pools, self._thresholds, self._reason = list(pools), thresholds, reason
        self._status, self._machines, self._monitor = status, machines, monitor
        self._states: Mapping[str, PoolStatus] = {}
        self._seen: dict[str, dict[_Key, deque[MachineLoad]]] = {}  # by pool, then by machine
        self._decisions: deque[Decision] = deque(maxlen=SHOWN)
        self._last: Decision | None = None
        self._watch: asyncio.Task[None] | None = None

    def route(self, device: str | None) -> list[Pool]:
        """The pools to try for a request, best first: those of the device kind or the name that it asks for, else all.
        Starts the one wanted most where it sleeps. Raises InvalidRequest for a device that no pool is on."""
        found = self._asked_for(device)
        if len(self._pools) == 1 and found[0].text_chars_hot is None:
            return found
        if self._watch is None:
            self._watch = asyncio.create_task(self._follow())
        found = [self._as_it_is(pool) for pool in found]
        wanted = self._last.pool if self._last else self._pools[0].name
        found.sort(key=lambda pool: pool.name != wanted)
        if self._state(found[0]) == "asleep":
            found[0].stages.wake()
        # While the pool wanted most starts, or has died, another one speaks.
        return sorted(found, key=lambda pool: self._state(pool) != "running")

    async def describe(self) -> dict[str, Any]:
        """JSON-ready: the pools, what runs of them, and the last decisions, the newest first."""
        states, now = await self._status(), time.monotonic()
        return {
            "reason": self._reason,
            "pools": [
                {
                    "name": pool.name,
                    "device": pool.device,
                    "tier": pool.tier,
                    "state": states[pool.name].state,
                    "replicas": states[pool.name].replicas,
                }
                for pool in self._pools
            ],
            "decisions": [
                {"pool": each.pool, "reason": each.reason, "seconds_ago": round(now - each.at, 1)}
                for each in reversed(self._decisions)
            ],
        }

    def _asked_for(self, device: str | None) -> list[Pool]:
        if not device or device == "auto":
            return list(self._pools)
        named = [pool for pool in self._pools if pool.name == device]
        if found := named or [pool for pool in self._pools if pool.device == device]:
            return found
        exist = [p.name if p.name == p.device else f"{p.name} (on {p.device})" for p in self._pools]
        raise InvalidRequest(f"device {device!r} has no pool here; there is: auto, {', '.join(exist)}.")

    def _state(self, pool: Pool) -> str:
        if time.monotonic() - pool.stages.failed_at < balance.INTERVAL:
            return "failing"  # Serve needs up to 10 s to notice a death
        found = self._states.get(pool.name)
        return found.state if found else "running"

    async def _follow(self) -> None:
        await asyncio.to_thread(self._monitor.start)
        while True:
            try:
                self._states = await self._status()
                self._look(await self._machines())
                self._decide()
            except Exception as error:  # Serve's controller may be restarting: what was known holds until it answers
                log.warning("the pools' states are unknown: %s", error)
            await asyncio.sleep(LOOK_EVERY)

    def _look(self, machines: Mapping[str, Sequence[MachineLoad]]) -> None:
        """Append to what was seen of each machine; those that are gone are forgotten, but not because none answers."""
        here = MachineLoad("", "", False, self._monitor.latest(), False)
        for pool in self._pools:
            before, answers = self._seen.get(pool.name, {}), machines.get(pool.name)
            if before and not answers and self._state(pool) == "running":
                continue
            # Where several replicas see the same machine, one at work counts: it knows whose work it is.
            found = {_key(each): each for each in sorted(answers or [here], key=lambda each: each.working)}
            self._seen[pool.name] = {
                key: deque([*before.get(key, ()), machine], maxlen=round(balance.INTERVAL / LOOK_EVERY))
                for key, machine in found.items()
            }

    def _as_it_is(self, pool: Pool) -> Pool:
        """A pool with the text limit that it has now."""
        if pool.text_chars_hot is None:
            return pool
        seen = self._seen.get(pool.name, {}).values()
        hot = any(judge(balance.mean([each.load for each in one]), one[-1].fanless).hot for one in seen)
        return replace(pool, text_chars=pool.text_chars_hot) if hot else pool

    def _decide(self) -> None:
        pools = [
            PoolState(
                pool.name,
                pool.device,
                self._thresholds[pool.name],
                tuple(map(_load, self._seen[pool.name].values())),
                available=self._state(pool) != "starting",
            )
            for pool in self._pools
        ]
        found = balance.choose(pools, self._last, time.monotonic())
        if self._last is None or found.pool != self._last.pool:
            log.info("requests go to pool %s: %s", found.pool, found.reason)
            self._decisions.append(found)
        self._last = found


_Key = tuple[str, tuple[int, ...]]


def _key(machine: MachineLoad) -> _Key:
    """Its node and its GPUs: replicas of one machine may see one each."""
    return machine.node, tuple(gpu.index for gpu in machine.load.gpus)


def _load(seen: Sequence[MachineLoad]) -> Load:
    """The mean of what was seen of a machine. A GPU is busy to the brim with one stream of our own, and takes more into
    the same batch: how busy it is counts only where none of ours ran there."""
    load = balance.mean([each.load for each in seen])
    if not any(each.working for each in seen):
        return load
    return replace(load, gpus=tuple(replace(gpu, utilization=None) for gpu in load.gpus))
