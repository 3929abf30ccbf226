from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def server(graph: str) -> str:
    """The address of the real graph: what works for these clients works for people's."""
    return graph
