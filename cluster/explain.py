"""The rules behind a plan's smaller decisions, each as a sentence for a person."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.profile import HardwareProfile
from cluster.shares import Share, usable_cores
from cluster.sizing import LM, Choice
from cluster.tiers import Tier

PRECISION = {
    ("cuda", "bf16"): "compute capability 8.0 or above",
    ("cuda", "fp16"): "before compute capability 8.0",
    ("mps", "fp16"): "the rule on MPS",
    ("cpu", "bf16"): "the CPU has BF16 instructions",
}


def without_cuda(machines: Sequence[HardwareProfile]) -> list[str]:
    """Why machines that could have an NVIDIA GPU offer none."""
    found = []
    for machine in machines:
        problems = [f"{gpu.name}: {gpu.problem}" for gpu in machine.gpus if gpu.problem]
        if problems:
            found.append(f"no cuda on {machine.hostname}: {problems[0]}")
        elif machine.gpus and machine.gpu_count == 0:
            found.append(f"no cuda on {machine.hostname}: Ray gives out no GPU there; start it with --num-gpus")
        elif not machine.gpus and machine.nvml_error and machine.os != "macos":
            found.append(f"no cuda on {machine.hostname}: {machine.nvml_error}")
    return found


def compiles(stage: str, choice: Choice, hosts: Sequence[HardwareProfile], tier: Tier) -> tuple[bool, str]:
    """H6: on for NVIDIA under Linux and WSL2, where Triton is."""
    if choice.device == "mps":
        return False, "it hangs on MPS"
    if choice.device == "cpu":
        return False, "on a CPU only where measured faster"
    if any(machine.os == "windows" for machine in hosts):
        return False, "native Windows has no Triton; WSL2 has"
    if any(gpu.compute_capability < (7, 0) for machine in hosts for gpu in machine.gpus):
        return False, "Triton needs compute capability 7.0"
    if stage not in tier.compile:
        return False, "the codec is a few large convolutions, of changing lengths"
    return True, "NVIDIA GPU with Triton"


def precision(choice: Choice) -> list[str]:
    fallback = "full precision is exact, or the device has nothing faster"
    return [f"{choice.precision}: {PRECISION.get((choice.device, choice.precision), fallback)}"]


def quantization(stage: str, choice: Choice) -> list[str]:
    if stage != LM:
        return []
    if choice.quantization == "int8":
        why = "a decode step is bound by reading weights" if choice.device == "cpu" else "so that it fits"
        return [f"int8: {why}"]
    if choice.device == "mps":
        return ["no quantization: int8 on MPS falls back to the CPU, 40x slower"]
    return ["no quantization: the tier asks for none, and it fits"]


def threads(share: Share, choice: Choice, hosts: Sequence[HardwareProfile]) -> str:
    if choice.device != "cpu":
        return f"threads {share.threads}: it only feeds the {choice.device}"
    cores, fast = usable_cores(hosts[-1])
    kind = f"{cores} physical cores" if fast == cores else f"{fast} performance and {cores - fast} efficiency cores"
    return f"threads {share.threads}, {share.num_cpus:g} CPUs: its share of {kind}"
