"""Pools: one plan for each device kind that may speak. `plan(profiles, options, wanted) -> Pools`, pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.machine.profile import HardwareProfile
from cluster.planning.abilities import has_device
from cluster.planning.footprints import GB, Footprints
from cluster.planning.plan import Plan, PlanError, PlanOptions, StageBounds, StagePlan
from cluster.planning.planner import make
from cluster.planning.stages import DECODER, ENCODER, LM

Override = Mapping[str, object]
ASLEEP: Override = {"min_replicas": 0, "initial_replicas": 0}
SHARED: Override = {"num_cpus": 0.01, "memory_gb": 0.01}  # the encoder of further pools, which is the first pool's


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """A pool that a person asks for; `stages` overrides fields of its plan."""

    device: str
    stages: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pools:
    """Plans by the pools' names, the preferred one first; it has all stages. Its reference-encoder serves all pools, so
    further ones have the other two stages, by default at zero replicas until they are needed. `reason` says why there
    are so many pools."""

    plans: dict[str, Plan]
    reason: str

    @property
    def first(self) -> Plan:
        """The preferred pool's plan."""
        return next(iter(self.plans.values()))

    @property
    def claimants(self) -> int:
        """Replicas that claim RAM as they speak and may run on one node, of all pools; at least 1."""
        generators = [plan.stages[LM] for plan in self.plans.values()]
        return max(1, sum(stage.per_node for stage in generators if stage.device == "cpu"))

    def to_dict(self) -> dict[str, object]:
        """The first plan, and beside its fields the reason and the further pools' plans."""
        further = {name: plan.to_dict() for name, plan in list(self.plans.items())[1:]}
        return self.first.to_dict() | {"pools": {"reason": self.reason, "further": further}}


def device_of(plan: Plan) -> str:
    """The device that speaks."""
    return plan.stages[LM].device


def plan(
    profiles: Sequence[HardwareProfile],
    options: PlanOptions | None = None,
    wanted: Mapping[str, PoolOptions] | None = None,
) -> Pools:
    """The pools for these machines: those `wanted`, else the best device's and, where that is an accelerator
    that is not locked, a CPU pool that stands by. `options.stages` are the first pool's. Raises PlanError."""
    options = options or PlanOptions()
    if wanted:
        return _asked_for(profiles, options, wanted)
    main = make(profiles, options)
    device = device_of(main)
    if why := _alone(device, options):
        return Pools({device: main}, f"one pool: {why}")
    try:
        standby = _further(profiles, [main], options, PoolOptions("cpu"))
    except PlanError as error:
        return Pools({device: main}, f"one pool: no CPU pool fits beside it: {error}")
    if standby.warning:
        return Pools({device: main}, f"one pool: no CPU pool fits beside it: {standby.warning}")
    return Pools({device: main, "cpu": standby}, f"the CPU stands by for when {device} is busy, full or down")


def _alone(device: str, options: PlanOptions) -> str | None:
    """Why the best device gets no pool beside it."""
    if device == "cpu":
        return "there is only the CPU, or it is what was asked for"
    if options.device != "auto":
        return f"{options.device} is locked"
    locks = {stage: given["device"] for stage, given in options.stages.items() if given.get("device")}
    locks |= {stage: bound.kind for stage, bound in options.bounds.items() if bound.kind}
    locked = [f"{stage} is locked to {lock}" for stage, lock in locks.items() if stage == LM or lock != "cpu"]
    return ", ".join(locked) or None


def _asked_for(profiles: Sequence[HardwareProfile], options: PlanOptions, wanted: Mapping[str, PoolOptions]) -> Pools:
    there = {name: pool for name, pool in wanted.items() if any(has_device(m, pool.device) for m in profiles)}
    absent = [f"no machine has {pool.device} for {name}" for name, pool in wanted.items() if name not in there]
    if not there:
        raise PlanError(f"pools: {', '.join(absent)}: add a pool on a device that exists, or remove pools")
    plans: dict[str, Plan] = {}
    for name, pool in there.items():
        try:
            if plans:
                plans[name] = _further(profiles, list(plans.values()), options, pool)
            else:
                stages = _merged(options.stages, pool.stages)
                plans[name] = make(profiles, dataclasses.replace(options, device=pool.device, stages=stages))
        except PlanError as error:
            raise PlanError(f"pool {name}: {error}") from None
        if device_of(plans[name]) != pool.device:
            raise PlanError(f"pool {name} is on {pool.device}, but its {LM} is locked to {device_of(plans[name])}")
    return Pools(plans, ", ".join(["asked for", *absent]))


def _further(
    profiles: Sequence[HardwareProfile], others: Sequence[Plan], options: PlanOptions, pool: PoolOptions
) -> Plan:
    """A plan on what the others leave, that starts with its first request. A config.yaml counts the first pool's
    replicas, and the reference-encoder is that pool's."""
    if ENCODER in pool.stages:
        raise PlanError(f"the first pool's {ENCODER} serves all pools: set it there")
    machines = list(profiles)
    for other in others:
        machines = _left(machines, other, options.footprints)
    if not any(machine.cpus >= 1 for machine in machines):
        raise PlanError("the other replicas take every CPU: lower num_cpus or max_replicas of their stages")
    stages = _merged({LM: ASLEEP, DECODER: ASLEEP, ENCODER: {**SHARED, **ASLEEP}}, pool.stages)
    given = {stage: options.bounds.get(stage, StageBounds()) for stage in (LM, DECODER)}
    bounds = {stage: dataclasses.replace(bound, replicas=None) for stage, bound in given.items()}
    found = make(machines, PlanOptions(pool.device, options.footprints, stages, bounds=bounds))
    speaking = {stage: found.stages[stage] for stage in (LM, DECODER)}
    memory = round(sum(stage.memory_gb for stage in speaking.values()), 2)
    return dataclasses.replace(found, stages=speaking, expected_memory_gb=memory)


def _merged(
    base: Mapping[str, Mapping[str, object]], over: Mapping[str, Mapping[str, object]]
) -> dict[str, Mapping[str, object]]:
    """Overrides of two sources. Who sets a bound of replicas sets all: another's could contradict it."""
    merged: dict[str, Mapping[str, object]] = dict(base)
    for stage, given in over.items():
        below = base.get(stage, {})
        if given.get("min_replicas") or given.get("initial_replicas"):
            below = {name: value for name, value in below.items() if name not in ASLEEP}
        merged[stage] = {**below, **given}
    return merged


def _left(machines: Sequence[HardwareProfile], taken: Plan, footprints: Footprints) -> list[HardwareProfile]:
    """The machines less what a plan's replicas take, spread evenly over those that could hold them."""
    left = {machine.node: machine for machine in machines}
    for stage in taken.stages.values():
        hosts = [m for m in machines if m.node not in stage.avoid_nodes and (not stage.num_gpus or m.gpu_count)]
        # On the CPU a stage may grow into whatever is free: then who comes first has it.
        replicas = stage.initial_replicas if stage.device == "cpu" else stage.max_replicas
        each = math.ceil(replicas / max(1, len(hosts)))
        for host in hosts:
            left[host.node] = _less(left[host.node], stage, each, footprints)
    return list(left.values())


def _less(machine: HardwareProfile, stage: StagePlan, replicas: int, footprints: Footprints) -> HardwareProfile:
    ram = int(replicas * footprints.host_gb(stage.device, stage.memory_gb) * GB)
    return dataclasses.replace(
        machine,
        schedulable_cpus=max(0.0, machine.cpus - replicas * stage.num_cpus),
        ram_available=max(0, machine.ram_available - ram),
    )
