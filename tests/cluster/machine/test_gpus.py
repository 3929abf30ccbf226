"""GPUs as NVML tells of them, over a stand-in for the driver: a broken one hides no other, memory is whose it is."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pynvml
import pytest

from cluster.machine import hardware
from cluster.machine.hardware import TorchCuda
from tests.cluster.machine.drivers import GIB, Driver

TITLE = psutil.Process().cmdline()[0]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    monkeypatch.setattr(hardware, "_torch_cuda", lambda: TorchCuda("13.0", ("sm_90",)))
    return Driver(monkeypatch)


def free(driver: Driver, own_processes: str | None = TITLE) -> list[int]:
    return [gpu.vram_free // GIB for gpu in hardware._gpus(own_processes)[0]]


def test_what_our_own_processes_hold_is_free(driver: Driver) -> None:
    assert free(driver, None) == [8, 15]
    assert free(driver) == [10, 15]


@pytest.mark.parametrize("process", [(2**30, GIB), (psutil.Process().pid, None)])
def test_in_a_container_that_is_not_told_whose_memory_it_is_the_graph_keeps_its_gpu(driver: Driver, process) -> None:
    pid, memory = process
    driver.processes[0] = [SimpleNamespace(pid=pid, usedGpuMemory=memory)]
    assert free(driver) == [16, 15]
    assert free(driver, None) == [8, 15], "before the first deployment it is another program's"


def test_a_broken_gpu_hides_no_other(driver: Driver) -> None:
    lost = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
    for name in ("nvmlDeviceGetHandleByIndex", "nvmlDeviceGetMemoryInfo"):
        driver.broken = {(name, 0): lost}
        gpus, error, _ = hardware._gpus(None)
        assert [gpu.index for gpu in gpus] == [1]
        assert "GPU 0 does not answer" in error and "nvidia-smi" in error


def test_a_gpu_without_memory_of_its_own_shares_the_machines(driver: Driver) -> None:
    driver.broken = {("nvmlDeviceGetMemoryInfo", 0): pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)}
    gpus, error, _ = hardware._gpus(None)
    assert error is None and gpus[0].vram_total == psutil.virtual_memory().total


def test_slices_of_a_gpu_are_named_and_not_used(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.mig[1] = (pynvml.NVML_DEVICE_MIG_ENABLE, 0)
    assert [bool(gpu.problem) for gpu in hardware._gpus(None)[0]] == [False, True]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-4f3b")
    gpus, error, _ = hardware._gpus(None)
    assert gpus == () and "CUDA_VISIBLE_DEVICES=MIG-4f3b" in error


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        (12080, "its driver is for CUDA 12, the installed torch needs 13: update the driver"),
        (13000, None),
        (14010, None),
        (None, None),
    ],
)
def test_a_driver_older_than_torchs_cuda_is_named(driver: Driver, version: int | None, problem: str | None) -> None:
    driver.cuda = version
    gpus, error, installed = hardware._gpus(None)
    assert installed == "580.82.07"
    assert error is None and [gpu.problem for gpu in gpus] == [problem] * 2
