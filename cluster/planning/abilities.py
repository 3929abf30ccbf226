"""What a device can run: whether a machine has it, and which precisions and integer weights it computes in."""

from __future__ import annotations

from cluster.machine.profile import HardwareProfile

NATIVE = {"bf16x3": "AMX", "int16": "AVX2 and without AVX-512"}  # of the codec: CPUs that have kernels for it
CAN_HOLD = {"cpu": ("fp32", "bf16", "bf16x3", "int16"), "mps": ("fp32", "fp16"), "cuda": ("fp32", "fp16", "bf16")}


def has_device(machine: HardwareProfile, device: str) -> bool:
    """Whether a replica on this machine could use the device at all, whatever its size."""
    if machine.cpus <= 0:
        return False
    if device == "cuda":
        return machine.gpu_count > 0 and all(gpu.problem is None for gpu in machine.gpus)
    return device == "cpu" or (machine.os == "macos" and machine.apple is not None)


def can_hold(device: str, precision: str, machine: HardwareProfile) -> bool:
    """Whether a device can compute in a precision: bf16 needs CUDA compute 8.0 or a CPU with AVX512_BF16, AMX or ARM's
    BF16; fp16 needs CUDA or MPS."""
    if precision not in CAN_HOLD[device]:
        return False
    sets = set(machine.cpu.instruction_sets)
    if precision in NATIVE:
        return "amx" in sets if precision == "bf16x3" else "avx2" in sets and "avx512" not in sets
    if precision != "bf16":
        return True
    if device == "cuda":
        return all(gpu.compute_capability >= (8, 0) for gpu in machine.gpus)
    return bool({"bf16", "amx"} & sets)


def can_quantize(quantization: str, device: str, machine: HardwareProfile) -> bool:
    """Integer linears need AVX2 (VNNI is faster) or NEON on a CPU, and in int4 run nowhere else; on MPS int8 falls back
    to the CPU, 40x slower."""
    if quantization == "none" or (device, quantization) == ("cuda", "int8"):
        return True
    return device == "cpu" and bool({"avx2", "neon"} & set(machine.cpu.instruction_sets))
