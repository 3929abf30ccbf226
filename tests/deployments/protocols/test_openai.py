from __future__ import annotations

import base64
import io
import json

import pytest
import soundfile
from starlette.testclient import TestClient

from deployments.monitoring.stats import RequestStats
from tests.deployments.fakes import FakeStages, recording

HELLO = {"model": "tts-1", "input": "Hello there.", "voice": "alloy", "seed": 1}


def test_mp3_is_the_default_and_is_streamed(client: TestClient):
    response = client.post("/v1/audio/speech", json=HELLO)
    assert response.status_code == 200
    assert response.headers["content-type"] == "audio/mpeg"
    assert "content-length" not in response.headers


def test_pcm_is_24_khz(client: TestClient):
    response = client.post("/v1/audio/speech", json=HELLO | {"response_format": "pcm"})
    assert response.headers["x-sample-rate"] == "24000"
    assert len(response.content) // 2 == pytest.approx(len(HELLO["input"]) * 2048 * 24000 / 44100, abs=50)


def test_wav_keeps_the_checkpoints_rate(client: TestClient):
    wav = client.post("/v1/audio/speech", json=HELLO | {"response_format": "wav"}).content
    assert soundfile.read(io.BytesIO(wav))[1] == 44100


def test_speed_changes_the_length(client: TestClient):
    fast = client.post("/v1/audio/speech", json=HELLO | {"response_format": "pcm", "speed": 4.0}).content
    plain = client.post("/v1/audio/speech", json=HELLO | {"response_format": "pcm"}).content
    assert len(fast) == pytest.approx(len(plain) / 4, rel=0.15)


def test_a_stock_voice_that_nobody_registered_speaks_and_says_so(client: TestClient, stages: FakeStages):
    told: list[RequestStats] = []
    client.app.state.pipeline._record = told.append
    response = client.post("/v1/audio/speech", json=HELLO)
    assert "registered" in response.headers["x-voice-note"]
    assert stages.prompts[-1].references == ()
    assert [stats.error for stats in told] == [None], "one request, and no failure"


@pytest.mark.parametrize("voice", ["alloy", {"id": "alloy"}])
def test_a_registered_voice_is_used(client: TestClient, stages: FakeStages, voice):
    client.post("/v1/references/add", data={"id": "alloy", "text": "the sea"}, files={"audio": recording()})
    response = client.post("/v1/audio/speech", json=HELLO | {"voice": voice})
    assert "x-voice-note" not in response.headers
    assert stages.prompts[-1].references[0].text == "the sea"
    assert client.get("/v1/audio/voices").json() == {"voices": [{"id": "alloy", "name": "alloy"}]}


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"voice": "nobody"}, 404, None),
        ({"voice": 3}, 400, "voice"),
        ({"input": ""}, 422, None),
        ({"input": None}, 400, "input"),
        ({"response_format": "ogg"}, 400, "response_format"),
        ({"speed": 5}, 400, "speed"),
        ({"speed": True}, 400, "speed"),
        ({"temperature": 2}, 400, None),
    ],
)
def test_errors_have_openais_form(client: TestClient, change, status, param):
    response = client.post("/v1/audio/speech", json=HELLO | change)
    assert response.status_code == status
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param


def test_events_carry_the_same_audio(client: TestClient):
    plain = client.post("/v1/audio/speech", json=HELLO | {"response_format": "pcm"}).content
    response = client.post("/v1/audio/speech", json=HELLO | {"response_format": "pcm", "stream_format": "sse"})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n\n") if line]
    assert [e["type"] for e in events[-2:]] == ["speech.audio.delta", "speech.audio.done"]
    assert b"".join(base64.b64decode(e["audio"]) for e in events[:-1]) == plain
    assert events[-1]["usage"] == {"input_tokens": 12, "output_tokens": 12, "total_tokens": 24}


def test_models(client: TestClient):
    (model,) = client.get("/v1/models").json()["data"]
    assert client.get(f"/v1/models/{model['id']}").json() == model
    missing = client.get("/v1/models/gpt-4")
    assert missing.status_code == 404
    assert model["id"] in missing.json()["error"]["message"]
