"""The composition root: settings and machines in, the serving graph out. The only place that wires things."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, RequestRouterConfig
from ray.serve.exceptions import RayServeException
from ray.serve.schema import LoggingConfig

from cluster import nodes
from cluster.machine.profile import HardwareProfile
from cluster.planning import pools
from cluster.planning.plan import PlanError, StagePlan
from cluster.planning.pools import Pools
from cluster.planning.stages import DECODER, ENCODER, LM
from cluster.planning.tiers import TierError
from deployments import planning
from deployments import settings as settings_file
from deployments.ingress.replica import Ingress
from deployments.monitoring import csvlog
from deployments.settings import DEFAULT_LIMITS, Settings
from deployments.stages.autoscaling import TARGET_OCCUPANCY, follow_slots
from deployments.stages.reference_encoder import ReferenceEncoder
from deployments.stages.replica import ONE_LOOP, environment
from deployments.stages.routing import StreamRouter
from deployments.stages.status import deployment_name
from deployments.stages.text_to_semantic import TextToSemantic
from deployments.stages.vq_decoder import VQDecoder
from deployments.synthesis import voices
from models.checkpoint.reader import Checkpoint
from models.repository.served import ServedModel
from models.types import CheckpointError, SettingsError

logger = logging.getLogger("ray.serve")

INGRESS_REQUESTS = 1000  # in flight on one ingress replica; it only waits for the stages
DRAIN_SECONDS = 600.0  # for a whole text; an ingress replica costs next to nothing
# Longer than a segment takes with every slot in use: what runs finishes when a replica goes. An idle one goes at once.
SHUTDOWN_SECONDS = 300.0


def build(args: dict[str, Any]) -> serve.Application:
    """The application of serve_config.yaml. What is wrong is said before anything loads, as the only kind of error that
    Serve shows as it is. Any other it tries again three times, and shows a traceback: a NodeError may pass."""
    try:
        return _build(args)
    except (SettingsError, CheckpointError, PlanError, TierError) as error:
        raise RayServeException(str(error)) from None


def _build(args: dict[str, Any]) -> serve.Application:
    settings = settings_file.read(args)
    if settings.csv_folder:
        csvlog.check_folder(settings.csv_folder)
    voices.check_library(settings.voices_url)
    logger.info("API keys: %s", len(settings.api_keys) or "none: every client may ask")
    checkpoint = Checkpoint(settings.checkpoint_path)
    checkpoint.verify()
    models = planning.models_of(checkpoint)
    # A redeploy plans for the nodes present; nothing scales up while it waits, so that no others would come.
    if not nodes.serving() and (came := nodes.wait(settings.nodes)) < settings.nodes:
        logger.warning(
            "%d of %d nodes with CPUs came: the plan is for these, until the next deployment", came, settings.nodes
        )
    # Memory that our own replicas hold must not count as taken, or a redeploy would plan for a smaller machine.
    machines = nodes.profiles(own_processes="ray::ServeReplica:")
    planned = pools.plan(machines, planning.options(settings, checkpoint, models), settings.pool_options)
    if settings.csv_folder:
        csvlog.write_hardware(settings.csv_folder, planned.first.tier, machines, planned.to_dict())
    logger.info("pools: %s: %s", ", ".join(planned.plans), planned.reason)
    for pool, plan in planned.plans.items():
        if plan.warning:
            logger.warning("pool %s: %s", pool, plan.warning)
        for name, stage in plan.stages.items():
            logger.info("pool %s: %s on %s: %s", pool, name, stage.device, "; ".join(stage.reasons))
    return graph(settings, checkpoint, planned, machines, planning.as_planned(models, planned.first))


def graph(
    settings: Settings,
    checkpoint: Checkpoint,
    planned: Pools,
    machines: Sequence[HardwareProfile],
    models: Mapping[str, ServedModel],
) -> serve.Application:
    """The reference-encoder and each pool's other two stages, each with what the plan gives it, and the ingress, spread
    over the machines that compute: so losing a head node that runs no work loses no ingress."""
    path = str(checkpoint.path)
    encoder, codec = planned.first.stages[ENCODER], checkpoint.codec_config
    reference_encoder = _stage(
        ReferenceEncoder,
        "ReferenceEncoder",
        encoder,
        settings,
        ongoing=4 * encoder.slots,
        target=2 * encoder.slots,
        spare=planned.first.spare,
    ).bind(path, encoder, planned.first.tier)
    speaking = {}
    for pool, plan in planned.plans.items():
        lm, decoder = plan.stages[LM], plan.stages[DECODER]
        streams = max(lm.slots * lm.max_replicas, decoder.slots)
        # Acknowledgements come beside the streams; streams beyond the slots and as many waiting reach the engine, which
        # refuses them: in a queue of Serve's they would wait, and no other pool could take them.
        text_to_semantic = _stage(
            TextToSemantic,
            deployment_name(LM, pool, planned),
            lm,
            settings,
            ongoing=4 * lm.slots,
            target=TARGET_OCCUPANCY * lm.slots,
            spare=plan.spare,
        ).bind(path, plan, planned.claimants, settings.csv_folder)
        vq_decoder = _stage(
            VQDecoder,
            deployment_name(DECODER, pool, planned),
            decoder,
            settings,
            ongoing=4 * streams,
            target=TARGET_OCCUPANCY * streams,
            spare=plan.spare,
        ).bind(path, plan, 2 * streams, text_to_semantic, settings.csv_folder)
        speaking[pool] = text_to_semantic, vq_decoder
    # Several are spread over the nodes and replaced in turn: under such a bound no new one starts beside an old one.
    idle = [machine.node for machine in machines if not machine.schedulable_cpus]
    count = len(machines) - len(idle)
    several = count > 1 and settings.ingress_replicas > 1
    ways: dict[str, Any] = {"max_surge_percent": 100}
    if several:
        ways = {"max_replicas_per_node": -(-settings.ingress_replicas // count)}
    ingress = serve.deployment(
        Ingress,
        name="Ingress",
        num_replicas=settings.ingress_replicas,
        max_ongoing_requests=INGRESS_REQUESTS,
        ray_actor_options={"num_cpus": 0, "runtime_env": {"env_vars": ONE_LOOP}, **_elsewhere(idle)},
        graceful_shutdown_timeout_s=DRAIN_SECONDS,
        graceful_shutdown_wait_loop_s=0.2,
        **ways,
        user_config=DEFAULT_LIMITS.model_dump(),
        logging_config=_logging(settings),
    )
    return cast(serve.Deployment, ingress).bind(
        settings,
        planned,
        codec,
        checkpoint.codec_key,
        checkpoint.card,
        checkpoint.family.text_rules,
        models,
        machines,
        reference_encoder,
        speaking,
    )


def _logging(settings: Settings) -> LoggingConfig:
    """Without Serve's access log: the ingress logs each request once, with what became of it."""
    return LoggingConfig(enable_access_log=False, log_level=settings.log_level.upper())


def _elsewhere(nodes: Sequence[str]) -> dict[str, Any]:
    """Ray's options for: on none of these nodes."""
    return {"label_selector": {"ray.io/node-id": f"!in({','.join(nodes)})"}} if nodes else {}


def _stage(
    cls: type, name: str, plan: StagePlan, settings: Settings, *, ongoing: int, target: float, spare: bool
) -> serve.Deployment:
    scaling = settings.autoscaling
    policy: dict[str, Any] = {}
    router: dict[str, Any] = {}
    if cls is TextToSemantic:
        policy = {"policy": AutoscalingPolicy(policy_function=follow_slots)}
        routed: dict[str, Any] = {"request_router_class": StreamRouter}
        router = {"request_router_config": RequestRouterConfig(**routed)}
    deployment = serve.deployment(
        cls,
        name=name,
        max_ongoing_requests=ongoing,
        ray_actor_options={
            "num_cpus": plan.num_cpus,
            "num_gpus": plan.num_gpus,
            "runtime_env": {"env_vars": environment(plan)},
            **_elsewhere(plan.avoid_nodes),
        },
        autoscaling_config=AutoscalingConfig(
            min_replicas=plan.min_replicas,
            initial_replicas=plan.initial_replicas,
            max_replicas=plan.max_replicas,
            target_ongoing_requests=target,
            upscale_delay_s=scaling.upscale_delay_s,
            downscale_delay_s=scaling.downscale_delay_s,
            look_back_period_s=scaling.look_back_s,
            **policy,
        ),
        graceful_shutdown_timeout_s=SHUTDOWN_SECONDS,
        graceful_shutdown_wait_loop_s=0.2,
        # New replicas serve before old ones stop, where the machines hold both. Else no new one could ever start.
        max_surge_percent=100 if spare else 0,
        logging_config=_logging(settings),
        **router,
    )
    return cast(serve.Deployment, deployment)  # with a class, Ray gives no decorator
