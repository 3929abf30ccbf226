"""What a person may decide instead of the planner, checked before anything is planned."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cluster.machine.profile import HardwareProfile
from cluster.planning.abilities import CAN_HOLD, NATIVE, can_hold, can_quantize, has_device
from cluster.planning.plan import PlanError, PlanOptions, StageBounds
from cluster.planning.stages import LM, STAGES
from cluster.planning.tiers import DEVICES, Device, Precision, Quantization, load

Count = Annotated[int, Field(ge=1)]
Replicas = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


LEAST_POSITIONS = 256  # of a slot: the words and frames of a short sentence without a reference
REPLICAS = ("min_replicas", "initial_replicas", "max_replicas")


class StageOverride(BaseModel):
    """The fields of a stage's plan that a person may set; None leaves the choice to the planner."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    device: Device | None = None
    precision: Precision | None = None
    quantization: Quantization | None = None
    compile: bool | None = None
    threads: Count | None = None
    slots: Count | None = None
    num_cpus: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    num_gpus: Amount | None = None
    memory_gb: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    min_replicas: Replicas | None = None
    initial_replicas: Replicas | None = None
    max_replicas: Count | None = None
    max_positions: Annotated[int, Field(ge=LEAST_POSITIONS)] | None = None


def read(options: PlanOptions, machines: Sequence[HardwareProfile]) -> dict[str, StageOverride]:
    """The overrides of all three stages, and what their bounds lock. Raises PlanError for unknown names, wrong types
    and contradictions."""
    if options.device not in ("auto", *DEVICES):
        raise PlanError(f"device {options.device!r} is unknown: choose auto, {', '.join(DEVICES)}")
    tiers = ["auto", *(tier.name for tier in load())]
    if options.tier not in tiers:
        raise PlanError(f"tier {options.tier!r} is unknown{_nearest(options.tier, tiers)}")
    for stage in options.stages:
        if stage not in STAGES:
            raise PlanError(f"stage {stage!r} is unknown{_nearest(str(stage), STAGES)}")
    wanted = {stage: _read_stage(stage, options.stages.get(stage) or {}) for stage in STAGES}
    most = options.footprints.most_positions
    if (wanted[LM].max_positions or 0) > most:
        raise PlanError(f"{LM}: max_positions {wanted[LM].max_positions} is over the {most} that the checkpoint knows")
    bounds = {stage: options.bounds.get(stage, StageBounds()) for stage in STAGES}
    return {stage: _bounded(stage, wanted[stage], bounds[stage], machines) for stage in STAGES}


def _read_stage(stage: str, given: Mapping[str, object]) -> StageOverride:
    if not isinstance(given, Mapping):
        raise PlanError(f"{stage}: overrides are a mapping of field to value, got {given!r}")
    for name in given:
        if name not in StageOverride.model_fields:
            raise PlanError(f"{stage}: field {name!r} is unknown{_nearest(str(name), StageOverride.model_fields)}")
    try:
        wanted = StageOverride.model_validate(dict(given))
    except ValidationError as error:
        fault = error.errors()[0]
        raise PlanError(f"{stage}.{fault['loc'][0]}: {fault['msg']}, got {fault['input']!r}") from None
    low, start, high = wanted.min_replicas, wanted.initial_replicas, wanted.max_replicas
    for smaller, larger, names in (
        (low, high, "min_replicas {} is over max_replicas {}"),
        (low, start, "min_replicas {} is over initial_replicas {}"),
        (start, high, "initial_replicas {} is over max_replicas {}"),
    ):
        if smaller is not None and larger is not None and smaller > larger:
            raise PlanError(f"{stage}: {names.format(smaller, larger)}: make the first the smaller one")
    if (quantization := wanted.quantization or "none") != "none" and stage != LM:
        raise PlanError(f"{stage}: {quantization} exists for text_to_semantic only: set quantization to none")
    if wanted.max_positions and stage != LM:
        raise PlanError(f"{stage}: max_positions belongs to text_to_semantic: set it there")
    if wanted.compile and stage != LM:
        raise PlanError(f"{stage}: only text_to_semantic is compiled: remove compile or set it to false")
    return wanted


def _bounded(
    stage: str, wanted: StageOverride, bounds: StageBounds, machines: Sequence[HardwareProfile]
) -> StageOverride:
    """The override with what a config.yaml locks, which it may repeat but not contradict."""
    if bounds.slots and (wanted.slots or 0) > bounds.slots:
        raise PlanError(
            f"{stage}: slots {wanted.slots} are over max_batch_size {bounds.slots} of its config.yaml: change one"
        )
    locked: dict[str, object] = {}
    if bounds.replicas:
        locked |= dict.fromkeys(REPLICAS, bounds.replicas)
    if bounds.kind:
        locked["device"] = _device_of(stage, bounds.kind, wanted, machines)
    for name, value in locked.items():
        asked = getattr(wanted, name)
        if asked not in (None, value):
            raise PlanError(f"{stage}: {name} {asked}, but instance_group of its config.yaml says {value}: change one")
    return wanted.model_copy(update=locked)


def _device_of(stage: str, kind: str, wanted: StageOverride, machines: Sequence[HardwareProfile]) -> str:
    if kind == "cpu":
        return "cpu"
    there = [device for device in ("cuda", "mps") if any(has_device(machine, device) for machine in machines)]
    if not there:
        raise PlanError(f"{stage}: instance_group of its config.yaml says KIND_GPU, but no machine has a usable GPU")
    return wanted.device if wanted.device in there else there[0]


def check_possible(stage: str, wanted: StageOverride, device: str, machines: list[HardwareProfile]) -> None:
    """Raises PlanError where an explicit precision or quantisation cannot run on the device that the stage got."""
    quantization = wanted.quantization or "none"
    if not all(can_quantize(quantization, device, m) for m in machines):
        why, instead = "needs AVX2 or NEON", ""
        if quantization == "int4" and device != "cpu":
            why, instead = "does not run", "device to cpu, or "
        elif device == "mps":
            why = "falls back to the CPU, 40x slower"
        raise PlanError(f"{stage}: {quantization} on {device} {why}: set {instead}quantization to none")
    precision = wanted.precision
    if precision is None:
        return
    can = [name for name in CAN_HOLD[device] if name not in NATIVE or stage != LM]
    if precision not in can:
        raise PlanError(f"{stage}: {precision} does not run on {device}: choose {' or '.join(can)}, or another device")
    if precision in NATIVE and not all(can_hold(device, precision, m) for m in machines):
        raise PlanError(f"{stage}: {precision} needs a CPU with {NATIVE[precision]}: choose fp32 or bf16")
    if precision == "bf16" and device == "cuda" and not all(can_hold(device, precision, m) for m in machines):
        raise PlanError(f"{stage}: bf16 needs a GPU of compute capability 8.0 or above: choose fp16 or fp32")


def check_num_gpus(stage: str, asked: float, device: str, gb: float, usable_gb: float) -> None:
    """Raises PlanError for a share of a GPU that does not exist, or is smaller than the replica's share of memory."""
    if device != "cuda":
        if asked:
            raise PlanError(f"{stage}: it runs on {device}, so num_gpus must be 0, got {asked}")
    elif asked > 1 and asked != int(asked):
        raise PlanError(f"{stage}: num_gpus above 1 must be a whole number, got {asked}")
    elif asked * usable_gb < gb and asked < 1:
        least = math.ceil(gb / usable_gb * 100) / 100
        raise PlanError(
            f"{stage}: a replica takes {gb:.1f} of {usable_gb:.1f} GB usable VRAM, more than num_gpus {asked:g} of it: "
            f"ask for at least {least:g}, or for fewer slots"
        )


def _nearest(name: str, valid: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else f": choose one of {', '.join(valid)}"
