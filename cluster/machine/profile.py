"""What a machine is, as a value: plain frozen dataclasses, JSON in and out."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

Os = Literal["linux", "macos", "windows", "wsl2"]
Vendor = Literal["amd", "intel", "arm", "apple", "unknown"]
InstructionSet = Literal["avx2", "avx512", "vnni", "bf16", "amx", "neon"]
Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]

STRICT = ConfigDict(extra="forbid", strict=True)


class ProfileError(ValueError):
    """A hardware profile is not well formed or contradicts itself."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Cores that this process may use: affinity and CPU quota are already taken off.

    `performance_cores` equals `physical_cores` where all cores are alike. The set "vnni" stands for AVX512_VNNI or
    AVX_VNNI, "bf16" for AVX512_BF16 or the BF16 extension of ARMv8.6.
    """

    vendor: Vendor
    model: str
    physical_cores: Count
    performance_cores: Count
    logical_cores: Count
    instruction_sets: tuple[InstructionSet, ...] = ()

    def __post_init__(self) -> None:
        if not self.performance_cores <= self.physical_cores <= self.logical_cores:
            raise ProfileError(
                f"cores must satisfy performance <= physical <= logical, got {self.performance_cores}, "
                f"{self.physical_cores}, {self.logical_cores}"
            )


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA GPU. Memory in bytes. `problem` says why the installed torch cannot run on it, or is None."""

    index: Annotated[int, Field(ge=0)]
    name: str
    vram_total: Bytes
    vram_free: Bytes
    compute_capability: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=0)]]
    problem: str | None = None

    def __post_init__(self) -> None:
        if self.vram_free > self.vram_total:
            raise ProfileError(f"GPU {self.index}: vram_free {self.vram_free} is over vram_total {self.vram_total}")


@dataclass(frozen=True, slots=True)
class HardwareProfile:
    """One machine. Memory in bytes, container limits respected.

    `nvml_error` says why NVIDIA figures are missing, or is None. `apple` is the chip's name without the maker ("M2
    Pro"). `schedulable_cpus` and `schedulable_gpus` are what the cluster's scheduler gives out on this node; None means
    every logical core and every GPU. `nvidia_driver` and `torch` are versions, None where there is none or it is not
    known; torch's names the CUDA that it was built for ("2.11.0+cu130").
    """

    node: str
    hostname: str
    os: Os
    cpu: Cpu
    ram_total: Annotated[int, Field(ge=1)]
    ram_available: Bytes
    gpus: tuple[Gpu, ...] = ()
    nvml_error: str | None = None
    apple: str | None = None
    fanless: bool = False
    schedulable_cpus: Amount | None = None
    schedulable_gpus: Amount | None = None
    nvidia_driver: str | None = None
    torch: str | None = None

    def __post_init__(self) -> None:
        if self.ram_available > self.ram_total:
            raise ProfileError(f"ram_available {self.ram_available} is over ram_total {self.ram_total}")
        if not self.node:
            raise ProfileError("node must not be empty: it tells machines apart")
        if len({gpu.index for gpu in self.gpus}) < len(self.gpus):
            raise ProfileError("two gpus carry the same index")
        if self.apple and self.os != "macos":
            raise ProfileError(f"apple is {self.apple!r}, but os is {self.os}: Apple's chips are used through macos")

    @property
    def cpus(self) -> float:
        """CPUs that replicas may request here."""
        return float(self.cpu.logical_cores if self.schedulable_cpus is None else self.schedulable_cpus)

    @property
    def gpu_count(self) -> int:
        """GPUs that replicas may request here."""
        offered = len(self.gpus) if self.schedulable_gpus is None else int(self.schedulable_gpus)
        return min(len(self.gpus), offered)

    def to_json(self) -> str:
        """For `from_json`, and for a person: indented."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> HardwareProfile:
        """Strict: raises ProfileError naming every unknown key, missing key and wrong type."""
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, e['loc'])) or 'profile'}: {e['msg']}" for e in error.errors())
            raise ProfileError("; ".join(faults)) from None


for _value in (Cpu, Gpu, HardwareProfile):
    setattr(_value, "__pydantic_config__", STRICT)  # noqa: B010  pydantic reads it from any dataclass
_ADAPTER = TypeAdapter(HardwareProfile)
