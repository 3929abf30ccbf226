"""The real openai package, pointed here by its base URL alone."""

from __future__ import annotations

import io

import av
import httpx
import numpy as np
import openai
import pytest
import soundfile

from tests.deployments.fakes import recording

SHORT = {"max_new_tokens": 20, "seed": 1}


@pytest.fixture
def client(server: str):
    with openai.OpenAI(base_url=f"{server}/v1", api_key="unused", max_retries=0) as client:
        yield client


def decoded(audio: bytes) -> np.ndarray:
    with av.open(io.BytesIO(audio)) as container:
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])


@pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac", "wav"])
def test_speech_in_every_format(client: openai.OpenAI, format: str):
    speech = client.audio.speech.create(
        model="tts-1", voice="alloy", input="Hello there.", response_format=format, extra_body=SHORT
    )
    assert len(decoded(speech.content)) > 2000


def test_pcm_and_speed(client: openai.OpenAI):
    sizes = {}
    for speed in (1.0, 2.0):
        speech = client.audio.speech.create(
            model="gpt-4o-mini-tts",
            voice="alloy",
            input="Hello there.",
            instructions="Speak calmly.",
            response_format="pcm",
            speed=speed,
            extra_body=SHORT,
        )
        sizes[speed] = len(np.frombuffer(speech.content, np.int16))
    assert sizes[2.0] == pytest.approx(sizes[1.0] / 2, rel=0.25)


def test_streaming_to_a_file(client: openai.OpenAI, tmp_path):
    path = tmp_path / "speech.wav"
    request = client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hello there.", response_format="wav", extra_body=SHORT
    )
    with request as response:
        assert response.headers["x-seed"] == "1"
        response.stream_to_file(path)
    wave, rate = soundfile.read(path)
    assert rate > 8000
    assert len(wave) > 1000


async def test_the_asynchronous_client(server: str):
    async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="unused") as client:
        request = client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input="Hello there.", response_format="pcm", extra_body=SHORT
        )
        async with request as response:
            audio = b"".join([part async for part in response.iter_bytes()])
    assert len(audio) > 1000


def test_models(client: openai.OpenAI):
    (model,) = client.models.list().data
    assert client.models.retrieve(model.id).id == model.id
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_a_custom_voice_by_id(client: openai.OpenAI, server: str):
    form = {"id": "custom", "text": "words"}
    httpx.post(f"{server}/v1/references/add", data=form, files={"audio": recording()}).raise_for_status()
    for voice in ("custom", {"id": "custom"}):
        speech = client.audio.speech.with_raw_response.create(
            model="tts-1", voice=voice, input="Hello there.", extra_body=SHORT
        )
        assert "x-voice-note" not in speech.headers
    httpx.delete(f"{server}/v1/references/custom").raise_for_status()


@pytest.mark.parametrize(
    ("change", "error", "param"),
    [
        ({"voice": "nobody"}, openai.NotFoundError, None),
        ({"response_format": "midi"}, openai.BadRequestError, "response_format"),
        ({"speed": 9}, openai.BadRequestError, "speed"),
        ({"input": "  "}, openai.UnprocessableEntityError, None),
    ],
)
def test_errors_are_the_sdks_own(client: openai.OpenAI, change, error, param):
    with pytest.raises(error) as raised:
        client.audio.speech.create(**{"model": "tts-1", "voice": "alloy", "input": "Hello there."} | change)
    assert raised.value.param == param
    assert raised.value.type == "invalid_request_error"
    assert raised.value.code
    assert raised.value.request_id
