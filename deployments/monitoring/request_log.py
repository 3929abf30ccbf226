"""A finished request's figures: into metrics, into memory with the latest, and into synthesis_*.csv when asked."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from deployments.monitoring.csvlog import CsvLog
from deployments.monitoring.metrics import RequestMetrics
from deployments.monitoring.request_rows import COLUMNS, Row, row
from deployments.monitoring.stats import RequestStats

TELL_EVERY = 1.0  # seconds; Ray forgets a gauge that is not set again
KEPT = 300  # requests


class RequestLog:
    """The speech requests of one ingress replica. Raises SettingsError where `csv` is a folder that cannot be written
    to."""

    def __init__(self, tier: str, csv: Path | None) -> None:
        self._tier = tier
        self._metrics = RequestMetrics(tier)
        self._rows = CsvLog(csv, "synthesis", tier, COLUMNS) if csv else None
        self.latest: deque[Row] = deque(maxlen=KEPT)

    def record(self, stats: RequestStats) -> None:
        """Take down a request that is over; returns at once."""
        self._metrics.observe(stats)
        figures = row(stats, self._tier)
        self.latest.append(figures)
        if self._rows:
            self._rows.write(figures)

    def follow(self, read: Callable[[], tuple[int, int, int]]) -> None:
        """Tell from now on what `read` gives: requests under way, and the hits and misses of the reference cache."""

        def run() -> None:
            while True:
                self._metrics.tell(*read())
                time.sleep(TELL_EVERY)

        threading.Thread(target=run, name="request-metrics", daemon=True).start()


def newest(logs: Iterable[Iterable[Row]], count: int = KEPT) -> list[Row]:
    """The last `count` requests of several logs, the newest first (pure)."""
    rows = [row for log in logs for row in log]
    return sorted(rows, key=lambda row: str(row["time"]), reverse=True)[:count]
