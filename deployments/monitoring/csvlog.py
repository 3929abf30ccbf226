"""Figures as CSV files in a folder, written by threads of their own: nothing that serves waits for a disk."""

from __future__ import annotations

import csv
import json
import logging
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import TextIO

from cluster.machine.profile import HardwareProfile
from models.types import SettingsError

log = logging.getLogger(__name__)

Value = str | int | float | None


def check_folder(folder: Path) -> None:
    """Make the folder and try to write there. Raises SettingsError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(
            f"monitoring.csv: {folder} cannot be written to ({error.strerror}): give a folder that Shoal may write to, "
            "or null"
        ) from None


def write_hardware(folder: Path, tier: str, machines: Sequence[HardwareProfile], plan: Mapping[str, object]) -> None:
    """hardware_<tier>.json: the machines as `detect` found them and the plan made for them."""
    found = {"tier": tier, "machines": [asdict(machine) for machine in machines], "plan": plan}
    (folder / f"hardware_{tier}.json").write_text(json.dumps(found, indent=2) + "\n")


class CsvLog:
    """<folder>/<kind>_<tier>_<time>.csv, made with its first row; a value of None is an empty cell."""

    def __init__(self, folder: Path, kind: str, tier: str, columns: Sequence[str]) -> None:
        check_folder(folder)
        self._stem, self._columns = folder / f"{kind}_{tier}_{time.strftime('%Y%m%d-%H%M%S')}", columns
        self._rows: SimpleQueue[Mapping[str, Value] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"csv-{kind}", daemon=True)
        self._thread.start()

    def write(self, row: Mapping[str, Value]) -> None:
        """Returns at once; the row is on disk a moment later, or lost when the disk has failed."""
        if self._thread.is_alive():  # rows without a writer would fill the memory
            self._rows.put(row)

    def close(self) -> None:
        """Returns when every row is on disk."""
        self._rows.put(None)
        self._thread.join()

    def _run(self) -> None:
        file: TextIO | None = None
        try:
            while (row := self._rows.get()) is not None:
                if file is None:
                    file = self._open()
                    csv.writer(file).writerow(self._columns)
                csv.writer(file).writerow([_cell(row[column]) for column in self._columns])
                file.flush()
        except OSError as error:  # a full disk must not stop the speech
            log.error("no more rows are written to %s*.csv: %s", self._stem, error)
        finally:
            if file is not None:
                file.close()

    def _open(self) -> TextIO:
        """Another replica may have begun in the same second."""
        for number in range(1, 1000):
            path = self._stem.with_name(self._stem.name + (f"-{number}" if number > 1 else "") + ".csv")
            try:
                return path.open("x", newline="")
            except FileExistsError:
                continue
        raise FileExistsError(f"{self._stem}.csv and 998 others")


def timestamp(seconds: float | None = None) -> str:
    """A moment (seconds since 1970, by default now) in UTC."""
    return datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC).isoformat(timespec="milliseconds")


def _cell(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else str(value)
