"""Fixtures that every part of the suite shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpoints.build import build_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint in upstream's format."""
    return build_tiny(tmp_path_factory.mktemp("checkpoint") / "tiny")
