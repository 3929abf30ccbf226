"""The rules behind a plan's smaller decisions, each as a sentence for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.machine.profile import HardwareProfile
from cluster.planning.fitting import Choice
from cluster.planning.overrides import REPLICAS
from cluster.planning.plan import StageBounds, StagePlan
from cluster.planning.shares import usable_cores
from cluster.planning.stages import LM
from cluster.planning.tiers import Tier

PRECISION = {
    ("cuda", "bf16"): "compute capability 8.0 or above",
    ("cuda", "fp16"): "before compute capability 8.0",
    ("mps", "fp16"): "the rule on MPS",
    ("cpu", "bf16"): "the CPU has BF16 instructions",
    ("cpu", "int16"): "the CPU has AVX2 alone, which multiplies int16 faster than fp32; closer to fp32 than bf16 is",
    ("cpu", "bf16x3"): "the CPU has AMX, which adds up three products of bf16 halves; fp32 but for the last bits",
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
    """Whether a stage is compiled, and why: on for NVIDIA GPUs under Linux and WSL2, where Triton runs."""
    if choice.device == "mps":
        return False, "it hangs on MPS"
    if choice.device == "cpu":
        return False, "on a CPU only where measured faster"
    if any(machine.os == "windows" for machine in hosts):
        return False, "native Windows has no Triton; WSL2 has"
    if any(gpu.compute_capability < (7, 0) for machine in hosts for gpu in machine.gpus):
        return False, "Triton needs compute capability 7.0"
    if stage not in tier.compile:
        return False, "the codec is a few large convolutions"
    return True, "NVIDIA GPU with Triton"


def whole(tier: Tier, machines: Sequence[HardwareProfile], spare: bool, named: bool) -> tuple[str, ...]:
    """The rules behind what the tier prescribes for the graph as a whole."""
    names = ", ".join(machine.hostname for machine in machines)
    hot = f" ({tier.text_limit_hot} when it throttles)" if tier.text_limit_hot else ""
    kept = f"{tier.reference_cache} encoded references, {tier.prefix_cache_voices} voices' prompts"
    return (
        f"tier {tier.name}: {'asked for' if named else 'the first row of tiers.yaml that matches'}, and fits {names}",
        f"text {tier.text_limit} characters{hot}: by tier; longer text is split, or cut where the request asks for it",
        f"segments of at most {tier.chunk_length} characters, blocks of {tier.first_block} to {tier.block} frames: a "
        "small one sounds early, large ones cost less",
        f"caches of {kept}: by tier",
        "redeployment starts new replicas before it stops old ones: the machines hold both"
        if spare
        else "redeployment stops old replicas before it starts new ones: the machines do not hold both",
    )


def scarce(given_up: Sequence[str], machines: Sequence[HardwareProfile]) -> str | None:
    """The warning about what was given up so that the stages fit into memory."""
    if not given_up:
        return None
    names = ", ".join(machine.hostname for machine in machines)
    ways = ", ".join(dict.fromkeys(given_up))
    return f"Memory is scarce on {names}, so it runs with {ways}. Close other programs for more."


def stage(
    name: str,
    plan: StagePlan,
    device: Sequence[str],
    compiled: str,
    hosts: Sequence[HardwareProfile],
    asked: Mapping[str, object],
    bounds: StageBounds,
) -> list[str]:
    """The rules behind one stage's plan: `device` and `compiled` say why it is where it is, and compiled or not;
    `asked` holds a person's own decisions, those of its `bounds` included."""
    away = f"not on {', '.join(plan.avoid_nodes)}: the stage is not sized for them"
    return [
        *device,
        f"{plan.precision}: {_precision(plan)}",
        *([_quantization(plan)] if name == LM else []),
        f"compile {'on' if plan.compile else 'off'}: {compiled}",
        f"threads {plan.threads}, {plan.num_cpus:g} CPUs: {_threads(plan, hosts)}",
        *([f"{plan.num_gpus:g} of a GPU: {_share(name)}"] if plan.num_gpus else []),
        f"slots {plan.slots}: one replica takes {plan.memory_gb:.1f} GB",
        f"replicas {plan.min_replicas} to {plan.max_replicas}: {_replicas(name, plan, asked)}",
        *([away] if plan.avoid_nodes else []),
        *([f"slots at most {bounds.slots}: max_batch_size of its config.yaml"] if plan.slots == bounds.slots else []),
        *(f"{field} {value}: set by {_author(field, bounds)}" for field, value in asked.items()),
    ]


def _author(field: str, bounds: StageBounds) -> str:
    """Where a person set a field of the plan."""
    grouped = (bounds.kind and field == "device") or (bounds.replicas and field in REPLICAS)
    return "instance_group of its config.yaml" if grouped else "its override"


def _precision(plan: StagePlan) -> str:
    return PRECISION.get((plan.device, plan.precision), "full precision is exact, or the device has nothing faster")


def _quantization(plan: StagePlan) -> str:
    if plan.quantization == "int8":
        return f"int8: {'a decode step is bound by reading weights' if plan.device == 'cpu' else 'so that it fits'}"
    if plan.quantization == "int4":
        return "int4: a decode step reads half of what it does in int8, and is less exact"
    if plan.device == "mps":
        return "no quantization: int8 on MPS falls back to the CPU, 40x slower"
    return "no quantization: the tier asks for none, and it fits"


def _threads(plan: StagePlan, hosts: Sequence[HardwareProfile]) -> str:
    if plan.device != "cpu":
        return f"it only feeds the {plan.device}"
    cores, fast = usable_cores(hosts[-1])
    if cores <= 2:
        return f"{cores} physical cores, on which the stages take turns"
    if fast == cores:
        return f"its share of {cores} physical cores, so that replicas side by side use no core twice"
    kept = "" if plan.cores == "all" else f"; it keeps to the {plan.cores} cores"
    return f"its share of {fast} performance and {cores - fast} efficiency cores{kept}"


def _replicas(stage: str, plan: StagePlan, asked: Mapping[str, object]) -> str:
    if stage != LM or plan.device != "cpu":
        return "what CPUs, GPUs and memory hold beside one of each other stage"
    if plan.per_node == 1:
        return (
            "one a machine, as its batch shares one reading of the weights; a second on the same cores would read them "
            "again, so it gets more slots instead"
        )
    if asked.get("max_replicas"):
        return f"asked for; {plan.per_node} on a machine read all weights each, and share its memory"
    return f"as memory holds them, and cores of their own ({plan.threads} each); they share a machine's memory"


def _share(stage: str) -> str:
    if stage == LM:
        return (
            "one replica a GPU, as its batch shares one reading of the weights; a second would read them again, so a "
            "large GPU gets more slots instead"
        )
    return "in proportion to its memory"
