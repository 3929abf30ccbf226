"""A plan as data: what the planner is asked (`PlanOptions`), what it answers (`Plan`), and how it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cluster.machine.affinity import CoreKind
from cluster.planning.footprints import Footprints


class PlanError(ValueError):
    """What was asked for cannot run on these machines; the message says what to change."""


@dataclass(frozen=True, slots=True)
class StageBounds:
    """What a stage's config.yaml in the model repository allows: `slots` at most, on a device of `kind`, in so many
    `replicas`; None leaves the choice to the planner."""

    slots: int | None = None
    kind: Literal["cpu", "gpu"] | None = None
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """`device` locks every stage; `stages` maps a stage to overrides, named as in StagePlan, and wins over `device`;
    `tier` names the row of tiers.yaml to follow, whatever it matches; no stage leaves its `bounds`."""

    device: str = "auto"
    footprints: Footprints = field(default_factory=Footprints)
    stages: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    tier: str = "auto"
    bounds: Mapping[str, StageBounds] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """How one stage runs. `slots`: batch width. `num_cpus`, `num_gpus`: the scheduler's request of one replica, for
    placement only; `threads` is what torch gets (set OMP_NUM_THREADS and torch.set_num_threads to it: Ray sets one
    thread for requests of up to one CPU), on `cores` where a machine has two kinds. `memory_gb`: one replica, in VRAM
    on cuda and RAM else. `avoid_nodes`: node ids where the scheduler could place the stage but which it is not sized
    for. `per_node`: replicas that the scheduler may place on one node. `max_positions`: of a slot of text-to-semantic,
    its prompt and frames; None for the other stages."""

    device: str
    precision: str
    quantization: str
    compile: bool
    threads: int
    slots: int
    num_cpus: float
    num_gpus: float
    memory_gb: float
    min_replicas: int
    initial_replicas: int
    max_replicas: int
    per_node: int
    max_positions: int | None = None
    cores: CoreKind = "all"
    avoid_nodes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """`tier` is that of the weakest machine that runs text-to-semantic. Text in characters (`text_limit_hot`: while a
    machine is hot, None for no other limit), blocks in frames, `expected_memory_gb` of one replica of each stage,
    `expected_rtf` of one stream. `spare`: the machines hold every replica to start twice, so that a redeployment can
    start the new ones before it stops the old. `warning` says what was given up for want of memory."""

    tier: str
    text_limit: int
    text_limit_hot: int | None
    chunk_length: int
    first_block: int
    block: int
    reference_cache: int
    prefix_cache_voices: int
    expected_rtf: float
    expected_memory_gb: float
    spare: bool
    stages: dict[str, StagePlan]
    reasons: tuple[str, ...] = ()
    warning: str | None = None

    def to_dict(self) -> dict[str, object]:
        """JSON-ready."""
        return dataclasses.asdict(self)
