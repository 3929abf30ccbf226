"""How the NVIDIA GPUs fare, by NVML: whatever fails is None with a reason, and never an exception."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from cluster.machine import nvml

T = TypeVar("T")

PROCESSES_EVERY = 2.0  # seconds between looks at who holds memory, which cost more than the other figures
RECONNECT_EVERY = 10.0  # seconds between attempts to reach a driver that failed


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """One GPU: busy percent, percent of VRAM that other processes hold, and bytes in use by all; None is unknown."""

    index: int
    utilization: float | None
    vram_others: float | None
    vram_used: int | None


class GpuMeter:
    """NVML, kept open; whatever fails is None with a reason, and asked again later."""

    def __init__(self, own_processes: str) -> None:
        self._own = own_processes
        self._nvml: ModuleType | None = None
        self._handles: list[tuple[int, Any]] = []
        self._held: dict[int, int | None] = {}  # GPU -> bytes of our own processes
        self._held_read = self._tried = -float("inf")
        self._error: str | None = None

    def close(self) -> None:
        if self._nvml is not None:
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
            self._nvml = None

    def read(self, now: float) -> tuple[tuple[GpuLoad, ...], str | None]:
        if self._error is not None and now - self._tried >= RECONNECT_EVERY:
            self.close()
        if self._nvml is None and now - self._tried >= RECONNECT_EVERY:
            self._tried, self._error = now, None
            self._connect()
        if self._nvml is None:
            return tuple(GpuLoad(index, None, None, None) for index, _ in self._handles), self._error
        if ask := now - self._held_read >= PROCESSES_EVERY:
            self._held_read = now
        return tuple(self._gpu(index, handle, ask) for index, handle in self._handles), self._error

    def _connect(self) -> None:
        try:
            self._nvml = nvml.connect()
        except nvml.NvmlError as error:
            self._error = str(error)
            return
        try:
            # A GPU that has gone stays listed, without figures, so that its pool can be seen to have lost it.
            found, problems = nvml.visible(self._nvml)
            known = {index: None for index, _ in self._handles}
            self._handles = sorted((known | found).items())
            self._error = "; ".join(problems) or None
        except self._nvml.NVMLError as error:
            self._fail("listing the GPUs", error)
            self.close()

    def _gpu(self, index: int, handle: Any, ask: bool) -> GpuLoad:
        if handle is None:
            lost = f"GPU {index} is no longer listed by the NVIDIA driver: check it with nvidia-smi"
            self._error = self._error or lost
            return GpuLoad(index, None, None, None)
        if ask:
            self._held[index] = self._ask(index, "listing processes", lambda: nvml.held(self._nvml, handle, self._own))
        busy = self._ask(index, "reading utilization", lambda: self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        memory = self._ask(index, "reading memory", lambda: self._nvml.nvmlDeviceGetMemoryInfo(handle))
        held, others = self._held.get(index), None
        if memory is not None and held is not None:
            others = 100 * max(0, memory.used - held) / memory.total
        return GpuLoad(index, None if busy is None else float(busy), others, None if memory is None else memory.used)

    def _ask(self, index: int, what: str, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except self._nvml.NVMLError_NotSupported:  # such as utilization under MIG: nothing failed
            return None
        except self._nvml.NVMLError as error:
            self._fail(f"{what} of GPU {index}", error)
            return None

    def _fail(self, what: str, error: Exception) -> None:
        if self._error is None:
            self._tried = time.monotonic()
        self._error = f"NVML failed while {what} ({error}): check the driver with nvidia-smi"
