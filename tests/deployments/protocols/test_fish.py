from __future__ import annotations

import base64
import io

import numpy as np
import ormsgpack
import pytest
import soundfile
from starlette.testclient import TestClient

from deployments.protocols import fish
from tests.deployments.fakes import FakeStages, recording

HELLO = {"text": "Hello there.", "format": "wav"}


def pcm(wav: bytes) -> np.ndarray:
    return soundfile.read(io.BytesIO(wav), dtype="float32")[0]


def test_json_gives_a_whole_wav(client: TestClient):
    response = client.post("/v1/tts", json=HELLO | {"seed": 11})
    assert response.status_code == 200
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["content-length"] == str(len(response.content))
    assert response.headers["x-seed"] == "11"
    wave, rate = soundfile.read(io.BytesIO(response.content))
    assert rate == 44100
    assert len(wave) == len(HELLO["text"]) * 2048
    assert 0.45 < np.abs(wave).max() < 0.55


def test_a_streamed_wav_has_no_length_and_the_same_audio(client: TestClient):
    whole = client.post("/v1/tts", json=HELLO | {"seed": 1})
    streamed = client.post("/v1/tts", json=HELLO | {"seed": 1, "streaming": True})
    assert "content-length" not in streamed.headers
    np.testing.assert_array_equal(pcm(streamed.content), pcm(whole.content))


def test_a_missing_seed_is_drawn_and_told(client: TestClient, stages: FakeStages):
    told = {client.post("/v1/tts", json=HELLO).headers["x-seed"] for _ in range(3)}
    assert len(told) == 3
    assert {str(p.sampling.seed) for p in stages.prompts} == told


def test_every_format_says_what_it_is(client: TestClient):
    kinds = {
        name: client.post("/v1/tts", json=HELLO | {"format": name}).headers["content-type"]
        for name in ("wav", "pcm", "mp3", "opus", "flac", "aac")
    }
    assert kinds == {
        "wav": "audio/wav",
        "pcm": "audio/pcm",
        "mp3": "audio/mpeg",
        "opus": "audio/ogg",
        "flac": "audio/flac",
        "aac": "audio/aac",
    }


def test_pcm_tells_its_rate(client: TestClient):
    response = client.post("/v1/tts", json=HELLO | {"format": "pcm", "sample_rate": 16000})
    assert response.headers["x-sample-rate"] == "16000"
    assert len(response.content) // 2 == pytest.approx(len(HELLO["text"]) * 2048 * 16000 / 44100, abs=50)


@pytest.mark.parametrize("audio", [recording(), b""], ids=["recording", "empty"])
def test_json_and_msgpack_carry_references_alike(client: TestClient, stages: FakeStages, audio: bytes):
    encoded = {"audio": base64.b64encode(audio).decode(), "text": "the sea"}
    in_json = client.post("/v1/tts", json=HELLO | {"references": [encoded], "seed": 1})
    packed = ormsgpack.packb(HELLO | {"references": [{"audio": audio, "text": "the sea"}], "seed": 1})
    in_msgpack = client.post("/v1/tts", content=packed, headers={"content-type": "application/msgpack"})
    assert in_json.status_code == in_msgpack.status_code == (200 if audio else 415)
    assert in_json.content == in_msgpack.content
    assert stages.encodes == (1 if audio else 2)


def test_base64_may_be_wrapped_or_a_data_url(client: TestClient, stages: FakeStages):
    text = base64.encodebytes(recording()).decode()
    for audio in (text, "data:audio/wav;base64," + text):
        response = client.post("/v1/tts", json=HELLO | {"references": [{"audio": audio, "text": "a"}]})
        assert response.status_code == 200, response.text
    assert stages.encodes == 1


def test_a_form_carries_files_and_texts_in_pairs(client: TestClient, stages: FakeStages):
    response = client.post(
        "/v1/tts",
        data={**HELLO, "streaming": "true", "seed": "4", "temperature": "0.5", "reference_text": ["one", "two"]},
        files=[("reference_audio", ("a.wav", recording(4))), ("reference_audio", ("b.wav", recording(5)))],
    )
    assert response.status_code == 200, response.text
    (prompt,) = stages.prompts
    assert [r.text for r in prompt.references] == ["one", "two"]
    assert prompt.references[0].codes.shape[1] < prompt.references[1].codes.shape[1]
    assert (prompt.sampling.seed, prompt.sampling.temperature) == (4, 0.5)


@pytest.mark.parametrize(
    ("data", "files", "names"),
    [
        ({"reference_text": "a"}, {}, "reference_audio"),
        ({}, {"reference_audio": recording()}, "reference_text"),
        ({"reference_audio": "voice.wav", "reference_text": "a"}, {}, "-F reference_audio=@"),
        ({"temperature": "hot"}, {}, "temperature"),
    ],
)
def test_a_wrong_form_names_the_field(client: TestClient, data, files, names):
    files = {"unused": b"x", **files}
    response = client.post("/v1/tts", data={"text": "Hello.", **data}, files=files)
    assert response.status_code == 400
    assert names in response.json()["message"]


def test_curls_plain_data_is_read_as_json(client: TestClient):
    kind = "application/x-www-form-urlencoded"
    response = client.post("/v1/tts", content=b'{"text": "Hello."}', headers={"content-type": kind})
    assert response.status_code == 200


def test_nulls_mean_absent(client: TestClient):
    nulls = dict.fromkeys(("seed", "prosody", "reference_id", "references", "sample_rate", "temperature", "latency"))
    assert client.post("/v1/tts", json=HELLO | nulls).status_code == 200


def test_prosody_changes_length_and_loudness(client: TestClient):
    plain = pcm(client.post("/v1/tts", json=HELLO | {"seed": 1}).content)
    fast = pcm(client.post("/v1/tts", json=HELLO | {"seed": 1, "prosody": {"speed": 2.0}}).content)
    quiet = pcm(client.post("/v1/tts", json=HELLO | {"seed": 1, "prosody": {"volume": -6.0}}).content)
    assert len(fast) == pytest.approx(len(plain) / 2, rel=0.1)
    assert np.abs(quiet).max() == pytest.approx(np.abs(plain).max() * 10 ** (-6 / 20), rel=0.01)


def test_the_clouds_clients_are_streamed_to(client: TestClient):
    packed = ormsgpack.packb({"text": "Hello.", "format": "mp3"})
    headers = {"content-type": "application/msgpack", "model": "s1"}
    assert "content-length" not in client.post("/v1/tts", content=packed, headers=headers).headers
    del headers["model"]
    assert "content-length" in client.post("/v1/tts", content=packed, headers=headers).headers


def test_the_clouds_clients_get_its_defaults(client: TestClient):
    response = client.post("/v1/tts", json={"text": "Hello."}, headers={"model": "s1"})
    assert response.headers["content-type"] == "audio/mpeg"
    wav = client.post("/v1/tts", json=HELLO | {"seed": 1}, headers={"model": "s1"})
    assert "content-length" not in wav.headers, "LiveKit's plugin plays a WAV as it comes"
    np.testing.assert_array_equal(pcm(wav.content), pcm(client.post("/v1/tts", json=HELLO | {"seed": 1}).content))


@pytest.mark.parametrize(
    "asked",
    [
        {"chunk_length": 1000},  # upstream's web page
        {"max_new_tokens": 0},  # upstream's clients: no limit
        {"temperature": 0.0, "top_p": 0.05},  # Fish's documents: from 0
        {"format": "opus", "opus_bitrate": 64000},  # Fish's documents and LiveKit's plugin: bits a second
        {"format": "opus", "opus_bitrate": -1000},
    ],
)
def test_what_fishs_own_clients_send_is_taken(client: TestClient, stages: FakeStages, asked: dict):
    assert client.post("/v1/tts", json=HELLO | asked).status_code == 200
    sampling = fish.TTSRequest.model_validate(HELLO | asked | {"streaming": False}).sampling()
    assert sampling.max_new_tokens == (8192 if "max_new_tokens" in asked else 1024)
    assert stages.prompts[-1].sampling.temperature == sampling.temperature == (0.1 if "temperature" in asked else 0.8)


def test_a_voice_that_nobody_chose_speaks_and_says_so(client: TestClient, stages: FakeStages):
    livekits = HELLO | {"reference_id": "933563129e564b19a115bedd57b7406a"}
    response = client.post("/v1/tts", json=livekits)
    assert "registered" in response.headers["x-voice-note"] and stages.prompts[-1].references == ()
    voice = {"id": livekits["reference_id"], "text": "the sea"}
    assert client.post("/v1/references/add", data=voice, files={"audio": recording()}).status_code == 200
    response = client.post("/v1/tts", json=livekits)
    assert "x-voice-note" not in response.headers and stages.prompts[-1].references[0].text == "the sea"
    assert client.post("/v1/references/add", data=voice, files={"audio": recording()}).status_code == 409


def test_truncation_is_told(client: TestClient):
    response = client.post("/v1/tts", json=HELLO | {"text": "word " * 300, "on_long_text": "truncate"})
    assert response.headers["x-text-truncated"] == "true"
    assert int(response.headers["x-truncated-text-length"]) <= int(response.headers["x-max-text-length"])


def test_the_life_of_a_voice(client: TestClient, stages: FakeStages):
    added = client.post("/v1/references/add", data={"id": "sea", "text": "the sea"}, files={"audio": recording()})
    assert added.status_code == 200, added.text
    assert added.json()["success"] is True
    listed = client.get("/v1/references/list").json()
    assert (listed["success"], listed["reference_ids"]) == (True, ["sea"])
    assert client.get("/v1/references/sea").json()["text"] == "the sea"
    assert client.post("/v1/tts", json=HELLO | {"reference_id": "sea"}).status_code == 200
    assert stages.prompts[-1].references[0].text == "the sea"
    names = {"old_reference_id": "sea", "new_reference_id": "ocean"}
    assert client.post("/v1/references/update", json=names).status_code == 200
    assert client.post("/v1/tts", json=HELLO | {"reference_id": "sea"}).status_code == 404
    assert client.post("/v1/tts", json=HELLO | {"reference_id": "ocean"}).status_code == 200
    assert client.request("DELETE", "/v1/references/delete", json={"reference_id": "ocean"}).status_code == 200
    assert client.get("/v1/references/ocean").status_code == 404
    assert stages.encodes == 1


@pytest.mark.parametrize("kind", ["json", "msgpack"])
def test_voices_come_as_json_and_msgpack(client: TestClient, kind: str):
    body = {"id": "sea", "text": "the sea", "audio": recording()}
    if kind == "json":
        response = client.post("/v1/references/add", json=body | {"audio": base64.b64encode(body["audio"]).decode()})
    else:
        headers = {"content-type": "application/msgpack"}
        response = client.post("/v1/references/add", content=ormsgpack.packb(body), headers=headers)
    assert response.status_code == 200, response.text
    assert client.delete("/v1/references/sea").status_code == 200
    assert client.delete("/v1/references/sea").status_code == 404


def test_reference_id_goes_before_references(client: TestClient, stages: FakeStages):
    client.post("/v1/references/add", data={"id": "sea", "text": "the sea"}, files={"audio": recording()})
    reference = {"audio": base64.b64encode(recording(5)).decode(), "text": "other"}
    client.post("/v1/tts", json=HELLO | {"reference_id": "sea", "references": [reference]})
    assert [r.text for r in stages.prompts[-1].references] == ["the sea"]


def test_health(client: TestClient):
    assert client.get("/v1/health").json() == {"status": "ok"}
    body = client.get("/health").json()
    assert (body["status"], body["tier"], body["sample_rate"]) == ("ok", "test", 44100)
    assert body["reference_cache"] == {"entries": 0, "hits": 0, "misses": 0}
