"""Reads tiers.yaml: which machine is which tier, and what a tier prescribes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cluster.machine.profile import HardwareProfile, InstructionSet, Vendor
from cluster.planning.footprints import GB
from cluster.planning.stages import Stage

Device = Literal["cpu", "cuda", "mps"]
Precision = Literal["fp32", "bf16x3", "int16", "bf16", "fp16"]
Quantization = Literal["none", "int8", "int4"]
Family = Literal["base", "pro", "max", "ultra"]
DEVICES: tuple[Device, ...] = ("cpu", "cuda", "mps")
Positive = Annotated[int, Field(ge=1)]


class TierError(ValueError):
    """tiers.yaml is not well formed, or no row of it matches a machine."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Match(_Strict):
    """The conditions of a row, which a machine must all meet; None asks for nothing. VRAM is the weakest GPU's."""

    vendor: tuple[Vendor, ...] | None = None
    apple: Family | None = None
    fanless: bool | None = None
    instructions: InstructionSet | None = None
    free_vram_gb_min: float | None = None
    performance_cores_min: int | None = None

    def holds(self, machine: HardwareProfile) -> bool:
        """Whether a machine meets every condition."""
        vram = min((gpu.vram_free for gpu in machine.gpus), default=0) / GB
        return all(
            (
                self.vendor is None or machine.cpu.vendor in self.vendor,
                self.apple in (None, apple_family(machine)),
                self.fanless in (None, machine.fanless),
                self.instructions is None or self.instructions in machine.cpu.instruction_sets,
                self.free_vram_gb_min is None or (machine.gpu_count > 0 and vram >= self.free_vram_gb_min),
                self.performance_cores_min is None or machine.cpu.performance_cores >= self.performance_cores_min,
            )
        )

    def covers(self, other: Match) -> bool:
        """Whether every machine that meets the other's conditions meets these too."""
        return all(
            (
                self.vendor is None or (other.vendor is not None and set(other.vendor) <= set(self.vendor)),
                self.apple in (None, other.apple),
                self.fanless in (None, other.fanless),
                self.instructions in (None, other.instructions),
                _at_most(self.free_vram_gb_min, other.free_vram_gb_min),
                _at_most(self.performance_cores_min, other.performance_cores_min),
            )
        )


def _at_most(threshold: float | None, other: float | None) -> bool:
    return threshold is None or (other is not None and threshold <= other)


class PerStage(_Strict):
    """A number for each stage."""

    reference_encoder: Positive
    text_to_semantic: Positive
    vq_decoder: Positive


class Precisions(_Strict):
    """For each stage the precisions to choose from: the first that the device can compute in."""

    reference_encoder: tuple[Precision, ...]
    text_to_semantic: tuple[Literal["fp32", "bf16", "fp16"], ...]
    vq_decoder: tuple[Precision, ...]


class Tier(_Strict):
    """A row of tiers.yaml, whose head says what each field means."""

    name: str
    match: Match
    device: Device
    precision: Precisions
    quantization: Annotated[tuple[Quantization, ...], Field(min_length=1)]
    slots: PerStage
    threads: PerStage
    compile: tuple[Stage, ...]
    text_limit: Positive
    text_limit_hot: Positive | None = None
    chunk_length: Positive
    first_block: Positive
    block: Positive
    reference_cache: Annotated[int, Field(ge=0)]
    prefix_cache_voices: Annotated[int, Field(ge=0)]
    expected_rtf: Annotated[float, Field(gt=0)]
    margin_gb: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _possible(self) -> Tier:
        if self.device == "mps" and "int8" in self.quantization:
            raise ValueError(f"tier {self.name}: int8 on MPS falls back to the CPU")
        if self.device != "cpu" and "int4" in self.quantization:
            raise ValueError(f"tier {self.name}: int4 runs on CPUs only")
        if (self.text_limit_hot or 0) > self.text_limit:
            raise ValueError(f"tier {self.name}: text_limit_hot is over text_limit")
        return self


def apple_family(machine: HardwareProfile) -> Family | None:
    """The family of an Apple chip: "M1" -> base, "M2 Pro" -> pro."""
    if machine.apple is None:
        return None
    families: dict[str, Family] = {family: family for family in get_args(Family)}
    return families.get(machine.apple.lower().split()[-1], "base")


TABLE = Path(__file__).with_name("tiers.yaml")


@cache
def load(path: Path = TABLE) -> tuple[Tier, ...]:
    """The rows in order. Raises TierError naming the row and field at fault."""
    try:
        document = yaml.safe_load(path.read_text())
        defaults, rows = document["defaults"], document["tiers"]
        if unknown := set(document) - {"defaults", "tiers"}:
            raise TierError(f"{path.name}: unknown section {sorted(unknown)[0]}")
        tiers = tuple(Tier.model_validate_json(json.dumps({**defaults, **row})) for row in rows)
    except ValidationError as error:
        fault = error.errors()[0]
        raise TierError(f"{path.name}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise TierError(f"{path.name}: needs the sections defaults and tiers ({error})") from None
    names = [tier.name for tier in tiers]
    if len(set(names)) < len(names):
        raise TierError(f"{path.name}: two tiers share a name")
    for low, row in enumerate(tiers):
        for high in tiers[low + 1 :]:
            if row.match.covers(high.match):
                raise TierError(
                    f"{path.name}: {high.name} is never reached, as {row.name} above it matches all that it does: put "
                    "the higher threshold first"
                )
    return tiers


def matching(machine: HardwareProfile, named: str = "auto") -> list[tuple[int, Tier]]:
    """Rows that match, the strongest first, each with its position; or the one that is named, whatever it matches."""
    if named != "auto":
        return [(0, tier) for tier in load() if tier.name == named]
    rows = [(index, tier) for index, tier in enumerate(load()) if tier.match.holds(machine)]
    if not rows:
        raise TierError(f"no row of tiers.yaml matches {machine.hostname}")
    return rows
