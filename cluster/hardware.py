"""`detect()`: what this machine has. A thin shell around psutil, NVML, torch and the files that `probe` reads."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster import probe
from cluster.profile import Cpu, Gpu, HardwareProfile, ProfileError

__all__ = ["Cpu", "Gpu", "HardwareProfile", "ProfileError", "detect"]


def detect(node: str | None = None, own_processes: str | None = None) -> HardwareProfile:
    """This machine's profile, container limits respected; works without a GPU and without NVML.

    `node` is the id to carry (default: the host's name). Memory held by processes whose title starts with
    `own_processes` (such as "ray::ServeReplica:shoal:") counts as free: a redeployment takes it over.
    """
    system = _system()
    own = _own_processes(own_processes) if own_processes else {}
    apple, fanless = None, False
    if system == "macos":
        listing = subprocess.run(["sysctl", "-a"], capture_output=True, text=True, timeout=20).stdout
        found = probe.mac(listing)
        cpu, apple, fanless = found.cpu, found.apple, found.fanless
    elif system == "windows":
        cpu = _windows_cpu()
    else:
        cpu = probe.linux_cpu(
            _read("/proc/cpuinfo") or "",
            frozenset(os.sched_getaffinity(0)),
            probe.cpu_list(_read("/sys/devices/cpu_core/cpus") or ""),
        )
    limits = probe.cgroup_limits(_read("/proc/self/cgroup") or "", _read)
    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    if limits.memory is not None and limits.memory < total:
        total, available = limits.memory, min(available, max(0, limits.memory - (limits.memory_used or 0)))
    gpus, nvml_error = _gpus(own)
    host = socket.gethostname()
    return HardwareProfile(
        node=node or host,
        hostname=host,
        os=system,
        cpu=probe.limit_cores(cpu, limits.cpus),
        ram_total=total,
        ram_available=min(total, available + sum(own.values())),
        gpus=gpus,
        nvml_error=nvml_error,
        apple=apple,
        fanless=fanless,
    )


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return None


def _system() -> str:
    name = platform.system()
    if name == "Linux":
        return "wsl2" if probe.is_wsl2(_read("/proc/version") or "") else "linux"
    return {"Darwin": "macos", "Windows": "windows"}.get(name, "linux")


def _windows_cpu() -> Cpu:
    import winreg

    from torch.backends import cpu as torch_cpu

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
        model = winreg.QueryValueEx(key, "ProcessorNameString")[0].strip()
        vendor = winreg.QueryValueEx(key, "VendorIdentifier")[0].strip()
    sets = {"AVX2": ("avx2",), "AVX512": ("avx2", "avx512")}.get(torch_cpu.get_cpu_capability(), ())
    logical = psutil.cpu_count() or 1
    physical = min(logical, psutil.cpu_count(logical=False) or logical)
    return Cpu(probe.VENDORS.get(vendor, "unknown"), model, physical, physical, logical, sets)


def _own_processes(title: str) -> dict[int, int]:
    """Process id -> private memory in bytes (resident less shared, so that a mapped library counts once at most)."""
    held = {}
    for process in psutil.process_iter(["cmdline", "memory_info"]):
        line, memory = process.info["cmdline"], process.info["memory_info"]
        if line and memory and line[0].startswith(title):
            held[process.pid] = max(0, memory.rss - getattr(memory, "shared", 0))
    return held


def _gpus(own: dict[int, int]) -> tuple[tuple[Gpu, ...], str | None]:
    """GPUs in NVML's order, and why there are none where NVML did not answer."""
    try:
        import pynvml
    except ImportError:
        return (), "the package nvidia-ml-py is not installed: pip install nvidia-ml-py"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return (), _nvml_reason(pynvml, error)
    try:
        torch = _torch_cuda() if (count := pynvml.nvmlDeviceGetCount()) else None
        gpus = [_gpu(pynvml, index, own, torch) for index in range(count)]
        shown = os.environ.get("CUDA_VISIBLE_DEVICES")
        return tuple(gpu for gpu, uuid in gpus if is_visible(gpu.index, uuid, shown)), None
    except pynvml.NVMLError as error:
        return (), f"NVML failed while listing the GPUs ({error}): check the driver with nvidia-smi"
    finally:
        pynvml.nvmlShutdown()


def _nvml_reason(pynvml, error: Exception) -> str:
    if isinstance(error, pynvml.NVMLError_LibraryNotFound):
        return "the NVIDIA driver is not installed (its library libnvidia-ml was not found)"
    if isinstance(error, pynvml.NVMLError_DriverNotLoaded):
        return "the NVIDIA driver is installed but its kernel module is not loaded"
    if isinstance(error, pynvml.NVMLError_LibRmVersionMismatch):
        return "the NVIDIA driver was updated without a reboot: its library and kernel module differ in version"
    if isinstance(error, pynvml.NVMLError_NoPermission):
        return "no permission to talk to the NVIDIA driver: give the container or user access to /dev/nvidia*"
    return f"the NVIDIA driver did not answer: {error}"


def _gpu(pynvml, index: int, own: dict[int, int], torch: TorchCuda) -> tuple[Gpu, str]:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    name = pynvml.nvmlDeviceGetName(handle)
    capability = tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle))
    ours = 0
    if own:
        try:
            running = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
            ours = sum(p.usedGpuMemory or 0 for p in running if p.pid in own)
        except pynvml.NVMLError:
            ours = 0
    gpu = Gpu(
        index=index,
        name=_text(name),
        vram_total=memory.total,
        vram_free=min(memory.total, memory.free + ours),
        compute_capability=capability,
        problem=torch.problem(capability),
    )
    return gpu, _text(pynvml.nvmlDeviceGetUUID(handle))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def is_visible(index: int, uuid: str, shown: str | None) -> bool:
    """Whether CUDA_VISIBLE_DEVICES lets a GPU be seen: unset shows all; else indices or beginnings of UUIDs."""
    if shown is None:
        return True
    named = [part.strip() for part in shown.split(",") if part.strip()]
    return any(part == str(index) or (part.startswith("GPU-") and uuid.startswith(part)) for part in named)


@dataclass(frozen=True, slots=True)
class TorchCuda:
    """What the installed torch was built for: CUDA version and architectures ("sm_90", "compute_90")."""

    cuda: str | None
    architectures: tuple[str, ...]

    def problem(self, capability: tuple[int, int]) -> str | None:
        """Why this torch cannot run on a GPU of that compute capability, or None."""
        if self.cuda is None:
            return "the installed torch has no CUDA: install a CUDA build of torch"
        kernels = [(int(a[3:-1]), int(a[-1])) for a in self.architectures if a.startswith("sm_") and a[3:].isdigit()]
        # A cubin runs on its own major version from its minor version up; a newer GPU can compile the PTX at hand.
        if any(k[0] == capability[0] and k[1] <= capability[1] for k in kernels):
            return None
        ptx = [a for a in self.architectures if a.startswith("compute_")]
        if kernels and capability > max(kernels) and ptx:
            return None
        version = ".".join(map(str, capability))
        return (
            f"the installed torch (CUDA {self.cuda}) has no kernels for compute capability {version}: "
            "install a torch build whose CUDA version still supports this GPU"
        )


def _torch_cuda() -> TorchCuda:
    import torch

    # torch.cuda.get_arch_list() is empty in a process that has no visible GPU; the build's own list is not.
    read = getattr(torch._C, "_cuda_getArchFlags", lambda: None)
    return TorchCuda(torch.version.cuda, tuple((read() or "").split()))
