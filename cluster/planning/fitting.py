"""What fits into the memory of some machines: precision, quantisation and slots of the stages on one device. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cluster.machine import memory
from cluster.machine.profile import HardwareProfile
from cluster.planning.abilities import can_hold, can_quantize
from cluster.planning.footprints import GB, Footprints, Room
from cluster.planning.overrides import StageOverride
from cluster.planning.plan import StageBounds
from cluster.planning.stages import DECODER, ENCODER, LM
from cluster.planning.tiers import Tier

FEW_SLOTS = 4  # fewer are taken only where nothing else fits
CPU_CODEC_BATCH = 8
LEAST_MARGIN_GB = memory.MARGIN / GB  # of RAM, while a sleeping encoder is awake


class Choice(NamedTuple):
    """How one stage runs. `gb` is a replica's memory on its device."""

    device: str
    precision: str
    quantization: str
    slots: int
    gb: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Stages that fit on a device together, and in words what was given up for it. Where they fit only without the
    reference-encoder, it is `asleep` while no voice is encoded."""

    choices: dict[str, Choice]
    given_up: tuple[str, ...] = ()
    asleep: bool = False


class _Attempt(NamedTuple):
    quantization: str
    beside: tuple[str, ...]  # codec stages on the device of text-to-semantic
    slots: int
    asleep: bool = False


@dataclass(frozen=True, slots=True)
class Fitter:
    """Asks one question in many variants: what fits here? Holds what does not change between them."""

    footprints: Footprints
    wanted: Mapping[str, StageOverride]
    bounds: Mapping[str, StageBounds]
    locks: Mapping[str, str]

    def fit(self, tier: Tier, machines: Sequence[HardwareProfile]) -> Fit | float:
        """Text-to-semantic and the codec stages beside it; or the least usable GB needed, where nothing fits."""
        usable, missing = usable_gb(tier.device, tier.margin_gb, machines), math.inf
        for attempt in self._attempts(tier, machines):
            lm = self._choice(LM, tier.device, tier, machines, attempt.quantization, attempt.slots)
            choices = {LM: lm}
            for stage in attempt.beside:
                width = min(attempt.slots, self._widest(stage, tier))
                streams = open_streams(tier.device, machines, lm.slots)
                choices[stage] = self._choice(stage, tier.device, tier, machines, "none", width, streams)
            short = _short_gb(choices, attempt.asleep, tier, machines)
            if short <= 0:
                return Fit(choices, self._given_up(attempt, tier, machines), attempt.asleep)
            missing = min(missing, short)
        return usable + missing

    def codec(
        self,
        stages: Sequence[str],
        device: str,
        tier: Tier,
        hosts: Sequence[HardwareProfile],
        reserved_gb: float,
        streams: int,
    ) -> Fit | None:
        """Codec stages by themselves, beside `reserved_gb` that other stages take there."""
        widths = {s: min(self._widest(s, tier), CPU_CODEC_BATCH if device == "cpu" else 64) for s in stages}
        for asleep in (False, True) if self._may_sleep(stages, device) else (False,):
            for slots in _halving(max(widths.values()), 1):
                choices = {
                    s: self._choice(s, device, tier, hosts, "none", min(slots, widths[s]), streams) for s in stages
                }
                if _short_gb(choices, asleep, tier, hosts, reserved_gb) <= 0:
                    return Fit(choices, (SLEEPS,) if asleep else (), asleep)
        return None

    def beside(self, device: str) -> list[tuple[str, ...]]:
        """Codec stages that share the device of text-to-semantic, in the order of preference."""
        forced = tuple(s for s in (ENCODER, DECODER) if self.locks[s] == device)
        free = tuple(s for s in (ENCODER, DECODER) if self.locks[s] == "auto")
        if device != "cuda":  # one memory for all: what may be here is here
            return [forced + free]
        return [forced + free] + ([(*forced, DECODER)] if len(free) == 2 else []) + ([forced] if free else [])

    def _attempts(self, tier: Tier, machines: Sequence[HardwareProfile]) -> Iterator[_Attempt]:
        """In the order of what costs least: all stages on the device before fewer, the tier's first quantisation before
        its next, wide batches before narrow ones. Then, in RAM, what is given up only where nothing else fits: more
        than one stream at a time, the exactness of int8, an encoder that is always there."""
        fixed, widest = self.wanted[LM].slots, self._widest(LM, tier)
        usual = self._quantizations(tier, machines)
        for floor in (min(FEW_SLOTS, widest), 1):
            for quantization in usual:
                for beside in self.beside(tier.device):
                    for slots in _halving(widest, widest if fixed else floor):
                        yield _Attempt(quantization, beside, slots)
        if tier.device == "cuda":
            return
        (beside,) = self.beside(tier.device)
        smaller = self._smaller(usual, tier, machines)
        yield from (_Attempt(quantization, beside, fixed or 1) for quantization in smaller)
        if self._may_sleep(beside, tier.device):
            yield from (_Attempt(quantization, beside, fixed or 1, True) for quantization in (usual[0], *smaller))

    def _choice(
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
        precision, slots = wanted.precision or able[0], wanted.slots or slots
        room = Room(slots, tier.prefix_cache_voices, streams, wanted.max_positions)
        gb = wanted.memory_gb or self.footprints.stage_gb(stage, device, precision, quantization, room)
        return Choice(device, precision, quantization, slots, gb)

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

    def _smaller(self, usual: Sequence[str], tier: Tier, machines: Sequence[HardwareProfile]) -> tuple[str, ...]:
        """int4, where it may run and nobody chose a quantisation."""
        able = all(can_quantize("int4", tier.device, m) for m in machines)
        return ("int4",) if able and "int4" not in usual and not self.wanted[LM].quantization else ()

    def _may_sleep(self, stages: Sequence[str], device: str) -> bool:
        """Whether the encoder is among these stages, in RAM, and nobody said how many replicas it has."""
        wanted = self.wanted[ENCODER]
        free = wanted.min_replicas is None and wanted.initial_replicas is None
        return ENCODER in stages and len(stages) > 1 and device != "cuda" and free

    def _given_up(self, attempt: _Attempt, tier: Tier, machines: Sequence[HardwareProfile]) -> tuple[str, ...]:
        found = []
        if attempt.slots < min(FEW_SLOTS, self._widest(LM, tier)):
            found.append(f"{attempt.slots} {'stream' if attempt.slots == 1 else 'streams'} at a time")
        if attempt.quantization not in self._quantizations(tier, machines):
            found.append(f"{attempt.quantization} weights, which are less exact")
        return (*found, *((SLEEPS,) if attempt.asleep else ()))


SLEEPS = "a reference-encoder that sleeps while no voice is encoded"


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


def _short_gb(
    choices: Mapping[str, Choice],
    asleep: bool,
    tier: Tier,
    machines: Sequence[HardwareProfile],
    reserved_gb: float = 0.0,
) -> float:
    """GB that stages on one device lack there; not above 0 where they fit. With a sleeping encoder they must fit twice:
    without it, and with it into part of the margin."""
    (device,) = {choice.device for choice in choices.values()}
    need = reserved_gb + sum(choice.gb for choice in choices.values())
    if not asleep:
        return need - usable_gb(device, tier.margin_gb, machines)
    resting = need - choices[ENCODER].gb - usable_gb(device, tier.margin_gb, machines)
    return max(resting, need - usable_gb(device, LEAST_MARGIN_GB, machines))


def _halving(widest: int, floor: int) -> list[int]:
    found = [widest]
    while found[-1] // 2 >= max(1, floor):
        found.append(found[-1] // 2)
    return found
