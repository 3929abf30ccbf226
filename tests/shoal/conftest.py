from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.deployments.fakes import FakeStages, make_app, serving
from tests.shoal.command import shoal

Run = Callable[..., "CompletedProcess[bytes]"]


@pytest.fixture(scope="module")
def stages() -> FakeStages:
    return FakeStages()


@pytest.fixture(scope="module")
def address(stages: FakeStages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server around stages that answer at once."""
    with serving(make_app(stages, str(tmp_path_factory.mktemp("voices")))) as address:
        yield address


@pytest.fixture
def run(address: str, tmp_path: Path) -> Run:
    """`shoal` with that server."""
    return partial(shoal, variables={"SHOAL_URL": address, "HOME": str(tmp_path)})
