"""Which machines run a stage, on which device, and how large: memory decides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cluster.machine import memory
from cluster.machine.profile import HardwareProfile
from cluster.planning import shares
from cluster.planning.abilities import can_hold, can_quantize, has_device
from cluster.planning.footprints import GB, Footprints
from cluster.planning.overrides import StageOverride
from cluster.planning.plan import PlanError, StageBounds
from cluster.planning.stages import DECODER, ENCODER, LM
from cluster.planning.tiers import Tier, matching

FEW_SLOTS = 4  # fewer are taken only where nothing else fits
CPU_CODEC_BATCH = 8


class Choice(NamedTuple):
    """How one stage runs. `gb` is a replica's memory on its device."""

    device: str
    precision: str
    quantization: str
    slots: int
    gb: float


@dataclass(frozen=True, slots=True)
class Sizing:
    """Machines that run text-to-semantic, sized for the weakest. `choices` holds it and the stages on its device."""

    tier: Tier
    machines: tuple[HardwareProfile, ...]
    choices: Mapping[str, Choice]
    capacity: float


class _Able(NamedTuple):
    """A machine that holds text-to-semantic under a tier; sorts from the strongest to the weakest."""

    rank: int
    weakness: float
    machine: HardwareProfile
    tier: Tier


class Sizer:
    """Asks one question in many variants: what fits here? Holds what does not change between them."""

    def __init__(
        self,
        footprints: Footprints,
        wanted: Mapping[str, StageOverride],
        bounds: Mapping[str, StageBounds],
        locks: Mapping[str, str],
        tier: str,
    ) -> None:
        self.footprints = footprints
        self.wanted = wanted
        self.bounds = bounds
        self.locks = locks
        self.tier = tier

    def choice(
        self,
        stage: str,
        device: str,
        tier: Tier,
        machines: Sequence[HardwareProfile],
        quantization: str,
        slots: int,
        streams: int = 0,
    ) -> Choice:
        """A stage on a device with so many slots; a person's own decisions win."""
        wanted = self.wanted[stage]
        order = getattr(tier.precision, stage)
        able = [p for p in (*order, "fp32") if all(can_hold(device, p, m) for m in machines)]
        precision = wanted.precision or able[0]
        slots = wanted.slots or slots
        voices = tier.prefix_cache_voices
        need = self.footprints.stage_gb(stage, device, precision, quantization, slots, voices, streams)
        gb = wanted.memory_gb or need
        return Choice(device, precision, quantization, slots, gb)

    def fit(self, tier: Tier, machines: Sequence[HardwareProfile]) -> dict[str, Choice] | float:
        """Choices of text-to-semantic and of the codec stages beside it; or the least GB needed, where none fits.

        Tried in the order of what costs least: all stages on the device before fewer, the tier's first quantisation
        before its next, wide batches before narrow ones; but fewer than FEW_SLOTS only when nothing else fits.
        """
        least = math.inf
        widest = self._widest(LM, tier)
        for floor in (min(FEW_SLOTS, widest), 1):
            for quantization in self._quantizations(tier, machines):
                for beside in self._beside(tier.device):
                    for slots in _halving(widest, widest if self.wanted[LM].slots else floor):
                        found = {LM: self.choice(LM, tier.device, tier, machines, quantization, slots)}
                        for stage in beside:
                            width = min(slots, self._widest(stage, tier))
                            streams = open_streams(tier.device, machines, found[LM].slots)
                            found[stage] = self.choice(stage, tier.device, tier, machines, "none", width, streams)
                        need = sum(c.gb for c in found.values())
                        least = min(least, need)
                        if need <= usable_gb(tier.device, tier.margin_gb, machines):
                            return found
        return least

    def _widest(self, stage: str, tier: Tier) -> int:
        """The most slots that a stage may have."""
        prescribed: int = getattr(tier.slots, stage)
        bound = self.bounds.get(stage, StageBounds()).slots or prescribed
        return self.wanted[stage].slots or min(prescribed, bound)

    def _quantizations(self, tier: Tier, machines: Sequence[HardwareProfile]) -> tuple[str, ...]:
        if self.wanted[LM].quantization:
            return (self.wanted[LM].quantization,)
        able = [q for q in tier.quantization if all(can_quantize(q, tier.device, m) for m in machines)]
        return tuple(able) or ("none",)

    def _beside(self, device: str) -> list[tuple[str, ...]]:
        """Codec stages that share the LM's device, in the order of preference."""
        forced = tuple(s for s in (ENCODER, DECODER) if self.locks[s] == device)
        free = tuple(s for s in (ENCODER, DECODER) if self.locks[s] == "auto")
        if device != "cuda":  # one memory for all: what may be here is here
            return [forced + free]
        return [forced + free] + ([(*forced, DECODER)] if len(free) == 2 else []) + ([forced] if free else [])

    def text_to_semantic(self, machines: Sequence[HardwareProfile], notes: list[str]) -> Sizing:
        """The machines that run text-to-semantic. `notes` gets a sentence for each row that had to be passed over.

        Of the machines with the strongest device, as many of the best as give the most in sum, each sized like the
        weakest of them: the scheduler cannot tell them apart.
        """
        able: list[_Able] = []
        shortages = []
        for machine in machines:
            for rank, tier in matching(machine, self.tier):
                if self.locks[LM] not in ("auto", tier.device) or not has_device(machine, tier.device):
                    continue
                if shortage := self._host_shortage(machine, tier):
                    shortages.append(shortage)
                    continue
                found = self.fit(tier, [machine])
                if isinstance(found, dict):
                    able.append(_Able(rank, -_power(tier.device, machine), machine, tier))
                    break
                kind = "VRAM" if tier.device == "cuda" else "RAM"
                who = "text_to_semantic alone needs" if self._beside(tier.device)[-1] == () else "the stages need"
                if len(machine.gpus) > 1 and tier.device == "cuda":
                    who += " of every GPU there; hide the small one with CUDA_VISIBLE_DEVICES"
                shortages.append(
                    f"not {tier.device}: {usable_gb(tier.device, tier.margin_gb, [machine]):.1f} GB usable {kind} on "
                    f"{machine.hostname} is under the {found:.1f} GB that {who}"
                )
        if not able and not shortages:
            raise PlanError(
                f"tier {self.tier} is for another device than these machines have or text_to_semantic is locked to: "
                "leave the tier to auto"
            )
        if not able:
            raise PlanError(
                "; ".join(dict.fromkeys(shortages))
                + ": free memory, use a larger machine or a smaller checkpoint"
                + ("" if self.locks[LM] == "auto" else ", or leave the device to auto")
            )
        notes += shortages
        able.sort(key=lambda a: a[:2])
        same = [each for each in able if each.tier.device == able[0].tier.device]
        return max(filter(None, (self._group(same[: n + 1]) for n in range(len(same)))), key=lambda s: s.capacity)

    def _host_shortage(self, machine: HardwareProfile, tier: Tier) -> str | None:
        """A CUDA process takes RAM too: one a GPU for the LM, and two for the codec."""
        need = (machine.gpu_count + 2) * self.footprints.cuda_host_gb
        free = usable_gb("cpu", tier.margin_gb, [machine])
        if tier.device != "cuda" or need <= free:
            return None
        return f"not cuda: {free:.1f} GB usable RAM on {machine.hostname} is under the {need:.1f} GB of its processes"

    def _group(self, able: Sequence[_Able]) -> Sizing | None:
        tier, machines = able[-1].tier, tuple(each.machine for each in able)
        found = self.fit(tier, machines)
        if not isinstance(found, dict):
            return None
        if tier.device == "cuda":
            capacity: float = found[LM].slots * sum(m.gpu_count for m in machines)
        else:
            capacity = len(machines) * min(_power(tier.device, m) for m in machines)
        return Sizing(tier, machines, found, capacity)

    def elsewhere(
        self, stages: Sequence[str], device: str, sizing: Sizing, machines: Sequence[HardwareProfile]
    ) -> tuple[dict[str, Choice], tuple[HardwareProfile, ...]]:
        """Codec stages that do not share the LM's device, together on another: their choices and their machines."""
        hosts = [m for m in machines if has_device(m, device)]
        hosts.sort(key=lambda m: -_power(device, m))
        able: list[HardwareProfile] = []
        best: tuple[float, dict[str, Choice], tuple[HardwareProfile, ...]] | None = None
        for host in hosts:
            if not self._together(stages, device, sizing, (host,)):
                continue
            able.append(host)
            found = self._together(stages, device, sizing, tuple(able))
            capacity = len(able) * _power(device, host)
            if found and (best is None or capacity > best[0]):
                best = capacity, found, tuple(able)
        if best is None:
            raise PlanError(
                f"{' and '.join(stages)} do not fit on {device} of any machine beside what else runs there: use a "
                "machine with more memory, or a smaller checkpoint"
            )
        return best[1], best[2]

    def _together(
        self, stages: Sequence[str], device: str, sizing: Sizing, hosts: tuple[HardwareProfile, ...]
    ) -> dict[str, Choice] | None:
        free = usable_gb(device, sizing.tier.margin_gb, hosts)
        if device != "cuda":
            free -= max(self._reserved(m, sizing) for m in hosts)
        widths = {s: min(self._widest(s, sizing.tier), CPU_CODEC_BATCH if device == "cpu" else 64) for s in stages}
        streams = open_streams(sizing.tier.device, sizing.machines, sizing.choices[LM].slots)
        for slots in _halving(max(widths.values()), 1):
            found = {
                s: self.choice(s, device, sizing.tier, hosts, "none", min(slots, widths[s]), streams) for s in stages
            }
            if sum(c.gb for c in found.values()) <= free:
                return found
        return None

    def _reserved(self, machine: HardwareProfile, sizing: Sizing) -> float:
        """GB of RAM that the stages on the LM's device take on a machine."""
        if machine not in sizing.machines:
            return 0.0
        each = {s: self.footprints.host_gb(c.device, c.gb) for s, c in sizing.choices.items()}
        return sum(each.values()) + (feeds(sizing, machine) - 1) * each[LM]


def feeds(sizing: Sizing, machine: HardwareProfile) -> int:
    """Replicas of text-to-semantic that a machine starts with: one a GPU, or one."""
    if machine not in sizing.machines:
        return 0
    return machine.gpu_count if sizing.tier.device == "cuda" else 1


def open_streams(device: str, machines: Sequence[HardwareProfile], slots: int) -> int:
    """Streams that a decoder must be able to hold: those of every text-to-semantic replica, and as many waiting."""
    return 2 * slots * sum(m.gpu_count if device == "cuda" else 1 for m in machines)


def usable_gb(device: str, margin_gb: float, machines: Sequence[HardwareProfile]) -> float:
    """Free memory of the weakest, less the margin; of RAM, less what Ray keeps free where that is more."""
    if device == "cuda":
        left = min(gpu.vram_free for m in machines for gpu in m.gpus) / GB - margin_gb
    else:
        left = min(m.ram_available / GB - max(margin_gb, memory.RAYS * m.ram_total / GB) for m in machines)
    return max(0.0, left)


def _power(device: str, machine: HardwareProfile) -> float:
    if device == "cuda":
        return min(gpu.vram_free for gpu in machine.gpus) / GB
    return shares.usable_cores(machine)[1]


def _halving(widest: int, floor: int) -> list[int]:
    found = [widest]
    while found[-1] // 2 >= max(1, floor):
        found.append(found[-1] // 2)
    return found
