"""What the planner is told of the settings, the checkpoint and the model repository, and the models as its plan runs
them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from cluster.planning.footprints import ENCODER_TENSORS, Footprints
from cluster.planning.plan import Plan, PlanOptions, StageBounds
from deployments.settings import Settings
from models.checkpoint.reader import Checkpoint
from models.repository.served import CodecFigures, ServedModel, load
from models.text_to_semantic.load import POSITIONS
from models.text_to_semantic.network.torch_network import CONTEXT_BUCKET

KINDS: dict[str, Literal["cpu", "gpu"] | None] = {"KIND_AUTO": None, "KIND_CPU": "cpu", "KIND_GPU": "gpu"}


def options(settings: Settings, checkpoint: Checkpoint, models: Mapping[str, ServedModel]) -> PlanOptions:
    """The planner's options for the first pool."""
    return PlanOptions(settings.device, footprints(checkpoint), settings.stages, settings.tier, bounds(models))


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


def footprints(checkpoint: Checkpoint) -> Footprints:
    """What the planner must know of a checkpoint's size."""
    lm, codec = checkpoint.language_model_config, checkpoint.codec_config
    tensors = checkpoint.language_model_tensors()
    sizes = {name: tensor.numel() for name, tensor in tensors.items()}
    embeddings = sizes["embeddings.weight"] + sizes["codebook_embeddings.weight"]
    head = 0 if lm.tie_word_embeddings else sizes["output.weight"] * (lm.codebook_size + 1) // lm.vocab_size
    return dataclasses.replace(
        Footprints(),
        text_to_semantic_params=sum(sizes.values()) - sizes.get("output.weight", 0) + head,
        embedding_params=embeddings,
        codec_encoder_params=checkpoint.codec_params("encoder"),
        codec_decoder_params=checkpoint.codec_params("decoder"),
        kv_values_per_token=lm.slow.n_layer * lm.slow.n_local_heads * lm.slow.head_dim * 2,
        slot_tokens=POSITIONS + CONTEXT_BUCKET,
        encoder_values_per_slot=ENCODER_TENSORS * codec.encoder_dim * 16 * codec.frame_length,
        decoder_values_per_slot=4 * (codec.decoder_dim >> len(codec.decoder_rates)) * 25 * codec.frame_length,
        decoder_state_values=2
        * codec.transformer.n_layer
        * codec.transformer.dim
        * (codec.transformer.window_size or 0),
    )
