"""Figures of a stage's replica and of its machine: gauges for Prometheus, rows for realtime_*.csv."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import ray

from cluster.machine import hardware
from cluster.machine.monitor import Load, Monitor
from deployments.monitoring import csvlog
from deployments.monitoring.csvlog import CsvLog
from deployments.monitoring.metrics import StageMetrics
from deployments.monitoring.stats import MachineLoad, StageLoad

SET_EVERY = 1.0  # seconds; Ray forgets a gauge that is not set again within two of its report intervals (1 to 10 s)
ROW_EVERY = 0.1


class Telemetry:
    """Watches a replica from its start to the process's end. `read` gives the stage's figures from any thread."""

    def __init__(
        self, stage: str, device: str, tier: str, csv: Path | None, read: Callable[[], StageLoad], interval: float = 1.0
    ) -> None:
        """`interval` is the monitor's without `csv`. Raises SettingsError where `csv` cannot be written to."""
        self.monitor = Monitor(ROW_EVERY if csv else interval)
        self._labels, self._read = {"stage": stage, "device": device}, read
        self._rows = CsvLog(csv, "realtime", tier, COLUMNS) if csv else None
        self._metrics = StageMetrics(stage, device, tier)
        self._process, self._fanless = psutil.Process(), hardware.is_fanless()
        self.monitor.start()
        threading.Thread(target=self._run, name="telemetry", daemon=True).start()

    def machine(self) -> MachineLoad:
        """This replica's machine as last sampled."""
        node, working = ray.get_runtime_context().get_node_id(), self._read().slots_used > 0
        return MachineLoad(node, socket.gethostname(), self._fanless, self.monitor.latest(), working)

    def _run(self) -> None:
        told, due = -SET_EVERY, time.monotonic()
        while True:
            stage, load, rss = self._read(), self.monitor.latest(), self._process.memory_info().rss
            if time.monotonic() - told >= SET_EVERY:
                told = time.monotonic()
                self._metrics.tell(stage, load, rss)
            if self._rows and (stage.slots_used or stage.waiting):
                self._rows.write({"time": csvlog.timestamp(), **self._labels, **row(stage, load, rss)})
            due += ROW_EVERY if self._rows else SET_EVERY
            time.sleep(max(0.0, due - time.monotonic()))


def row(figures: StageLoad, load: Load, rss: int) -> dict[str, int | float | None]:
    """A row of realtime_*.csv: of GPUs the busiest, the one that others hold most of, and the bytes of all."""
    busy, others, used = (
        [value for gpu in load.gpus if (value := getattr(gpu, name)) is not None]
        for name in ("utilization", "vram_others", "vram_used")
    )
    return {
        "slots_used": figures.slots_used,
        "waiting": figures.waiting,
        "kv_bytes": sum(figures.kv_bytes.values()) if figures.kv_bytes else None,
        "cpu_percent": load.cpu,
        "ram_percent": load.ram,
        "ram_available_bytes": load.ram_available,
        "rss_bytes": rss,
        "temperature_celsius": load.temperature,
        "gpu_percent": max(busy, default=None),
        "gpu_others_vram_percent": max(others, default=None),
        "vram_used_bytes": sum(used) if used else None,
    }


COLUMNS = ["time", "stage", "device", *row(StageLoad(0, 0, 0), Load(0.0, 0.0, 0, (), None, None), 0)]
