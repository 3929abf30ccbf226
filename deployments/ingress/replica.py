"""The ingress as a Ray Serve deployment: it builds the ASGI app around the stages' handles."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.applications import Starlette

from cluster.machine.monitor import Monitor
from cluster.machine.profile import HardwareProfile
from cluster.planning.pools import Pools, device_of
from cluster.planning.stages import LM
from deployments.ingress.admission import AdmissionLimits
from deployments.ingress.asgi import create_app
from deployments.ingress.places import Places
from deployments.ingress.pool_router import LOOK_EVERY, PoolRouter
from deployments.monitoring.logs import log_through_serve
from deployments.monitoring.request_log import RequestLog, newest
from deployments.monitoring.request_rows import Row
from deployments.monitoring.scrape import Scraper
from deployments.settings import Settings, read_limits
from deployments.stages.broadcast import Replicas, broadcast
from deployments.stages.handles import RayStages
from deployments.stages.status import GraphStatus
from deployments.synthesis.pipeline import Pipeline, Pool
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from deployments.system.health import ServerInfo
from models.checkpoint.card import Card
from models.checkpoint.configs import CodecConfig
from models.repository.served import ServedModel
from models.text.rules import TextRules
from models.types import SettingsError

logger = logging.getLogger("ray.serve")


@serve.ingress()
class Ingress:
    """One replica; it holds no model."""

    def __init__(
        self,
        settings: Settings,
        pools: Pools,
        codec: CodecConfig,
        codec_key: str,
        card: Card,
        rules: TextRules,
        models: Mapping[str, ServedModel],
        profiles: Sequence[HardwareProfile],
        reference_encoder: DeploymentHandle[Any],
        speaking: dict[str, tuple[DeploymentHandle[Any], DeploymentHandle[Any]]],
    ) -> None:
        """`speaking`: each pool's text-to-semantic and VQ-decoder."""
        log_through_serve()
        self._settings, self._pools, self._models, self._profiles = settings, pools, models, profiles
        generators, decoders = zip(*speaking.values(), strict=True)
        self._status = GraphStatus(serve.get_replica_context().app_name, pools)
        self._replicas = Replicas(dict(zip(speaking, generators, strict=True)), [*decoders, reference_encoder])
        self._scraper = Scraper(serve.get_replica_context().app_name)
        first = pools.first
        self._log = RequestLog(first.tier, settings.csv_folder)
        self._stages = {
            pool: RayStages(
                reference_encoder,
                *handles,
                sample_rate=codec.sample_rate,
                frame_length=codec.frame_length,
                codec_key=codec_key,
            )
            for pool, handles in speaking.items()
        }
        self._router = self._make_router()
        limits = Limits(tier=first.tier, tier_text_chars=first.text_limit, encode_cache=first.reference_cache)
        stages, voices = next(iter(self._stages.values())), VoiceLibrary(settings.voices_url)
        self._pipeline = Pipeline(stages, voices, limits, self._router.route, self._log.record, rules, card)
        self._log.follow(lambda: (self._pipeline.running, self._pipeline.encoded.hits, self._pipeline.encoded.misses))
        self._places = Places(pools, settings.ingress_replicas, self._status.pools)
        self._configured = False

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Serve's hook for `user_config`: before the first request, and again when `serve deploy` changed it. Requests
        that were admitted go on. Raises SettingsError at start; later a faulty one is refused, as Serve would replace
        a replica that raises, and its requests would be lost."""
        try:
            limits = read_limits(user_config)
        except SettingsError as error:
            if not self._configured:
                raise
            logger.error("the limits stay as they were: %s", error)
            return
        self._configured = True
        self._pipeline.limits = replace(
            self._pipeline.limits,
            body_bytes=limits.body_bytes,
            body_seconds=limits.body_seconds,
            text_chars=limits.text_chars,
            lead_seconds=limits.lead_seconds,
            references=limits.references,
        )
        self._places.admission.limits = AdmissionLimits(
            limits.wait_seconds, limits.key_streams, limits.key_requests_per_minute
        )

    async def drain(self) -> int:
        """From now on begin no new speech; returns how many speeches still run."""
        self._pipeline.closing = True
        return self._pipeline.running

    async def latest_requests(self) -> list[Row]:
        """The last speech requests of this replica, the oldest first."""
        here = serve.get_replica_context().replica_id.unique_id
        return [{**row, "ingress": here} for row in self._log.latest]

    async def _requests(self) -> list[Row]:
        """The last speech requests of every ingress replica, the newest first."""
        context = serve.get_replica_context()
        itself = serve.get_deployment_handle(context.deployment, context.app_name)
        answers: list[list[Row]] = await broadcast(itself, "latest_requests")
        return newest(answers or [await self.latest_requests()])

    def __serve_build_asgi_app__(self) -> Starlette:
        settings, plan = self._settings, self._pools.first
        lm = plan.stages[LM]
        info = ServerInfo(
            version=version("shoal"),
            checkpoint=settings.checkpoint_path.name,
            device=lm.device,
            tier=plan.tier,
            precision=lm.precision if lm.quantization == "none" else lm.quantization,
            plan=plan.to_dict(),
            models=self._models,
            profiles=self._profiles,
            ready=self._status.ready,
            engines=self._replicas.engines,
            machines=self._replicas.machines,
            clear_prefixes=self._replicas.clear_prefixes,
            metrics=self._scraper.text,
            pools=self._router.describe,
            requests=self._requests,
        )
        keys = [key.get_secret_value() for key in settings.api_keys]
        admission = self._places.admission
        # Serve sends a request id itself.
        return create_app(self._pipeline, info, keys, settings.origins, send_request_id=False, admission=admission)

    def _make_router(self) -> PoolRouter:
        pools = [
            Pool(name, device_of(p), self._stages[name], p.tier, p.text_limit, p.text_limit_hot, p.chunk_length)
            for name, p in self._pools.plans.items()
        ]
        return PoolRouter(
            pools,
            thresholds={pool.name: self._settings.thresholds(pool.name) for pool in pools},
            status=self._status.pools,
            machines=self._replicas.pools,
            monitor=Monitor(LOOK_EVERY),
            reason=self._pools.reason,
        )
