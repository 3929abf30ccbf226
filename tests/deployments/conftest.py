from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.deployments.fakes import FakeStages, make_app


@pytest.fixture
def stages() -> FakeStages:
    return FakeStages()


@pytest.fixture
def client(stages: FakeStages, tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(make_app(stages, str(tmp_path / "voices"))) as client:
        yield client
