"""What to run where: `make(profiles, options) -> Plan`, pure. Every decision carries its rule in `reasons`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.machine.profile import HardwareProfile
from cluster.planning import explain, overrides, shares
from cluster.planning.abilities import has_device
from cluster.planning.fitting import Choice, Fitter, usable_gb
from cluster.planning.footprints import Footprints
from cluster.planning.overrides import StageOverride, check_num_gpus, check_possible
from cluster.planning.plan import Plan, PlanError, PlanOptions, StageBounds, StagePlan
from cluster.planning.shares import Need, Share
from cluster.planning.sizing import Sizer, Sizing, feeds
from cluster.planning.stages import DECODER, ENCODER, LM, STAGES


@dataclass(slots=True)
class _Draft:
    """One stage while it is being decided."""

    choice: Choice
    hosts: tuple[HardwareProfile, ...]
    reasons: list[str]
    asleep: bool = False
    num_gpus: float = 0.0


def make(profiles: Sequence[HardwareProfile], options: PlanOptions | None = None) -> Plan:
    """The plan for these machines. Raises PlanError where it is impossible, saying what to change."""
    options = options or PlanOptions()
    machines = [machine for machine in profiles if machine.cpus > 0]
    if not machines:
        raise PlanError("no machine offers a CPU: start Ray on at least one node with --num-cpus above 0")
    wanted = overrides.read(options, machines)
    if len({machine.node for machine in machines}) < len(machines):
        raise PlanError("two profiles carry the same node id: give every machine its own")
    notes: list[str] = []
    locks = _locks(options, wanted, machines, notes)
    sizer = Sizer(Fitter(options.footprints, wanted, options.bounds, locks), options.tier)
    sizing = sizer.text_to_semantic(machines, notes)
    drafts, given_up = _draft(sizer, sizing, machines, notes)
    for stage, draft in drafts.items():
        check_possible(stage, wanted[stage], draft.choice.device, list(draft.hosts))
    _divide_gpus(drafts, sizing, wanted)
    stages = _stages(drafts, sizing, wanted, machines, options)
    tier = sizing.tier
    ram = {m.node: usable_gb("cpu", tier.margin_gb, [m]) for m in machines}
    spare = shares.place(machines, 2 * _to_start(stages, options.footprints), ram)
    return Plan(
        tier=tier.name,
        text_limit=tier.text_limit,
        text_limit_hot=tier.text_limit_hot,
        chunk_length=tier.chunk_length,
        first_block=tier.first_block,
        block=tier.block,
        reference_cache=tier.reference_cache,
        prefix_cache_voices=tier.prefix_cache_voices,
        expected_rtf=tier.expected_rtf,
        expected_memory_gb=round(sum(stage.memory_gb for stage in stages.values()), 2),
        spare=spare,
        stages=stages,
        reasons=explain.whole(tier, sizing.machines, spare, options.tier != "auto"),
        warning=explain.scarce(given_up, sizing.machines),
    )


def _locks(
    options: PlanOptions, wanted: Mapping[str, StageOverride], machines: Sequence[HardwareProfile], notes: list[str]
) -> dict[str, str]:
    """Stage -> "auto" or the device it must run on. A chosen device is a lock: it gives way only where no
    machine has it, and then a note says so."""
    everywhere = options.device
    if everywhere in ("auto", "cuda"):
        notes += explain.without_cuda(machines)
    if everywhere != "auto" and not any(has_device(m, everywhere) for m in machines):
        notes.append(f"cpu: {everywhere} was asked for, but no machine has it")
        everywhere = "cpu"
    elif everywhere != "auto":
        notes.append(f"{everywhere}: asked for, so locked")
    for stage in STAGES:
        device = wanted[stage].device
        if device and not any(has_device(m, device) for m in machines):
            why = "; ".join(explain.without_cuda(machines)) if device == "cuda" else ""
            raise PlanError(
                f"{stage}: no machine has {device}{why and f' ({why})'}: set its device to auto or cpu, or add a "
                f"machine with {device}"
            )
    return {stage: wanted[stage].device or everywhere for stage in STAGES}


def _draft(
    sizer: Sizer, sizing: Sizing, machines: Sequence[HardwareProfile], notes: list[str]
) -> tuple[dict[str, _Draft], list[str]]:
    """Every stage on its device, and what was given up so that they fit."""
    lm, names = sizing.fit.choices[LM], ", ".join(m.hostname for m in sizing.machines)
    shared = [*dict.fromkeys(notes), f"{lm.device}: tier {sizing.tier.name} ({names})"]
    drafts = {stage: _Draft(choice, sizing.machines, list(shared)) for stage, choice in sizing.fit.choices.items()}
    fits = [sizing.fit]
    outside: dict[str, list[str]] = {}
    for stage in (ENCODER, DECODER):
        if stage not in drafts:
            outside.setdefault("cpu" if sizer.locks[stage] == "auto" else sizer.locks[stage], []).append(stage)
    usable = usable_gb(lm.device, sizing.tier.margin_gb, sizing.machines)
    for device, stages in outside.items():
        found, hosts = sizer.elsewhere(stages, device, sizing, machines)
        fits.append(found)
        for stage in stages:
            locked = sizer.locks[stage] != "auto"
            why = f"{usable:.1f} GB usable on {lm.device} does not hold it beside text_to_semantic's {lm.gb:.1f} GB"
            reason = f"{device}: {'asked for, so locked' if locked else why}"
            drafts[stage] = _Draft(found.choices[stage], hosts, [reason])
    if any(found.asleep for found in fits):
        drafts[ENCODER].asleep = True
        drafts[ENCODER].reasons.append("it sleeps while no voice is encoded: memory does not hold every stage for good")
    return drafts, [words for found in fits for words in found.given_up]


def _divide_gpus(drafts: Mapping[str, _Draft], sizing: Sizing, wanted: Mapping[str, StageOverride]) -> None:
    on_gpu = {stage: draft.choice.gb for stage, draft in drafts.items() if draft.choice.device == "cuda"}
    usable = {stage: usable_gb("cuda", sizing.tier.margin_gb, drafts[stage].hosts) for stage in on_gpu}
    for stage, fraction in shares.gpu_fractions(on_gpu, usable, LM).items():
        drafts[stage].num_gpus = fraction
    for stage, draft in drafts.items():
        asked = wanted[stage].num_gpus
        if asked is not None:
            check_num_gpus(stage, asked, draft.choice.device, draft.choice.gb, usable.get(stage, 0.0))
            draft.num_gpus = asked


def _stages(
    drafts: Mapping[str, _Draft],
    sizing: Sizing,
    wanted: Mapping[str, StageOverride],
    machines: Sequence[HardwareProfile],
    options: PlanOptions,
) -> dict[str, StagePlan]:
    footprints = options.footprints
    devices = {stage: draft.choice.device for stage, draft in drafts.items()}
    single = [stage for stage in drafts if devices[stage] == "cpu" and not footprints.worth_threads(stage)]
    for stage in single:
        if wanted[stage].threads is None:
            drafts[stage].reasons.append("one thread: to wake others takes longer than the work of so small a codec")
    most_threads = sizing.tier.threads.model_copy(update=dict.fromkeys(single, 1))
    divided = {m.node: shares.shares(m, devices, feeds(sizing, m), most_threads) for m in machines}
    given, needs = {}, {}
    for stage, draft in drafts.items():
        share = shares.weakest([divided[m.node][stage] for m in draft.hosts])
        given[stage] = Share(wanted[stage].threads or share.threads, wanted[stage].num_cpus or share.num_cpus)
        _check_threads(stage, wanted[stage], draft.hosts)
        ram = 0.0 if draft.asleep else footprints.host_gb(draft.choice.device, draft.choice.gb)
        needs[stage] = Need(given[stage].num_cpus, draft.num_gpus, ram)
    scarce = drafts[ENCODER].asleep
    stages: dict[str, StagePlan] = {}
    for stage in (LM, DECODER, ENCODER):
        draft, asked = drafts[stage], wanted[stage]
        held = {}
        for host in draft.hosts:
            here = {s: needs[s] for s in drafts if host in drafts[s].hosts}
            held[host] = shares.held(host, usable_gb("cpu", sizing.tier.margin_gb, [host]), stage, here)
        apart = held
        if stage == LM and draft.choice.device == "cpu":
            apart = {host: shares.on_own_cores(host, given[stage].threads, n) for host, n in held.items()}
        most = sum(apart.values())
        # A Mac's one GPU is none that the scheduler counts; and what a sleeping encoder needs must stay free.
        if draft.choice.device == "mps" or scarce:
            most = min(most, len(draft.hosts))
        if stage == ENCODER:  # busy once a voice
            most = min(most, stages[LM].max_replicas)
        start = sum(feeds(sizing, m) for m in draft.hosts) if stage == LM else 0 if draft.asleep else 1
        replicas = _replicas(stage, start, most, asked, needs)
        if draft.choice.device == "cpu" and not asked.threads:
            beside = held if replicas[2] > most else apart
            given[stage] = shares.divided(given[stage], {host: min(n, replicas[2]) for host, n in beside.items()})
        avoid = tuple(m.node for m in machines if m not in draft.hosts and _could_land(m, needs[stage]))
        compiled, why = explain.compiles(stage, draft.choice, draft.hosts, sizing.tier)
        plan = StagePlan(
            device=draft.choice.device,
            precision=draft.choice.precision,
            quantization=draft.choice.quantization,
            compile=compiled if asked.compile is None else asked.compile,
            threads=given[stage].threads,
            slots=draft.choice.slots,
            num_cpus=given[stage].num_cpus,
            num_gpus=draft.num_gpus,
            memory_gb=round(draft.choice.gb, 2),
            min_replicas=replicas[0],
            initial_replicas=replicas[1],
            max_replicas=replicas[2],
            per_node=max(1, min(replicas[2], max(held.values()))),
            max_positions=(asked.max_positions or footprints.positions) if stage == LM else None,
            cores=shares.kind_of_cores(stage, given[stage].threads, draft.choice.device, draft.hosts),
            avoid_nodes=avoid,
        )
        reasons = explain.stage(
            stage,
            plan,
            draft.reasons,
            why,
            draft.hosts,
            asked.model_dump(exclude_none=True),
            options.bounds.get(stage, StageBounds()),
        )
        stages[stage] = dataclasses.replace(plan, reasons=tuple(reasons))
    unbounded = dict.fromkeys((m.node for m in machines), math.inf)  # RAM went into the bounds of each stage
    if not shares.place(machines, _to_start(stages, footprints), unbounded):
        wants = [f"{s} {p.initial_replicas} x {p.num_cpus:g} CPU {p.num_gpus:g} GPU" for s, p in stages.items()]
        raise PlanError(
            f"the replicas to start ({', '.join(wants)}) do not fit {sum(m.cpus for m in machines):g} CPUs and "
            f"{sum(m.gpu_count for m in machines)} GPUs: lower num_cpus, num_gpus or the replicas"
        )
    return {stage: stages[stage] for stage in STAGES}


def _to_start(stages: Mapping[str, StagePlan], footprints: Footprints) -> list[tuple[Need, frozenset[str]]]:
    """What every replica to start needs, and where it may not go."""
    return [
        (Need(p.num_cpus, p.num_gpus, footprints.host_gb(p.device, p.memory_gb)), frozenset(p.avoid_nodes))
        for p in stages.values()
        for _ in range(p.initial_replicas)
    ]


def _check_threads(stage: str, wanted: StageOverride, hosts: Sequence[HardwareProfile]) -> None:
    most = min(m.cpu.logical_cores for m in hosts)
    if wanted.threads and wanted.threads > most:
        raise PlanError(f"{stage}: {wanted.threads} threads on {most} logical cores: ask for at most {most}")


def _replicas(
    stage: str, start: int, most: int, wanted: StageOverride, needs: Mapping[str, Need]
) -> tuple[int, int, int]:
    """(min, initial, max), planned with `start` at first; explicit figures win and pull the planned ones with them."""
    if most < 1:
        total = sum(need.ram_gb for need in needs.values())
        raise PlanError(
            f"{stage}: no machine holds one replica of every stage ({total:.1f} GB of RAM and "
            f"{sum(n.num_cpus for n in needs.values()):g} CPUs in all): lower num_cpus, or use a larger machine"
        )
    high = wanted.max_replicas or max(most, wanted.initial_replicas or 1, wanted.min_replicas or 1)
    low = min(1, wanted.initial_replicas if wanted.initial_replicas is not None else start)
    low = wanted.min_replicas if wanted.min_replicas is not None else low
    if wanted.initial_replicas is not None:
        return low, wanted.initial_replicas, high
    return low, min(high, max(start, low)) if low else 0, high


def _could_land(machine: HardwareProfile, need: Need) -> bool:
    # By what the scheduler offers, used or not: Ray counts a Mac's GPU too, which is none of `gpus`.
    has_gpu = (machine.schedulable_gpus or machine.gpu_count) > 0
    return machine.cpus >= need.num_cpus and (need.num_gpus == 0 or has_gpu)
