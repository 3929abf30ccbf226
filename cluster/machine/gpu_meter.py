"""The load of the NVIDIA GPUs, read from NVML: a figure that cannot be read is None with a reason, never an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from cluster.machine import nvml

T = TypeVar("T")

SLOW_EVERY = 2.0  # seconds between readings of who holds memory, which cost most, of temperature and clocks
RECONNECT_EVERY = 10.0  # seconds between attempts to reach a driver that failed


@dataclass(frozen=True, slots=True)
class _Slow:
    """What is read every SLOW_EVERY seconds; `own`: bytes that our own processes hold."""

    own: int | None = None
    temperature: float | None = None
    throttled: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """One GPU at a point in time; None is unknown. `utilization`: percent of the time in which a kernel ran;
    `vram_others`: percent of VRAM that other programs hold; `vram_used`, `vram_total`: bytes, of all programs;
    `temperature`: degrees Celsius; `throttled`: why its clocks are below what they could be, empty for no reason."""

    index: int
    utilization: float | None
    vram_others: float | None
    vram_used: int | None
    vram_total: int | None = None
    temperature: float | None = None
    throttled: tuple[str, ...] | None = None

    @property
    def vram_free(self) -> int | None:
        """Bytes."""
        return None if self.vram_total is None or self.vram_used is None else self.vram_total - self.vram_used


class GpuMeter:
    """Keeps NVML open and reads every GPU; a driver that fails is asked again after RECONNECT_EVERY."""

    def __init__(self, own_processes: str) -> None:
        """Memory of processes whose title starts with `own_processes` is not held by others."""
        self._own = own_processes
        self._nvml: ModuleType | None = None
        self._handles: list[tuple[int, Any]] = []
        self._slow: dict[int, _Slow] = {}
        self._slow_read = self._tried = -float("inf")
        self._error: str | None = None

    def close(self) -> None:
        """Shut NVML down; a later `read` opens it again."""
        if self._nvml is not None:
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
            self._nvml = None

    def read(self, now: float) -> tuple[tuple[GpuLoad, ...], str | None]:
        """The load of every GPU, and why figures are missing; `now` in seconds of a clock that only goes forward."""
        if self._error is not None and now - self._tried >= RECONNECT_EVERY:
            self.close()
        if self._nvml is None and now - self._tried >= RECONNECT_EVERY:
            self._tried, self._error = now, None
            self._connect()
        if self._nvml is None:
            return tuple(GpuLoad(index, None, None, None) for index, _ in self._handles), self._error
        if ask := now - self._slow_read >= SLOW_EVERY:
            self._slow_read = now
        return tuple(self._gpu(self._nvml, index, handle, ask) for index, handle in self._handles), self._error

    def _connect(self) -> None:
        try:
            library = self._nvml = nvml.connect()
        except nvml.NvmlError as error:
            self._error = str(error)
            return
        try:
            # A GPU that has gone stays listed, without figures, so that its pool can be seen to have lost it.
            found, problems = nvml.visible(library)
            known = {index: None for index, _ in self._handles}
            self._handles = sorted((known | found).items())
            self._error = "; ".join(problems) or None
        except library.NVMLError as error:
            self._fail("listing the GPUs", error)
            self.close()

    def _gpu(self, library: ModuleType, index: int, handle: Any, ask: bool) -> GpuLoad:
        if handle is None:
            lost = f"GPU {index} is no longer listed by the NVIDIA driver: check it with nvidia-smi"
            self._error = self._error or lost
            return GpuLoad(index, None, None, None)

        def read(what: str, question: Callable[[], T]) -> T | None:
            try:
                return question()
            except (library.NVMLError_NotSupported, library.NVMLError_FunctionNotFound):
                # Such as utilization under MIG, or a question that an old driver does not know: nothing failed.
                return None
            except library.NVMLError as error:
                self._fail(f"{what} of GPU {index}", error)
                return None

        if ask:
            self._slow[index] = _Slow(
                own=read("listing processes", lambda: nvml.held(library, handle, self._own)),
                temperature=read("reading temperature", lambda: nvml.temperature(library, handle)),
                throttled=read("reading clocks", lambda: nvml.throttled(library, handle)),
            )
        slow = self._slow.get(index, _Slow())
        busy = read("reading utilization", lambda: library.nvmlDeviceGetUtilizationRates(handle).gpu)
        memory = read("reading memory", lambda: library.nvmlDeviceGetMemoryInfo(handle))
        others = None
        if memory is not None and slow.own is not None:
            others = 100 * max(0, memory.used - slow.own) / memory.total
        return GpuLoad(
            index,
            utilization=None if busy is None else float(busy),
            vram_others=others,
            vram_used=None if memory is None else memory.used,
            vram_total=None if memory is None else memory.total,
            temperature=slow.temperature,
            throttled=slow.throttled,
        )

    def _fail(self, what: str, error: Exception) -> None:
        if self._error is None:
            self._tried = time.monotonic()
        self._error = f"NVML failed while {what} ({error}): check the driver with nvidia-smi"
