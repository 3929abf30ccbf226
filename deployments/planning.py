"""What the planner is told of the settings, the checkpoint and the model repository, and the models as its plan runs
them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cluster.planning.footprints import Footprints
from cluster.planning.plan import Plan, PlanOptions, StageBounds
from deployments.settings import Settings
from models.checkpoint.reader import Checkpoint
from models.footprint import sizes
from models.repository.served import CodecFigures, ServedModel, load

KINDS: dict[str, Literal["cpu", "gpu"] | None] = {"KIND_AUTO": None, "KIND_CPU": "cpu", "KIND_GPU": "gpu"}


def options(settings: Settings, checkpoint: Checkpoint, models: Mapping[str, ServedModel]) -> PlanOptions:
    """The planner's options for the first pool."""
    return PlanOptions(settings.device, footprints_of(checkpoint), settings.stages, settings.tier, bounds(models))


def footprints_of(checkpoint: Checkpoint) -> Footprints:
    """The sizes that the planner's memory model follows from."""
    return Footprints(**sizes(checkpoint.language_model_config, checkpoint.codec_config))


def models_of(checkpoint: Checkpoint) -> dict[str, ServedModel]:
    """The model repository with the checkpoint's figures. Raises SettingsError for a config.yaml that is wrong."""
    codec = checkpoint.codec_config
    samples = {"frame_length": codec.frame_length, "sample_rate": codec.sample_rate}
    return load(CodecFigures(codebooks=codec.num_codebooks, **samples))


def bounds(models: Mapping[str, ServedModel]) -> dict[str, StageBounds]:
    """What the config.yaml of each stage allows its plan."""
    found = {}
    for name, model in models.items():
        group = model.instance_group
        if not model.ensemble:
            kind, count = (KINDS[group.kind], group.count) if group else (None, None)
            found[name] = StageBounds(model.max_batch_size, kind, count)
    return found


def as_planned(models: Mapping[str, ServedModel], plan: Plan) -> dict[str, ServedModel]:
    """The models as the plan runs them, the ensemble as it is."""
    stages = {
        name: models[name].planned(stage.slots, stage.device, stage.max_replicas) for name, stage in plan.stages.items()
    }
    return {**models, **stages}
