"""How the graph fares, asked of Ray Serve and of text-to-semantic; never held up by a stage that does not answer."""

from __future__ import annotations

import asyncio
import time

from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import DeploymentStatusOverview

from cluster.plan import Plan

ASK_EVERY = 1.0  # seconds; health checks come often, and each question costs the controller a call
ANSWER_WITHIN = 2.0  # seconds

# What Ray calls a deployment, and what the model repository calls its model.
MODELS = {"ReferenceEncoder": "reference_encoder", "TextToSemantic": "text_to_semantic", "VQDecoder": "vq_decoder"}


class GraphStatus:
    """The state of one application's stages."""

    def __init__(self, application: str, plan: Plan, text_to_semantic: DeploymentHandle) -> None:
        self._application, self._plan = application, plan
        self._stats = text_to_semantic.stats
        self._asked = -ASK_EVERY
        self._deployments: dict[str, DeploymentStatusOverview] = {}

    async def ready(self) -> dict[str, bool]:
        """Whether each stage can work: it runs, or starts on demand. Serve names no deployments while it builds a
        changed application: the old ones, of which this is one, serve until then."""
        found = await self._status()
        standby = {model for model, stage in self._plan.stages.items() if stage.min_replicas == 0}
        return {
            model: model in standby or not found or (name in found and found[name].replica_states.get("RUNNING", 0) > 0)
            for name, model in MODELS.items()
        }

    async def engine(self) -> dict[str, int] | None:
        """One text-to-semantic replica's counters; None where none runs (asking would start one) or answers."""
        found = (await self._status()).get("TextToSemantic")
        if found is None or not found.replica_states.get("RUNNING"):
            return None
        try:
            return await asyncio.wait_for(self._ask(), ANSWER_WITHIN)
        except TimeoutError:
            return None

    async def _ask(self) -> dict[str, int]:
        return await self._stats.remote()

    async def _status(self) -> dict[str, DeploymentStatusOverview]:
        if time.monotonic() - self._asked >= ASK_EVERY:
            status = await asyncio.to_thread(serve.status)
            self._deployments = status.applications[self._application].deployments
            self._asked = time.monotonic()
        return self._deployments
