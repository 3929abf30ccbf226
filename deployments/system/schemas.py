"""What the routes about the server itself answer with."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class CacheStatus(BaseModel):
    """A cache's use since the replica started."""

    entries: int
    hits: int
    misses: int


class Gpu(BaseModel):
    """An NVIDIA GPU; `problem` says why it is not used."""

    index: int
    name: str
    vram_total_bytes: int
    compute_capability: str
    problem: str | None


class Machine(BaseModel):
    """A machine as the plan found it, container limits respected: cores and RAM are what may be used. `apple` is the
    chip's name. Null is unknown, or there is none; `nvml_error` says why there are no figures of NVIDIA GPUs."""

    node: str
    host: str
    os: str
    cpu: str
    cpu_vendor: str
    physical_cores: int
    performance_cores: int
    logical_cores: int
    instruction_sets: list[str]
    apple: str | None
    ram_total_bytes: int
    gpus: list[Gpu]
    nvml_error: str | None
    nvidia_driver: str | None
    torch: str | None


class Health(BaseModel):
    """`engine` are the counters of one text-to-semantic replica, null where none runs; `pools` what runs on which
    device, and the last decisions on where requests go; `machines` are those of the plan."""

    status: Literal["ok", "not ready"]
    version: str
    checkpoint: str
    device: str
    tier: str
    precision: str
    sample_rate: int
    stages: dict[str, bool]
    reference_cache: CacheStatus
    engine: dict[str, int] | None
    pools: dict[str, Any] | None
    machines: list[Machine]
    plan: Any
    uptime_seconds: float


class GpuStatus(BaseModel):
    """Null is unknown, never 0. `throttle_reasons` say why its clocks are held down now."""

    index: int
    utilization_percent: float | None
    vram_used_bytes: int | None
    vram_total_bytes: int | None
    vram_others_percent: float | None
    temperature_celsius: float | None
    throttle_reasons: list[str] | None


class MachineStatus(BaseModel):
    """One machine that runs a stage. `thermal` is by the CPU's sensor where there is one (`temperature_celsius`), else
    guessed from the load of a fanless machine; it is hot too where heat slows a GPU down. `gpu_error` says why figures
    of NVIDIA GPUs are missing."""

    node: str
    host: str
    cpu_percent: float
    cpu: Literal["ok", "maxed"]
    ram_percent: float
    ram_available_bytes: int
    memory: Literal["ok", "critical"]
    vram: Literal["ok", "critical"]
    temperature_celsius: float | None
    thermal: Literal["ok", "hot"]
    gpus: list[GpuStatus]
    gpu_error: str | None
    recommended_action: str


class SystemStatus(BaseModel):
    """`recommended_action` is "OK", or what to do and on which machine."""

    recommended_action: str
    machines: list[MachineStatus]


class Knobs(BaseModel):
    """What /optimize-for-hardware can turn while the graph runs. The reference cache counts entries, the prefix caches
    of all text-to-semantic replicas count positions; a segment has at most `segment_chars`, and `segments_ahead` of a
    text are spoken at once."""

    reference_cache_entries: int
    reference_cache_capacity: int
    prefix_cache_positions: int
    prefix_cache_capacity: int
    segment_chars: int
    segments_ahead: int


class Reading(BaseModel):
    """How the server was set and fared at one moment."""

    knobs: Knobs
    system: SystemStatus


class Optimization(BaseModel):
    """`changed` and `not_changed` say what was done, and what was not and why."""

    before: Reading
    after: Reading
    changed: list[str]
    not_changed: list[str]


class Emotions(BaseModel):
    """Markers to write into a text in parentheses, such as (excited)."""

    note: str
    emotions: list[str]
    tones: list[str]
    special: list[str]


class Language(BaseModel):
    """`normalized`: numbers, dates and abbreviations are written out before the model sees them."""

    code: str
    name: str
    normalized: bool


class Languages(BaseModel):
    """What the checkpoint speaks."""

    note: str
    languages: list[Language]
