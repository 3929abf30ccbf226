from __future__ import annotations

import base64
import io
import json
import wave
from typing import Any

import pytest
import soundfile
from starlette.testclient import TestClient

from deployments.monitoring.stats import RequestStats
from tests.deployments.fakes import FakeStages, recording
from tests.deployments.protocols.asking import FISH, OPENAI, WORDS, ask, spoken

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


@pytest.mark.parametrize("stream", [False, "false"])
def test_a_wav_that_is_not_streamed_has_its_true_size(client: TestClient, stream: Any) -> None:
    whole = spoken(client, OPENAI, response_format="wav", stream=stream)
    assert whole.headers["content-length"] == str(len(whole.content))
    with wave.open(io.BytesIO(whole.content)) as file:
        assert file.getnframes() == len(WORDS) * 2048
    streamed = spoken(client, OPENAI, response_format="wav", stream=True)
    assert "content-length" not in streamed.headers and streamed.content[40:44] == b"\xff" * 4


@pytest.mark.parametrize(
    ("body", "rate", "width", "kind"),
    [
        ({"response_format": "pcm"}, 24_000, 2, "audio/pcm"),
        ({"response_format": "pcm", "sample_rate": 8000}, 8000, 2, "audio/pcm"),
        ({"response_format": "pcm", "sample_rate": "16000"}, 16_000, 2, "audio/pcm"),
        ({"response_format": "ulaw"}, 8000, 1, "audio/basic"),
        ({"response_format": "ULAW", "sample_rate": 8000}, 8000, 1, "audio/basic"),
        ({"response_format": "alaw"}, 8000, 1, "audio/x-alaw-basic"),
    ],
)
def test_telephones_get_their_rate(client: TestClient, body: Any, rate: int, width: int, kind: str) -> None:
    response = spoken(client, OPENAI, **body)
    assert response.headers["content-type"] == kind and response.headers["x-sample-rate"] == str(rate)
    assert len(response.content) / width == pytest.approx(len(WORDS) * 2048 * rate / 44100, abs=100)


def test_a_sample_rate_is_honoured_in_containers_or_refused(client: TestClient) -> None:
    wav = spoken(client, OPENAI, response_format="wav", sample_rate=22050).content
    assert soundfile.info(io.BytesIO(wav)).samplerate == 22050
    for format, rate in (("ulaw", 16_000), ("opus", 44_100), ("mp3", 7)):
        response = ask(client, OPENAI, response_format=format, sample_rate=rate)
        assert response.status_code == 400 and "choose from" in response.json()["error"]["message"]


def test_the_lists_that_other_clients_ask_for(client: TestClient) -> None:
    listed = client.get("/v1/audio/models").json()
    assert listed["data"] == listed["models"] == client.get("/v1/models").json()["data"]


@pytest.mark.parametrize(
    ("path", "body", "streams"),
    [
        (FISH, {"streaming": True}, True),
        (FISH, {}, False),
        (OPENAI, {}, True),
        (OPENAI, {"stream_format": "sse"}, True),
        (OPENAI, {"stream": False}, False),
    ],
)
def test_a_stream_asks_proxies_to_pass_it_on(client: TestClient, path: str, body: Any, streams: bool) -> None:
    headers = spoken(client, path, **body).headers
    assert headers.get("x-accel-buffering") == ("no" if streams else None)
    assert headers.get("cache-control") == ("no-cache" if streams else None)
