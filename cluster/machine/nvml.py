"""The NVIDIA driver's library NVML: opening it, or the reason why not, and what it tells of the visible GPUs."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import psutil

DRIVER_BYTES = 2**30  # a driver alone holds less

# Bits of nvmlDeviceGetCurrentClocksThrottleReasons (nvml.h) that slow a GPU down which has work, and their names.
THROTTLES = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal slowdown by the driver",
    0x40: "thermal slowdown by the hardware",
    0x80: "power brake",
}
HEAT = {THROTTLES[0x20], THROTTLES[0x40]}


class NvmlError(RuntimeError):
    """NVML cannot be used; the message names the package or the part of the driver that is missing."""


def connect() -> ModuleType:
    """The pynvml module, initialised; its caller calls `nvmlShutdown`. Raises NvmlError."""
    try:
        import pynvml
    except ImportError:
        raise NvmlError("the package nvidia-ml-py is not installed: pip install nvidia-ml-py") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NvmlError(_reason(pynvml, error)) from None
    library: ModuleType = pynvml
    return library


def _reason(pynvml: ModuleType, error: Exception) -> str:
    if isinstance(error, pynvml.NVMLError_LibraryNotFound):
        return "the NVIDIA driver is not installed (its library libnvidia-ml was not found)"
    if isinstance(error, pynvml.NVMLError_DriverNotLoaded):
        return "the NVIDIA driver is installed but its kernel module is not loaded"
    if isinstance(error, pynvml.NVMLError_LibRmVersionMismatch):
        return "the NVIDIA driver was updated without a reboot: its library and kernel module differ in version"
    if isinstance(error, pynvml.NVMLError_NoPermission):
        return "no permission to talk to the NVIDIA driver: give the container or user access to /dev/nvidia*"
    return f"the NVIDIA driver did not answer: {error}"


def visible(pynvml: ModuleType) -> tuple[dict[int, Any], list[str]]:
    """Handles of the GPUs that CUDA_VISIBLE_DEVICES shows, by index in NVML's order, and why others are missing.
    Raises pynvml.NVMLError where none can be listed."""
    shown, count = os.environ.get("CUDA_VISIBLE_DEVICES"), pynvml.nvmlDeviceGetCount()
    found, problems = {}, []
    for index in range(count):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            if is_visible(index, text(pynvml.nvmlDeviceGetUUID(handle)), shown):
                found[index] = handle
        except pynvml.NVMLError as error:
            problems.append(broken(index, error))
    if shown and count and not (found or problems):
        problems.append(f"CUDA_VISIBLE_DEVICES={shown} shows no whole GPU of this machine: slices by MIG are not used")
    return found, problems


def broken(index: int, error: Exception) -> str:
    """The sentence about a GPU that answers with an error."""
    return f"GPU {index} does not answer the NVIDIA driver ({error}): check it with nvidia-smi"


def held(pynvml: ModuleType, handle: Any, title: str) -> int | None:
    """Bytes of a GPU's memory that processes hold whose command line starts with `title`; None where the driver does
    not tell (Windows, some containers) or means processes that this container cannot see. Raises pynvml.NVMLError."""
    bytes_held = 0
    running = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    if not running and pynvml.nvmlDeviceGetMemoryInfo(handle).used > DRIVER_BYTES:
        return None
    for process in running:
        try:
            ours = " ".join(psutil.Process(process.pid).cmdline()).startswith(title)
        except psutil.AccessDenied:
            ours = False
        except psutil.NoSuchProcess:
            return None
        if ours and process.usedGpuMemory is None:
            return None
        bytes_held += process.usedGpuMemory if ours else 0
    return bytes_held


def temperature(pynvml: ModuleType, handle: Any) -> float:
    """Degrees Celsius of a GPU's core. Raises pynvml.NVMLError."""
    return float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))


def throttled(pynvml: ModuleType, handle: Any) -> tuple[str, ...]:
    """Why a GPU's clocks are held down now, in words. Raises pynvml.NVMLError."""
    bits = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)  # the name that drivers before 535 know too
    return tuple(name for bit, name in THROTTLES.items() if bits & bit)


def driver_version(pynvml: ModuleType) -> str | None:
    """The driver's version, such as "580.82.07"; None where NVML does not tell."""
    try:
        return text(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None


def is_sliced(pynvml: ModuleType, handle: Any) -> bool:
    """Whether MIG divides the GPU."""
    try:
        return bool(pynvml.nvmlDeviceGetMigMode(handle)[0] == pynvml.NVML_DEVICE_MIG_ENABLE)
    except pynvml.NVMLError:
        return False


def is_visible(index: int, uuid: str, shown: str | None) -> bool:
    """Whether CUDA_VISIBLE_DEVICES lets a GPU be seen: unset shows all; else indices or beginnings of UUIDs."""
    if shown is None:
        return True
    named = [part.strip() for part in shown.split(",") if part.strip()]
    return any(part == str(index) or (part.startswith("GPU-") and uuid.startswith(part)) for part in named)


def text(value: str | bytes) -> str:
    """NVML's strings are bytes in older packages."""
    return value if isinstance(value, str) else value.decode()
