from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deployments.fakes import FakeStages, make_app, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server."""
    with serving(make_app(FakeStages(), str(tmp_path_factory.mktemp("voices")))) as address:
        yield address
