"""What the planner is told of a checkpoint and of the model repository, and what is served of its plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.machine.profile import HardwareProfile
from cluster.planning import pools
from cluster.planning.footprints import Footprints
from cluster.planning.plan import PlanError, PlanOptions, StagePlan
from cluster.planning.planner import make
from cluster.planning.pools import PoolOptions
from cluster.planning.stages import DECODER, LM, STAGES
from deployments.planning import as_planned, bounds, models_of
from models.checkpoint.reader import Checkpoint
from models.footprint import sizes
from models.repository.config import InstanceGroup
from models.repository.served import CodecFigures, ServedModel, load
from tests.paths import PROFILES, ROOT

MODELS = load(CodecFigures(codebooks=10, frame_length=2048, sample_rate=44_100))


def machine(name: str) -> HardwareProfile:
    return HardwareProfile.from_json((PROFILES / f"{name}.json").read_text())


def edited(stage: str, **keys: object) -> dict[str, ServedModel]:
    """The repository with keys of one config.yaml changed."""
    group = {name: keys.pop(name) for name in ("kind", "count") if name in keys}
    update = keys | ({"instance_group": InstanceGroup.model_validate(group)} if group else {})
    return {**MODELS, stage: MODELS[stage].model_copy(update=update)}


def plan(name: str, models: dict[str, ServedModel], **stages: dict[str, object]) -> dict[str, StagePlan]:
    return make([machine(name)], PlanOptions(bounds=bounds(models), stages=stages)).stages


def test_a_container_of_two_cores_and_four_gb_runs_the_tiny_checkpoint(tiny: Path) -> None:
    checkpoint = Checkpoint(tiny)
    footprints = Footprints(**sizes(checkpoint.language_model_config, checkpoint.codec_config))
    options = PlanOptions(footprints=footprints)
    found = make([machine("container-2-core-4gb")], options)
    assert found.tier == "cpu-low" and found.expected_memory_gb < 1.6
    assert found.stages[LM].slots == 16


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("starter", CodecFigures(codebooks=8, frame_length=320, sample_rate=16_000)),
        ("tiny", CodecFigures(codebooks=4, frame_length=480, sample_rate=24_000)),
    ],
)
def test_what_is_served_has_the_checkpoints_figures(name: str, codec: CodecFigures, tiny: Path) -> None:
    served = models_of(Checkpoint(tiny if name == "tiny" else ROOT / "checkpoints" / "starter"))
    for model in served.values():
        assert model.codec == codec
    assert served[LM].metadata()["outputs"][0]["shape"] == [-1, codec.codebooks, -1]


def test_the_repository_as_it_is_changes_no_plan() -> None:
    for name in ("h100", "m2-ultra", "server-amx", "i5-laptop"):
        free, bounded = make([machine(name)]).stages, plan(name, MODELS)
        assert {s: (p.slots, p.device, p.max_replicas) for s, p in bounded.items()} == {
            s: (p.slots, p.device, p.max_replicas) for s, p in free.items()
        }


@pytest.mark.parametrize(("stage", "machine"), [(stage, "h100") for stage in STAGES] + [(LM, "ryzen-5")])
def test_max_batch_size_bounds_the_slots(stage: str, machine: str) -> None:
    found = plan(machine, edited(stage, max_batch_size=2))[stage]
    assert found.slots == 2
    assert "slots at most 2: max_batch_size of its config.yaml" in found.reasons


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("name", "kind", "device"),
    [("h100", "KIND_CPU", "cpu"), ("h100", "KIND_GPU", "cuda"), ("m2-pro", "KIND_GPU", "mps")],
)
def test_instance_groups_kind_locks_the_device(stage: str, name: str, kind: str, device: str) -> None:
    found = plan(name, edited(stage, kind=kind))[stage]
    assert found.device == device
    assert f"device {device}: set by instance_group of its config.yaml" in found.reasons


def test_instance_groups_count_locks_the_replicas() -> None:
    found = plan("server-epyc", edited(DECODER, count=2))[DECODER]
    assert (found.min_replicas, found.initial_replicas, found.max_replicas) == (2, 2, 2)


@pytest.mark.parametrize(
    ("keys", "asked", "message"),
    [
        ({"max_batch_size": 4}, {"slots": 8}, "slots 8 are over max_batch_size 4 of its config.yaml"),
        ({"kind": "KIND_CPU"}, {"device": "cuda"}, "device cuda, but instance_group of its config.yaml says cpu"),
        ({"kind": "KIND_GPU"}, {"device": "cpu"}, "device cpu, but instance_group of its config.yaml says cuda"),
        ({"count": 1}, {"max_replicas": 3}, "max_replicas 3, but instance_group of its config.yaml says 1"),
    ],
)
def test_overrides_that_contradict_the_repository_are_refused(keys: dict, asked: dict, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan("h100", edited(LM, **keys), **{LM: asked})


def test_a_gpu_that_no_machine_has_is_refused() -> None:
    with pytest.raises(PlanError, match="KIND_GPU, but no machine has a usable GPU"):
        plan("ryzen-5", edited(LM, kind="KIND_GPU"))


def test_bounds_hold_in_every_pool() -> None:
    options = PlanOptions(bounds=bounds(edited(LM, max_batch_size=2)))
    both = pools.plan([machine("rtx-4090")], options)
    assert [found.stages[LM].slots for found in both.plans.values()] == [2, 2]
    options = PlanOptions(bounds=bounds(edited(LM, kind="KIND_GPU")))
    assert list(pools.plan([machine("rtx-4090")], options).plans) == ["cuda"], "no CPU pool stands by"
    with pytest.raises(PlanError, match="pool cpu is on cpu, but its text_to_semantic is locked to cuda"):
        pools.plan([machine("rtx-4090")], options, {name: PoolOptions(name) for name in ("cuda", "cpu")})


def test_the_configuration_served_is_that_of_the_plan() -> None:
    planned = make([machine("h100")])
    served = as_planned(MODELS, planned)
    for name, stage in planned.stages.items():
        config = served[name].triton()
        assert config["max_batch_size"] == stage.slots
        assert config["instance_group"] == [{"kind": "KIND_GPU", "count": stage.max_replicas}]
    assert served["fish_speech"] == MODELS["fish_speech"]
