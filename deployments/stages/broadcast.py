"""Questions to every replica of a deployment at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from deployments.monitoring.stats import MachineLoad

ASK_EVERY = 1.0  # seconds; the monitors sample about as often
ANSWER_WITHIN = 3.0  # seconds


class Replicas:
    """The replicas of the graph. One that does not answer is left out, and a stage without one has no answers: none is
    started to be asked."""

    def __init__(
        self, text_to_semantic: Mapping[str, DeploymentHandle[Any]], others: Sequence[DeploymentHandle[Any]]
    ) -> None:
        """`text_to_semantic` by pool, the preferred one first."""
        self._text_to_semantic, self._others = text_to_semantic, others
        self._asked = -ASK_EVERY
        self._machines: list[MachineLoad] = []

    async def machines(self) -> list[MachineLoad]:
        """The load of every machine that runs a stage, each once."""
        if time.monotonic() - self._asked >= ASK_EVERY:
            found: list[MachineLoad] = await self._ask([*self._others, *self._text_to_semantic.values()], "machine")
            self._machines = merged(found)
            self._asked = time.monotonic()
        return self._machines

    async def pools(self) -> dict[str, list[MachineLoad]]:
        """Each pool's machines, as its text-to-semantic replicas see them: one beside a GPU sees that GPU alone."""
        answers = await asyncio.gather(*(broadcast(each, "machine") for each in self._text_to_semantic.values()))
        return dict(zip(self._text_to_semantic, answers, strict=True))

    async def engines(self) -> list[dict[str, int]]:
        """The counters of every text-to-semantic replica, the first pool's first."""
        return await self._ask(self._text_to_semantic.values(), "stats")

    async def clear_prefixes(self, halve: bool) -> None:
        """Let every text-to-semantic replica forget what it keeps of voices."""
        await self._ask(self._text_to_semantic.values(), "clear_prefixes", halve)

    async def _ask(self, stages: Iterable[DeploymentHandle[Any]], method: str, *args: Any) -> list[Any]:
        answers = await asyncio.gather(*(broadcast(stage, method, *args) for stage in stages))
        return [answer for stage in answers for answer in stage]


async def broadcast(stage: DeploymentHandle[Any], method: str, *args: Any) -> list[Any]:
    """The answers of every replica of a deployment; those that are silent or fail are left out."""
    try:
        # `results_async` gives up on all replicas when one is silent (Ray 2.60).
        async with asyncio.timeout(ANSWER_WITHIN):
            asked = await stage.broadcast(method, *args)._fetch_replica_results_async()
    except (DeploymentUnavailableError, TimeoutError):
        return []
    each_within = (asyncio.wait_for(one.get_async(), ANSWER_WITHIN) for one in asked)
    answers = await asyncio.gather(*each_within, return_exceptions=True)
    return [answer for answer in answers if not isinstance(answer, BaseException)]


def merged(answers: Iterable[MachineLoad]) -> list[MachineLoad]:
    """Each machine once, as its last replica sees it, with the GPUs and their faults that any of them sees: each sees
    its own GPU alone, and one on the CPU none."""
    by_node: dict[str, list[MachineLoad]] = {}
    for each in answers:
        by_node.setdefault(each.node, []).append(each)
    return [_together(found) for found in by_node.values()]


def _together(found: list[MachineLoad]) -> MachineLoad:
    gpus = {gpu.index: gpu for each in found for gpu in each.load.gpus}
    error = next((each.load.gpu_error for each in found if each.load.gpu_error), None)
    load = replace(found[-1].load, gpus=tuple(gpus[index] for index in sorted(gpus)), gpu_error=error)
    return replace(found[-1], load=load)
