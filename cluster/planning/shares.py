"""Dividing machines between replicas: cores and threads, and how many replicas a cluster holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.machine.affinity import CoreKind
from cluster.machine.profile import HardwareProfile
from cluster.planning.stages import DECODER, ENCODER, LM
from cluster.planning.tiers import PerStage

EPSILON = 1e-6
LM_ON_GPU = 0.6  # of a GPU, where memory does not ask for more: over a half, so that two never share one
CODEC_ON_GPU = 0.1  # at least, so that a GPU's codec replicas stay few


@dataclass(frozen=True, slots=True)
class Share:
    """Of one replica: torch threads, and CPUs to ask the scheduler for."""

    threads: int
    num_cpus: float


def round_down(value: float) -> float:
    """To hundredths, as Ray counts resources; at least one of them."""
    return max(0.01, math.floor(value * 100 + EPSILON) / 100)


def usable_cores(machine: HardwareProfile) -> tuple[int, int]:
    """Physical and performance cores, no more than the CPUs that the scheduler gives out there."""
    most = max(1, int(machine.cpus))
    return min(machine.cpu.physical_cores, most), min(machine.cpu.performance_cores, most)


def shares(machine: HardwareProfile, devices: Mapping[str, str], feeds: int, most: PerStage) -> dict[str, Share]:
    """What a replica of each stage gets where the machine runs one of each, or `feeds` of an accelerator's LM.

    The scheduler counts logical CPUs, threads count physical cores, so a core costs cpus / cores. On one or two cores
    the stages alternate and each may use both. From three on, text-to-semantic and the VQ-decoder run side by side on
    their own cores; the reference-encoder, busy once a voice, borrows the decoder's and has its own from eight on.
    A replica on an accelerator only feeds it: one thread.
    """
    cores, fast = usable_cores(machine)
    cpus = machine.cpus
    if devices[LM] == "cpu":
        lm, decoder, encoder = _three(cores, fast, cpus, most)
    else:
        feed = min(1.0, cpus / (feeds + 2))
        rest = cpus - feeds * feed
        spare = max(1, min(cores, int(cores * rest / cpus)))
        lm = Share(1, feed)
        decoder, encoder = _two(spare, rest, most)
    given = {LM: lm, DECODER: decoder, ENCODER: encoder}
    return {
        stage: Share(1, round_down(min(1.0, s.num_cpus))) if devices[stage] != "cpu" else Share(s.threads, s.num_cpus)
        for stage, s in ((stage, Share(s.threads, round_down(s.num_cpus))) for stage, s in given.items())
    }


def _three(cores: int, fast: int, cpus: float, most: PerStage) -> tuple[Share, Share, Share]:
    if cores <= 2:
        decoder, encoder = min(most.vq_decoder, cores), min(most.reference_encoder, cores)
        return Share(fast, cpus / 2), Share(decoder, cpus / 4), Share(encoder, cpus / 4)
    core = cpus / cores
    decoder = min(most.vq_decoder, max(1, cores // 4))
    if cores < 8:
        lm = min(most.text_to_semantic, fast, cores - decoder)
        encoder = min(decoder, most.reference_encoder)
        return Share(lm, (lm - 0.25) * core), Share(decoder, decoder * core), Share(encoder, 0.25 * core)
    encoder = min(most.reference_encoder, cores // 8)
    lm = min(most.text_to_semantic, fast, cores - decoder - encoder)
    return Share(lm, lm * core), Share(decoder, decoder * core), Share(encoder, encoder * core)


def _two(cores: int, cpus: float, most: PerStage) -> tuple[Share, Share]:
    if cores <= 2:
        return Share(min(most.vq_decoder, cores), cpus / 2), Share(min(most.reference_encoder, cores), cpus / 2)
    core = cpus / cores
    decoder, encoder = min(most.vq_decoder, cores // 2), min(most.reference_encoder, max(1, cores // 4))
    return Share(decoder, decoder * core), Share(encoder, encoder * core)


def weakest(given: Sequence[Share]) -> Share:
    """A share that every one of the machines can give."""
    return Share(min(s.threads for s in given), min(s.num_cpus for s in given))


def divided(share: Share, replicas: Mapping[HardwareProfile, int]) -> Share:
    """The share where that many such replicas run on each machine: no more threads in all than physical cores."""
    threads = [usable_cores(machine)[0] // count for machine, count in replicas.items() if count > 1]
    return Share(max(1, min([share.threads, *threads])), share.num_cpus)


def kind_of_cores(stage: str, threads: int, device: str, hosts: Sequence[HardwareProfile]) -> CoreKind:
    """Which cores a CPU stage keeps to on hybrid machines. A step of text-to-semantic waits for its slowest thread, so
    it takes the performance cores; the codec leaves them to it where the efficiency cores are enough."""
    slow = [m.cpu.physical_cores - m.cpu.performance_cores for m in hosts if m.os in ("linux", "wsl2")]
    hybrid = [count for count in slow if count]
    if device != "cpu" or not hybrid:
        return "all"
    if stage == LM:
        fast = min(m.cpu.performance_cores for m in hosts)
        return "performance" if threads <= fast else "all"
    return "efficiency" if threads <= min(hybrid) else "all"


def gpu_fractions(gb: Mapping[str, float], usable_gb: Mapping[str, float], generator: str) -> dict[str, float]:
    """Of a GPU, for each stage that runs on one: in proportion to memory, so that replicas that fit by fraction also
    fit by memory.

    `generator` gets over a half, so one replica a GPU: a decode step reads all weights once for its whole batch. A
    second replica would read them again and take turns with the first, so a large GPU gets more slots instead.
    """
    found = {
        stage: max(CODEC_ON_GPU, math.ceil(need / max(usable_gb[stage], 1e-9) * 100) / 100)
        for stage, need in gb.items()
    }
    if generator in found:
        rest = round(1 - sum(fraction for stage, fraction in found.items() if stage != generator), 2)
        found[generator] = 1.0 if rest == 1 else min(rest, max(found[generator], LM_ON_GPU))
    return found


@dataclass(frozen=True, slots=True)
class Need:
    """What one replica takes from a machine."""

    num_cpus: float
    num_gpus: float
    ram_gb: float


def held(machine: HardwareProfile, ram_gb: float, stage: str, needs: Mapping[str, Need]) -> int:
    """Replicas of a stage that fit beside one replica of each other stage (on each GPU, where those use GPUs)."""
    own = needs[stage]
    others = [need for name, need in needs.items() if name != stage]
    counts = [(machine.cpus - sum(n.num_cpus for n in others) + EPSILON) / own.num_cpus]
    if own.ram_gb > 0:
        counts.append((ram_gb - sum(n.ram_gb for n in others) + EPSILON) / own.ram_gb)
    if own.num_gpus > 0:
        share = min(1.0, sum(n.num_gpus for n in others))
        each = int((1 - share + EPSILON) / own.num_gpus) if own.num_gpus <= 1 else 0
        counts.append(machine.gpu_count * each if each else machine.gpu_count // own.num_gpus)
    return max(0, int(min(counts)))


def on_own_cores(machine: HardwareProfile, threads: int, count: int) -> int:
    """Of `count` replicas of text-to-semantic that would fit, those that leave `threads` cores to each.

    A decode step reads all weights once for its whole batch, so one replica on all cores with more slots comes before
    two on half of them. Measured on two cores (`python -m tests.bench.sharing`), two against one, frames/s in all:
    S1-mini in int8 0.47 times with 2 streams and 1.09 with 8; the tiny checkpoint, which has next to no weights, 1.45
    with 8. Whoever has such a checkpoint asks for them with `max_replicas`.
    """
    return min(count, max(1, usable_cores(machine)[0] // threads))


def place(
    machines: Sequence[HardwareProfile], replicas: Sequence[tuple[Need, frozenset[str]]], ram_gb: Mapping[str, float]
) -> bool:
    """Whether the scheduler could place all replicas, each with the nodes where it may not go, and the RAM of each node
    holds them: first fit, largest first; GPU fractions stay on one GPU."""
    ram = dict(ram_gb)
    cpus = {m.node: m.cpus for m in machines}
    gpus = {m.node: [1.0] * m.gpu_count for m in machines}
    for need, avoid in sorted(replicas, key=lambda r: (-r[0].num_gpus, -r[0].num_cpus)):
        for machine in machines:
            node = machine.node
            full = cpus[node] + EPSILON < need.num_cpus or ram[node] + EPSILON < need.ram_gb
            if node in avoid or full or not _take(gpus[node], need.num_gpus):
                continue
            cpus[node] -= need.num_cpus
            ram[node] -= need.ram_gb
            break
        else:
            return False
    return True


def _take(gpus: list[float], amount: float) -> bool:
    if amount <= 0:
        return True
    if amount > 1:
        free = [i for i, left in enumerate(gpus) if left > 1 - EPSILON][: math.ceil(amount)]
        if len(free) < amount:
            return False
        for index in free:
            gpus[index] = 0.0
        return True
    for index, left in enumerate(gpus):
        if left + EPSILON >= amount:
            gpus[index] = left - amount
            return True
    return False
