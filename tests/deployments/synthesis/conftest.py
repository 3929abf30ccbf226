from __future__ import annotations

from pathlib import Path

import pytest

from deployments.monitoring.stats import RequestStats
from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from models.text.reader import Reader, Segment
from tests.deployments.fakes import FakeStages, make_pipeline
from tests.deployments.synthesis.writer import Writer


class PackingReader(Reader):
    """Gives what is full before the text ends."""

    def feed(self, piece: str) -> list[Segment]:
        self._text += piece
        if len(self._text) < 4 * self.options.limit:
            return []
        after = " " if self._text[-1].isspace() else ""
        *full, a, b = self.finish()
        self._text = f"{a.text} {b.text}{after}"
        return full


@pytest.fixture
def voices(tmp_path: Path) -> VoiceLibrary:
    return VoiceLibrary(str(tmp_path / "voices"))


@pytest.fixture
def told() -> list[RequestStats]:
    """The figures of every request that is over."""
    return []


@pytest.fixture
def pipeline(
    stages: FakeStages, voices: VoiceLibrary, told: list[RequestStats], monkeypatch: pytest.MonkeyPatch
) -> Pipeline:
    monkeypatch.setattr("deployments.synthesis.pipeline.Reader", PackingReader)
    return make_pipeline(stages, voices, Limits(), told.append)


@pytest.fixture
def writer() -> Writer:
    return Writer()
