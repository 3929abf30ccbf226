"""Which machines run a stage, and on which device: where it fits. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cluster.machine.profile import HardwareProfile
from cluster.planning import shares
from cluster.planning.abilities import has_device
from cluster.planning.fitting import Fit, Fitter, open_streams, usable_gb
from cluster.planning.footprints import GB
from cluster.planning.plan import PlanError
from cluster.planning.stages import LM
from cluster.planning.tiers import Tier, matching


@dataclass(frozen=True, slots=True)
class Sizing:
    """Machines that run text-to-semantic, sized for the weakest. `fit` holds it and the stages on its device."""

    tier: Tier
    machines: tuple[HardwareProfile, ...]
    fit: Fit
    capacity: float


class _Able(NamedTuple):
    """A machine that holds text-to-semantic under a tier; sorts from the strongest to the weakest."""

    rank: int
    weakness: float
    machine: HardwareProfile
    tier: Tier
    comfortable: bool


class Sizer:
    """Chooses machines by what fits on each, and on several together."""

    def __init__(self, fitter: Fitter, tier: str) -> None:
        """`tier` is a row of tiers.yaml to follow, or "auto"."""
        self.fitter, self.tier = fitter, tier
        self.locks = fitter.locks

    def text_to_semantic(self, machines: Sequence[HardwareProfile], notes: list[str]) -> Sizing:
        """The machines that run text-to-semantic. `notes` gets a sentence for each row that had to be passed over.

        Of the machines with the strongest device, as many of the best as give the most in sum, each sized like the
        weakest of them: the scheduler cannot tell them apart. A machine that must give something up runs only where
        all must.
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
                found = self.fitter.fit(tier, [machine])
                if isinstance(found, Fit):
                    weakness = -_power(tier.device, machine)
                    able.append(_Able(rank, weakness, machine, tier, not found.given_up))
                    break
                shortages.append(self._shortage(machine, tier, found))
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
        same = [each for each in same if each.comfortable] or same
        return max(filter(None, (self._group(same[: n + 1]) for n in range(len(same)))), key=lambda s: s.capacity)

    def _shortage(self, machine: HardwareProfile, tier: Tier, least_gb: float) -> str:
        kind = "VRAM" if tier.device == "cuda" else "RAM"
        who = "text_to_semantic alone needs" if self.fitter.beside(tier.device)[-1] == () else "the stages need"
        if len(machine.gpus) > 1 and tier.device == "cuda":
            who += " of every GPU there; hide the small one with CUDA_VISIBLE_DEVICES"
        return (
            f"not {tier.device}: {usable_gb(tier.device, tier.margin_gb, [machine]):.1f} GB usable {kind} on "
            f"{machine.hostname} is under the {least_gb:.1f} GB that {who}"
        )

    def _host_shortage(self, machine: HardwareProfile, tier: Tier) -> str | None:
        """A CUDA process takes RAM too: one a GPU for text-to-semantic, and two for the codec."""
        need = (machine.gpu_count + 2) * self.fitter.footprints.cuda_host_gb
        free = usable_gb("cpu", tier.margin_gb, [machine])
        if tier.device != "cuda" or need <= free:
            return None
        return f"not cuda: {free:.1f} GB usable RAM on {machine.hostname} is under the {need:.1f} GB of its processes"

    def _group(self, able: Sequence[_Able]) -> Sizing | None:
        tier, machines = able[-1].tier, tuple(each.machine for each in able)
        found = self.fitter.fit(tier, machines)
        if not isinstance(found, Fit):
            return None
        if tier.device == "cuda":
            capacity: float = found.choices[LM].slots * sum(m.gpu_count for m in machines)
        else:
            capacity = len(machines) * min(_power(tier.device, m) for m in machines)
        return Sizing(tier, machines, found, capacity)

    def elsewhere(
        self, stages: Sequence[str], device: str, sizing: Sizing, machines: Sequence[HardwareProfile]
    ) -> tuple[Fit, tuple[HardwareProfile, ...]]:
        """Codec stages that do not share the device of text-to-semantic, together on another, and their machines."""
        hosts = [m for m in machines if has_device(m, device)]
        hosts.sort(key=lambda m: -_power(device, m))
        able: list[HardwareProfile] = []
        best: tuple[float, Fit, tuple[HardwareProfile, ...]] | None = None
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
    ) -> Fit | None:
        reserved = 0.0 if device == "cuda" else max(self._reserved(m, sizing) for m in hosts)
        streams = open_streams(sizing.tier.device, sizing.machines, sizing.fit.choices[LM].slots)
        return self.fitter.codec(stages, device, sizing.tier, hosts, reserved, streams)

    def _reserved(self, machine: HardwareProfile, sizing: Sizing) -> float:
        """GB of RAM that the stages on the device of text-to-semantic take on a machine."""
        if machine not in sizing.machines:
            return 0.0
        host_gb = self.fitter.footprints.host_gb
        each = {s: host_gb(c.device, c.gb) for s, c in sizing.fit.choices.items()}
        return sum(each.values()) + (feeds(sizing, machine) - 1) * each[LM]


def feeds(sizing: Sizing, machine: HardwareProfile) -> int:
    """Replicas of text-to-semantic that a machine starts with: one a GPU, or one."""
    if machine not in sizing.machines:
        return 0
    return machine.gpu_count if sizing.tier.device == "cuda" else 1


def _power(device: str, machine: HardwareProfile) -> float:
    if device == "cuda":
        return min(gpu.vram_free for gpu in machine.gpus) / GB
    return shares.usable_cores(machine)[1]
