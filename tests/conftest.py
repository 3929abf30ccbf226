"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from checkpoints.build import build_tiny
from tests.graph.server import local_ray, run
from tests.paths import ROOT

RAY = {"ray_address", "local_ray"}  # fixtures

hypothesis.settings.register_profile("shared machine", deadline=None)  # other work may hold a test up
hypothesis.settings.load_profile("shared machine")

signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background is started with it ignored

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported: see tests/models/.../network/fused.py


@pytest.hookimpl(tryfirst=True)  # before pytest picks by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start Ray are slow, and run in one process, to share it."""
    for item in items:
        if RAY.intersection(getattr(item, "fixturenames", ())) or item.path.parent == ROOT / "tests" / "graph":
            item.add_marker("ray")
            item.add_marker("slow")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint in upstream's format."""
    return build_tiny(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Ray Serve on this machine, one for the whole session."""
    with local_ray() as address:
        yield address


@pytest.fixture(scope="session")
def graph(ray_address: str, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the real graph on a tiny checkpoint."""
    return run(ray_address, "graph", tiny, tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="session")
def server(graph: str) -> str:
    """The address of the real graph: what works for these clients works for people's."""
    return graph
