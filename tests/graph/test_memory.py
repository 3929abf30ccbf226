"""The whole graph at a hard limit of memory: a short form of `python -m tests.bench.limited`, which sends 500."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.native import build
from tests.bench import limited

if reason := build.available():
    pytest.skip(reason, allow_module_level=True)

REQUESTS = 24


@pytest.mark.timeout(600)  # on a slow machine beside others
def test_nobody_is_killed_near_the_limit_and_every_request_is_answered(tmp_path: Path) -> None:
    found = limited.measure(tmp_path, REQUESTS)
    assert found["killed"] == found["replaced"] == 0, found
    assert sum(found["statuses"].values()) == REQUESTS and found["statuses"][200] > REQUESTS / 2, found
    assert found["samples_that_wait_for_memory"] > 0, found
    before, after = found["claimable_bytes"]
    assert after > before / 2, found
