"""`detect()` finds what this machine has: a thin shell around psutil, NVML, torch and the files that `probe` reads."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import psutil

from cluster.machine import nvml, probe
from cluster.machine.profile import Cpu, Gpu, HardwareProfile, InstructionSet, Os


def detect(node: str | None = None, own_processes: str | None = None) -> HardwareProfile:
    """This machine's profile, container limits respected; works without a GPU and without NVML.

    `node` is the id to carry (default: the host's name). Memory held by processes whose title starts with
    `own_processes` (such as "ray::ServeReplica:shoal:") counts as free, as a redeployment takes it over.
    """
    system = _system()
    own = _own_processes(own_processes) if own_processes else {}
    apple, fanless = None, False
    if system == "macos":
        found = _mac()
        cpu, apple, fanless = found.cpu, found.apple, found.fanless
    elif system == "windows":
        cpu = _windows_cpu()
    else:
        cpu = probe.linux_cpu(
            _read("/proc/cpuinfo") or "",
            frozenset(os.sched_getaffinity(0)),
            probe.cpu_list(_read("/sys/devices/cpu_core/cpus") or ""),
        )
    limits = cgroup_limits()
    total, available = memory(limits)
    gpus, nvml_error, driver = _gpus(own_processes if own else None)
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
        nvidia_driver=driver,
        torch=_torch_version(),
    )


def _torch_version() -> str | None:
    """The installed torch's, read from its metadata: importing it would take 0.4 GB."""
    with suppress(PackageNotFoundError):
        return version("torch")
    return None


def is_fanless() -> bool:
    """Whether this machine is cooled without a fan; only Macs tell."""
    return _system() == "macos" and _mac().fanless


def _mac() -> probe.Mac:
    return probe.mac(subprocess.run(["sysctl", "-a"], capture_output=True, text=True, timeout=20).stdout)


def cgroup_limits() -> probe.Limits:
    """What this process's control group allows; nothing is limited where there are no control groups."""
    return probe.cgroup_limits(_read("/proc/self/cgroup") or "", _read)


def memory(limits: probe.Limits) -> tuple[int, int]:
    """(total, available) bytes of RAM under `limits`."""
    host = psutil.virtual_memory()
    if limits.memory is None or limits.memory >= host.total:
        return host.total, host.available
    return limits.memory, min(host.available, max(0, limits.memory - (limits.memory_used or 0)))


def _read(path: str) -> str | None:
    try:
        with open(path, errors="replace") as file:  # without Path: the monitor reads twenty files every 100 ms
            return file.read()
    except OSError:
        return None


def _system() -> Os:
    name = platform.system()
    if name == "Darwin":
        return "macos"
    if name == "Windows":
        return "windows"
    return "wsl2" if probe.is_wsl2(_read("/proc/version") or "") else "linux"


def _windows_cpu() -> Cpu:
    from torch.backends import cpu as torch_cpu

    model, vendor = _windows_registry("ProcessorNameString"), _windows_registry("VendorIdentifier")
    by_name: dict[str, tuple[InstructionSet, ...]] = {"AVX2": ("avx2",), "AVX512": ("avx2", "avx512")}
    sets = by_name.get(torch_cpu.get_cpu_capability(), ())
    logical = psutil.cpu_count() or 1
    physical = min(logical, psutil.cpu_count(logical=False) or logical)
    return Cpu(probe.VENDORS.get(vendor, "unknown"), model, physical, physical, logical, sets)


def _windows_registry(name: str) -> str:
    """A value that Windows keeps of its first processor."""
    if sys.platform == "win32":
        import winreg

        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
            return str(winreg.QueryValueEx(key, name)[0]).strip()
    return "unknown"


def _own_processes(title: str) -> dict[int, int]:
    """Process id -> private memory in bytes (resident less shared, so that a mapped library counts once at most)."""
    held = {}
    for process in psutil.process_iter(["cmdline", "memory_info"]):
        line, memory = process.info["cmdline"], process.info["memory_info"]
        if line and memory and line[0].startswith(title):
            held[process.pid] = max(0, memory.rss - getattr(memory, "shared", 0))
    return held


def _gpus(own_processes: str | None) -> tuple[tuple[Gpu, ...], str | None, str | None]:
    """GPUs in NVML's order, why some are missing, and the driver's version; memory of `own_processes` is free."""
    try:
        pynvml = nvml.connect()
    except nvml.NvmlError as error:
        return (), str(error), None
    driver = nvml.driver_version(pynvml)
    try:
        visible, problems = nvml.visible(pynvml)
        if not visible:  # and torch, whose import takes 0.4 GB, need not be asked
            return (), "; ".join(problems) or None, driver
        torch, cuda, found = _torch_cuda(), _driver_cuda(pynvml), []
        for index, handle in visible.items():
            try:
                found.append(_gpu(pynvml, index, handle, own_processes, torch, cuda))
            except pynvml.NVMLError as error:
                problems.append(nvml.broken(index, error))
        return tuple(found), "; ".join(problems) or None, driver
    except pynvml.NVMLError as error:
        return (), f"NVML failed while listing the GPUs ({error}): check the driver with nvidia-smi", driver
    finally:
        pynvml.nvmlShutdown()


def _gpu(
    pynvml: ModuleType, index: int, handle: Any, own_processes: str | None, torch: TorchCuda, driver: int | None
) -> Gpu:
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    total, free = _vram(pynvml, handle)
    ours: int | None = 0
    if own_processes:
        with suppress(pynvml.NVMLError):
            ours = nvml.held(pynvml, handle, own_processes)
    if ours is None:  # a container is not told whose memory it is: what it sees in use is its own graph's
        ours = total - free
    sliced = "MIG divides it, whose slices are not used: disable MIG, or choose device: cpu"
    return Gpu(
        index=index,
        name=nvml.text(pynvml.nvmlDeviceGetName(handle)),
        vram_total=total,
        vram_free=min(total, free + ours),
        compute_capability=(major, minor),
        problem=sliced if nvml.is_sliced(pynvml, handle) else torch.problem((major, minor), driver),
    )


def _driver_cuda(pynvml: ModuleType) -> int | None:
    """The major version of CUDA that the driver is for, or that a forward compatibility package makes it fit for; None
    where NVML does not tell."""
    try:
        return int(pynvml.nvmlSystemGetCudaDriverVersion_v2()) // 1000
    except pynvml.NVMLError:
        return None


def _vram(pynvml: ModuleType, handle: Any) -> tuple[int, int]:
    """(total, free) bytes; of RAM where the GPU has no memory of its own, as GB10 in a DGX Spark."""
    try:
        found = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError_NotSupported:
        return memory(cgroup_limits())
    return found.total, found.free


@dataclass(frozen=True, slots=True)
class TorchCuda:
    """The CUDA version and architectures ("sm_90", "compute_90") that the installed torch was built for."""

    cuda: str | None
    architectures: tuple[str, ...]

    def problem(self, capability: tuple[int, int], driver: int | None = None) -> str | None:
        """Why this torch cannot run on a GPU of that compute capability, under a driver for that major version of CUDA,
        or None."""
        if self.cuda is None:
            return "the installed torch has no CUDA: install a CUDA build of torch"
        major = int(self.cuda.partition(".")[0])  # within which any driver runs any minor version
        if driver is not None and driver < major:
            return f"its driver is for CUDA {driver}, the installed torch needs {major}: update the driver"
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
