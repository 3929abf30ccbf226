from __future__ import annotations

from pathlib import Path

import pytest

from deployments.monitoring.stats import RequestStats
from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from tests.deployments.fakes import FakeStages, make_pipeline
from tests.deployments.synthesis.writer import Writer


@pytest.fixture
def voices(tmp_path: Path) -> VoiceLibrary:
    return VoiceLibrary(str(tmp_path / "voices"))


@pytest.fixture
def told() -> list[RequestStats]:
    """The figures of every request that is over."""
    return []


@pytest.fixture
def pipeline(stages: FakeStages, voices: VoiceLibrary, told: list[RequestStats]) -> Pipeline:
    return make_pipeline(stages, voices, Limits(), told.append)


@pytest.fixture
def writer() -> Writer:
    return Writer()
