"""What the routes about the server itself answer with."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class CacheStatus(BaseModel):
    entries: int
    hits: int
    misses: int


class Health(BaseModel):
    """`engine` are the counters of one text-to-semantic replica, null where none runs; `pools` what runs on which
    device, and the last decisions on where requests go."""

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
    plan: Any
    uptime_seconds: float


class GpuStatus(BaseModel):
    """Null is unknown, never 0."""

    index: int
    utilization_percent: float | None
    vram_used_bytes: int | None
    vram_others_percent: float | None


class MachineStatus(BaseModel):
    """One machine that runs a stage. `thermal` is by a sensor where there is one (`temperature_celsius`), else guessed
    from the load of a fanless machine. `gpu_error` says why figures of NVIDIA GPUs are missing."""

    node: str
    host: str
    cpu_percent: float
    cpu: Literal["ok", "maxed"]
    ram_percent: float
    ram_available_bytes: int
    memory: Literal["ok", "critical"]
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
    note: str
    languages: list[Language]
