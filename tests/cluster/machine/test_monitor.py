"""The monitor on this machine, under container limits written down, and before an NVIDIA driver that misbehaves."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pynvml
import pytest

from cluster.machine import gpu_meter, hardware, monitor
from cluster.machine.gpu_meter import GpuLoad, GpuMeter
from cluster.machine.monitor import Load, Monitor, Usage
from cluster.machine.probe import Limits
from tests.cluster.machine.drivers import GIB, Driver
from tests.graph.server import eventually

FIRST = GpuLoad(0, 40.0, 37.5, 8 * GIB, 16 * GIB, 50.0, ())
SECOND = GpuLoad(1, 41.0, 3.125, GIB // 2, 16 * GIB, 51.0, ("power cap", "thermal slowdown by the hardware"))


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    return Driver(monkeypatch)


@pytest.fixture
def meter() -> GpuMeter:
    return GpuMeter(" ".join(psutil.Process().cmdline()))


def test_this_machine() -> None:
    watch = Monitor(interval=0.02)
    with pytest.raises(RuntimeError, match="not started"):
        watch.latest()
    watch.start()
    try:
        load = watch.latest()
        assert 0 <= load.cpu <= 100 and 0 < load.ram < 100
        assert 0 < load.ram_available < psutil.virtual_memory().total
        assert load.gpus or load.gpu_error
        busy = threading.Event()
        threading.Thread(target=lambda: [None for _ in iter(busy.is_set, True)], daemon=True).start()
        eventually(watch.latest, lambda seen: seen is not load and seen.cpu > 20)
        busy.set()
    finally:
        watch.stop()
    watch.stop()
    assert isinstance(watch.latest(), Load)


def test_a_quota_is_the_whole_and_its_use_is_the_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(monitor.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(hardware, "cgroup_limits", lambda: Limits(cpus=0.5, cpu_seconds=7.0))
    meter = monitor._CpuMeter()
    clock[0] += 2.0
    assert meter.percent(Limits(cpus=0.5, cpu_seconds=7.25)) == pytest.approx(25.0)


def test_memory_under_a_limit() -> None:
    total, available = hardware.memory(Limits(memory=GIB, memory_used=GIB // 4))
    assert total == GIB and available <= 3 * GIB // 4


def test_gpus_and_what_others_hold(driver: Driver, meter: GpuMeter) -> None:
    gpus, error = meter.read(0.0)
    assert gpus == (FIRST, SECOND)
    assert error is None


def test_others_are_unknown_where_processes_cannot_be_seen(driver: Driver, meter: GpuMeter) -> None:
    driver.processes[0] = [SimpleNamespace(pid=2**30, usedGpuMemory=GIB)]
    driver.used[1] = 9 * GIB
    gpus, error = meter.read(0.0)
    assert [gpu.vram_others for gpu in gpus] == [None, None]
    assert [gpu.vram_used for gpu in gpus] == [8 * GIB, 9 * GIB]
    assert error is None


def test_a_gpu_lost_midway_loses_its_figures_only_and_comes_back(driver: Driver, meter: GpuMeter) -> None:
    assert meter.read(0.0)[1] is None
    lost = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
    names = ("UtilizationRates", "MemoryInfo", "ComputeRunningProcesses", "CurrentClocksThrottleReasons")
    driver.broken = {(f"nvmlDeviceGet{name}", 1): lost for name in names}
    gpus, error = meter.read(gpu_meter.SLOW_EVERY)
    assert gpus[0] == FIRST
    assert gpus[1] == GpuLoad(1, None, None, None, temperature=51.0)
    assert "GPU 1" in error and "nvidia-smi" in error
    driver.broken = {("nvmlDeviceGetHandleByIndex", 1): lost}
    later = meter._tried + 2 * gpu_meter.RECONNECT_EVERY
    gpus, error = meter.read(later)
    assert [gpu.index for gpu in gpus] == [0, 1] and gpus[1].vram_used is None
    assert gpus[0] == FIRST, "the others are listed all the same"
    assert "GPU 1 does not answer" in error
    driver.broken = {}
    gpus, error = meter.read(meter._tried + 2 * gpu_meter.RECONNECT_EVERY)
    assert gpus[1] == SECOND
    assert error is None


def test_a_gpu_that_the_driver_lists_no_longer(driver: Driver, meter: GpuMeter) -> None:
    meter.read(0.0)
    driver.count = 1
    meter._fail("a test", pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN))
    gpus, error = meter.read(meter._tried + 2 * gpu_meter.RECONNECT_EVERY)
    assert gpus == (FIRST, GpuLoad(1, None, None, None))
    assert "GPU 1 is no longer listed" in error


def test_a_figure_that_a_gpu_does_not_have_is_no_failure(driver: Driver, meter: GpuMeter) -> None:
    driver.broken = {("nvmlDeviceGetUtilizationRates", 0): pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)}
    gpus, error = meter.read(0.0)
    assert gpus[0] == replace(FIRST, utilization=None)
    assert error is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "driver is not installed"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "reboot"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "/dev/nvidia"),
        (pynvml.NVML_ERROR_UNKNOWN, "did not answer"),
    ],
)
def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch, meter: GpuMeter, code: int, reason: str) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(code)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    gpus, error = meter.read(0.0)
    assert gpus == () and reason in error


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, meter: GpuMeter) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert meter.read(0.0) == ((), "the package nvidia-ml-py is not installed: pip install nvidia-ml-py")


def test_the_best_sensor_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def reading(degrees: float) -> SimpleNamespace:
        return SimpleNamespace(current=degrees)

    sensors = {"nvme": [reading(90.0)], "acpitz": [reading(30.0)], "k10temp": [reading(61.0), reading(64.5)]}
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors)
    assert monitor._temperature() == 64.5
    monkeypatch.setattr(psutil, "sensors_temperatures", dict)
    assert monitor._temperature() is None


def test_what_was_watched_is_summed_up() -> None:
    usage = Usage()
    assert usage.cpu_mean is usage.gpu_mean is usage.gpu_peak is usage.vram_peak is None
    for cpu, busy, used in ((10.0, (20.0, 50.0), (GIB, GIB)), (30.0, (None, 90.0), (3 * GIB, None)), (20.0, (), ())):
        gpus = tuple(GpuLoad(i, b, None, u) for i, (b, u) in enumerate(zip(busy, used, strict=True)))
        usage.add(Load(cpu, 10.0, GIB, gpus, None, None))
    assert (usage.cpu_mean, usage.gpu_mean, usage.gpu_peak, usage.vram_peak) == (20.0, 70.0, 90.0, 3 * GIB)


def test_only_what_is_watched_is_added() -> None:
    watch = Monitor(interval=0.01)
    watch.start()
    try:
        with watch.watch() as usage:
            eventually(lambda: usage.cpu_mean, lambda mean: mean is not None)
        seen = usage._loads
        last = watch.latest()
        eventually(watch.latest, lambda load: load is not last)
        assert usage._loads <= seen + 1
    finally:
        watch.stop()


def test_a_sample_that_fails_does_not_end_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Monitor(interval=0.01)
    watch.start()
    try:
        real = hardware.memory
        failures = []

        def broken(limits: Limits) -> tuple[int, int]:
            failures.append(limits)
            raise OSError("/proc/meminfo")

        monkeypatch.setattr(hardware, "memory", broken)
        eventually(lambda: len(failures), lambda count: count > 2)
        monkeypatch.setattr(hardware, "memory", real)
        last = watch.latest()
        eventually(watch.latest, lambda load: load is not last)
    finally:
        watch.stop()
