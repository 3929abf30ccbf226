"""A stand-in for the NVIDIA driver's library."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pynvml
import pytest

GIB = 2**30


class Driver:
    """NVML of a machine with two GPUs of 16 GiB; `broken` maps a function's name and GPU to the error it raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken: dict[tuple[str, int], Exception] = {}
        self.used = {0: 8 * GIB, 1: GIB // 2}
        self.processes = {0: [SimpleNamespace(pid=psutil.Process().pid, usedGpuMemory=2 * GIB)], 1: []}
        self.count, self.cuda = 2, 13000
        self.mig = {0: (0, 0), 1: (0, 0)}
        self.throttles = {0: 0x1, 1: 0x44}  # idle; power cap and thermal slowdown by the hardware
        answers = {
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetUUID": lambda index: f"GPU-{index}",
            "nvmlDeviceGetUtilizationRates": lambda index: SimpleNamespace(gpu=40 + index),
            "nvmlDeviceGetMemoryInfo": lambda index: SimpleNamespace(
                total=16 * GIB, used=self.used[index], free=16 * GIB - self.used[index]
            ),
            "nvmlDeviceGetName": lambda index: f"Number {index}",
            "nvmlDeviceGetCudaComputeCapability": lambda index: (9, 0),
            "nvmlDeviceGetMigMode": lambda index: self.mig[index],
            "nvmlDeviceGetComputeRunningProcesses": lambda index: self.processes[index],
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda index: self.throttles[index],
        }
        for name, answer in answers.items():
            monkeypatch.setattr(pynvml, name, self._guarded(name, answer))
        monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
        monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: self.count)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetTemperature", lambda index, sensor: 50 + index)
        monkeypatch.setattr(pynvml, "nvmlSystemGetDriverVersion", lambda: "580.82.07")
        monkeypatch.setattr(pynvml, "nvmlSystemGetCudaDriverVersion_v2", self._cuda)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def _cuda(self) -> int:
        if self.cuda is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        return self.cuda

    def _guarded(self, name: str, answer):
        def function(index: int):
            if error := self.broken.get((name, index)):
                raise error
            return answer(index)

        return function
