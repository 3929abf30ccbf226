from __future__ import annotations

import csv
import logging
from pathlib import Path

import pytest

from deployments.monitoring.csvlog import CsvLog, check_folder
from models.types import SettingsError
from tests.graph.server import eventually


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_on_disk_a_moment_later_and_unknown_is_empty(tmp_path: Path) -> None:
    log = CsvLog(tmp_path / "new" / "logs", "kind", "a-tier", ["one", "two", "three"])
    assert list((tmp_path / "new" / "logs").iterdir()) == [], "no file without a row"
    log.write({"one": 1, "two": None, "three": 1 / 3})
    (path,) = eventually(lambda: list((tmp_path / "new" / "logs").iterdir()), len)
    assert path.name.startswith("kind_a-tier_20") and path.suffix == ".csv"
    eventually(lambda: len(rows(path)), lambda count: count == 1)
    log.write({"one": 0, "two": "a, b", "three": 2.0})
    log.close()
    assert rows(path) == [
        {"one": "1", "two": "", "three": "0.333333"},
        {"one": "0", "two": "a, b", "three": "2.000000"},
    ]


def test_two_logs_of_one_second_do_not_share_a_file(tmp_path: Path) -> None:
    logs = [CsvLog(tmp_path, "kind", "tier", ["one"]) for _ in range(3)]
    for i, log in enumerate(logs):
        log.write({"one": i})
        log.close()
    assert sorted(rows(path)[0]["one"] for path in tmp_path.iterdir()) == ["0", "1", "2"]


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        with pytest.raises(SettingsError, match=r"monitoring\.csv: .* cannot be written to"):
            check_folder(folder)


def test_a_disk_that_fails_midway_stops_the_rows_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = CsvLog(tmp_path / "logs", "kind", "tier", ["one"])
    (tmp_path / "logs").rmdir()
    with caplog.at_level(logging.ERROR):
        log.write({"one": 1})
        log.close()
        left = log._rows.qsize()
        log.write({"one": 2})
    assert "no more rows" in caplog.text
    assert log._rows.qsize() == left, "rows without a writer fill the memory"
