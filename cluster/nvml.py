"""The NVIDIA driver's library: opened, or the reason why not; and which GPUs this process may see."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any


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
    return pynvml


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


def visible(pynvml: ModuleType) -> list[tuple[int, Any]]:
    """(index, handle) of each GPU that CUDA_VISIBLE_DEVICES shows, in NVML's order. Raises pynvml.NVMLError."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = [(i, pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(pynvml.nvmlDeviceGetCount())]
    return [(i, handle) for i, handle in found if is_visible(i, text(pynvml.nvmlDeviceGetUUID(handle)), shown)]


def is_visible(index: int, uuid: str, shown: str | None) -> bool:
    """Whether CUDA_VISIBLE_DEVICES lets a GPU be seen: unset shows all; else indices or beginnings of UUIDs."""
    if shown is None:
        return True
    named = [part.strip() for part in shown.split(",") if part.strip()]
    return any(part == str(index) or (part.startswith("GPU-") and uuid.startswith(part)) for part in named)


def text(value: str | bytes) -> str:
    """NVML's strings are bytes in older packages."""
    return value if isinstance(value, str) else value.decode()
