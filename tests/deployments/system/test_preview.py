"""POST /v1/text/preview says what speech would say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from starlette.testclient import TestClient

from deployments.ingress.asgi import create_app
from deployments.synthesis.voices import VoiceLibrary
from tests.deployments.fakes import INFO, FakeStages, make_pipeline
from tests.models.text.test_segments import TEXTS


@pytest.fixture
def stages() -> FakeStages:
    return FakeStages()


@pytest.fixture
def http(tmp_path: Path, stages: FakeStages) -> TestClient:
    return TestClient(create_app(make_pipeline(stages, VoiceLibrary(str(tmp_path))), INFO))


def test_segments_and_totals(http: TestClient) -> None:
    text = 'Only 5 km left. <break time="2s"/> Il reste 5 km jusqu\'à la maison.'
    got = http.post("/v1/text/preview", json={"text": text}).json()
    first, second = got["segments"]
    assert (first["text"], first["language"], first["pause"]) == ("Only five kilometers left.", "en", 2.0)
    assert (second["text"], second["language"]) == ("Il reste cinq kilomètres jusqu'à la maison.", "fr")
    assert got["characters"] == len(first["text"]) + len(second["text"])
    assert got["seconds"] == pytest.approx(first["seconds"] + second["seconds"] + 2.0, abs=0.02)


def test_the_language_of_a_request_is_honoured(http: TestClient) -> None:
    for language in ("de", "DE", "de-AT", "German"):
        got = http.post("/v1/text/preview", json={"text": "10%", "language": language})
        assert got.json()["segments"][0]["text"] == "zehn Prozent"
        assert "X-Ignored" not in got.headers
    other = http.post("/v1/text/preview", json={"text": "10%", "language": "sv"})
    assert other.json()["segments"][0]["text"] == "ten percent" and other.headers["X-Ignored"] == "language"


@pytest.mark.parametrize(("body", "status"), [({"text": ""}, 422), ({}, 400), ({"text": "a" * 60_000}, 413)])
def test_what_is_refused(http: TestClient, body: dict, status: int) -> None:
    assert http.post("/v1/text/preview", json=body).status_code == status


def test_a_text_without_words_is_a_short_silence(http: TestClient) -> None:
    [segment] = http.post("/v1/text/preview", json={"text": "..."}).json()["segments"]
    assert segment["text"] == "" and 0 < segment["pause"] < 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_preview_and_speech_agree(http: TestClient, stages: FakeStages, text: str) -> None:
    body = {"text": text + " and the rest.", "chunk_length": 100}
    told = [each["text"] for each in http.post("/v1/text/preview", json=body).json()["segments"] if each["text"]]
    stages.prompts.clear()
    assert http.post("/v1/tts", json=body).status_code == 200
    assert [prompt.text for prompt in stages.prompts] == told
