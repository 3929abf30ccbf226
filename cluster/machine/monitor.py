"""A machine's load, sampled by a thread. Figures that cannot be read are None, with a reason for GPUs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from cluster.machine import affinity, hardware
from cluster.machine.gpu_meter import GpuLoad, GpuMeter
from cluster.machine.probe import Limits

logger = logging.getLogger(__name__)

TEMPERATURE_EVERY = 2.0  # seconds; reading every sensor costs more than all else
CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal", "acpitz")  # the best one first


@dataclass(frozen=True, slots=True)
class Load:
    """One machine, container limits respected: percent of all usable cores since the sample before, percent of RAM in
    use, bytes of RAM available, and degrees Celsius of the CPU where the system has a sensor. `gpu_error` says why
    figures of GPUs are missing, or is None.
    """

    cpu: float
    ram: float
    ram_available: int
    gpus: tuple[GpuLoad, ...]
    gpu_error: str | None
    temperature: float | None


@dataclass(slots=True)
class Usage:
    """The load of a machine over a span of time; a figure without a sample is None."""

    _loads: int = 0
    _cpu: float = 0.0
    _busy: list[float] = field(default_factory=lambda: [0.0, 0.0])  # samples and sum of the busiest GPU
    gpu_peak: float | None = None
    vram_peak: int | None = None

    def add(self, load: Load) -> None:
        """Count one sample."""
        self._loads, self._cpu = self._loads + 1, self._cpu + load.cpu
        if busy := [gpu.utilization for gpu in load.gpus if gpu.utilization is not None]:
            self._busy = [self._busy[0] + 1, self._busy[1] + max(busy)]
            self.gpu_peak = max(self.gpu_peak or 0.0, max(busy))
        if used := [gpu.vram_used for gpu in load.gpus if gpu.vram_used is not None]:
            self.vram_peak = max(self.vram_peak or 0, sum(used))

    @property
    def cpu_mean(self) -> float | None:
        """Mean percent of the usable cores."""
        return self._cpu / self._loads if self._loads else None

    @property
    def gpu_mean(self) -> float | None:
        """Mean percent of the busiest GPU."""
        return self._busy[1] / self._busy[0] if self._busy[0] else None


class Monitor:
    """Samples this machine every `interval` seconds; VRAM of processes whose title starts with `own_processes` is not
    held by others. The GPUs are those that CUDA_VISIBLE_DEVICES shows."""

    def __init__(self, interval: float = 0.1, own_processes: str = "ray::ServeReplica:") -> None:
        self._interval = interval
        self._cpu, self._gpus = _CpuMeter(), GpuMeter(own_processes)
        self._temperature: float | None = None
        self._temperature_read = -TEMPERATURE_EVERY
        self._latest: Load | None = None
        self._watching: dict[int, Usage] = {}  # by identity
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def start(self) -> None:
        """Sample from now on; returns with the first sample taken, after one interval."""
        self._stopped.wait(self._interval)
        self._latest = self._sample()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the latest sample stays. Stopping twice is harmless."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._gpus.close()

    def latest(self) -> Load:
        """The last sample. Raises RuntimeError before `start`."""
        if self._latest is None:
            raise RuntimeError("the monitor was not started")
        return self._latest

    @contextmanager
    def watch(self) -> Iterator[Usage]:
        """A context in which every sample is added to the Usage that it gives."""
        usage = Usage()
        self._watching[id(usage)] = usage
        try:
            yield usage
        finally:
            del self._watching[id(usage)]

    def _run(self) -> None:
        failed = False
        while not self._stopped.wait(self._interval):
            try:
                self._latest = load = self._sample()
                for usage in list(self._watching.values()):
                    usage.add(load)
            except Exception:  # an unreadable file of the system must not end the sampling
                if not failed:
                    logger.exception("the machine's load could not be read")
                failed = True

    def _sample(self) -> Load:
        limits = hardware.cgroup_limits()
        total, available = hardware.memory(limits)
        now = time.monotonic()
        if now - self._temperature_read >= TEMPERATURE_EVERY:
            self._temperature, self._temperature_read = _temperature(), now
        gpus, gpu_error = self._gpus.read(now)
        return Load(
            cpu=self._cpu.percent(limits),
            ram=100 * (total - available) / total,
            ram_available=available,
            gpus=gpus,
            gpu_error=gpu_error,
            temperature=self._temperature,
        )


def _temperature() -> float | None:
    """The hottest reading of the CPU's best sensor; None where the system shows none (virtual machines, macOS)."""
    found = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    readings = next((found[name] for name in CPU_SENSORS if found.get(name)), [])
    return max((each.current for each in readings), default=None)


class _CpuMeter:
    """Percent of the cores that this process may use, those included that it keeps off (`affinity`), since the last
    call; of its quota where a container has one."""

    def __init__(self) -> None:
        self._cores = sorted(affinity.usable())
        self._all = len(self._cores) == psutil.cpu_count()
        self._busy, self._idle = self._times()
        self._at, self._spent = time.monotonic(), hardware.cgroup_limits().cpu_seconds

    def percent(self, limits: Limits) -> float:
        now, spent = time.monotonic(), limits.cpu_seconds
        busy, idle = self._times()
        delta, total = busy - self._busy, busy - self._busy + idle - self._idle
        share = delta / total if total > 0 else 0.0
        limited = limits.cpus is not None and limits.cpus < len(self._cores)
        if limited and limits.cpus and spent is not None and self._spent is not None:
            share = (spent - self._spent) / (limits.cpus * max(now - self._at, 1e-6))
        self._busy, self._idle, self._at, self._spent = busy, idle, now, spent
        return 100 * min(1.0, max(0.0, share))

    def _times(self) -> tuple[float, float]:
        """Seconds that the usable cores were busy and idle since the machine started."""
        every = [psutil.cpu_times()] if self._all else psutil.cpu_times(percpu=True)
        times = every if self._all else [every[core] for core in self._cores if core < len(every)]
        idle = sum(each.idle + getattr(each, "iowait", 0.0) for each in times)
        # Linux counts a guest's time as the host's user time too.
        guests = sum(getattr(each, "guest", 0.0) + getattr(each, "guest_nice", 0.0) for each in times)
        return sum(map(sum, times)) - guests - idle, idle
