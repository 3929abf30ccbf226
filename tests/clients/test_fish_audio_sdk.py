"""Both clients of the real fish-audio-sdk package (legacy Session, FishAudio), pointed here by their base URL."""

from __future__ import annotations

import io

import av
import fishaudio
import httpx
import pytest
import soundfile
from fish_audio_sdk import HttpCodeErr, Prosody, ReferenceAudio, Session, TTSRequest

from tests.deployments.fakes import recording

SHORT = fishaudio.types.TTSConfig(max_new_tokens=20)
# Seconds of the tiny codec's 20 ms, spoken faster: random weights may end after one frame, and the SDKs send no seed.
A_FRAME = 0.016


@pytest.fixture
def session(server: str):
    with Session("unused", base_url=server) as session:
        yield session


@pytest.fixture
def client(server: str):
    with fishaudio.FishAudio(api_key="unused", base_url=server) as client:
        yield client


@pytest.fixture
def voice(server: str):
    form = {"id": "sdk voice", "text": "words"}
    httpx.post(f"{server}/v1/references/add", data=form, files={"audio": recording()}).raise_for_status()
    yield form["id"]
    httpx.delete(f"{server}/v1/references/{form['id']}").raise_for_status()


def seconds(audio: bytes) -> float:
    with av.open(io.BytesIO(audio)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def test_a_session_streams_mp3_by_default(session: Session):
    parts = list(session.tts(TTSRequest(text="Hi."), backend="s1"))
    assert seconds(b"".join(parts)) > A_FRAME


def test_a_session_clones_from_recordings(session: Session):
    request = TTSRequest(
        text="Hi.",
        format="wav",
        references=[ReferenceAudio(audio=recording(), text="words")],
        prosody=Prosody(speed=1.2, volume=-3),
    )
    wave, rate = soundfile.read(io.BytesIO(b"".join(session.tts(request))))
    assert rate > 8000
    assert len(wave) > 1000


async def test_a_session_awaits(server: str):
    async with Session("unused", base_url=server) as session:
        parts = [part async for part in session.tts.awaitable(TTSRequest(text="Hi.", format="pcm"))]
    assert sum(map(len, parts)) > 1000


def test_a_session_raises_its_own_error(session: Session):
    with pytest.raises(HttpCodeErr) as raised:
        list(session.tts(TTSRequest(text="Hi.", reference_id="nobody")))
    assert raised.value.status == 404


@pytest.mark.parametrize("format", ["mp3", "wav", "opus", "pcm"])
def test_convert(client: fishaudio.FishAudio, format: str):
    audio = client.tts.convert(text="Hi.", format=format, speed=1.1, latency="normal", config=SHORT)
    assert len(audio) > 1000 if format == "pcm" else seconds(audio) > A_FRAME


def test_convert_with_a_voice(client: fishaudio.FishAudio, voice: str):
    assert seconds(client.tts.convert(text="Hi.", reference_id=voice, config=SHORT)) > A_FRAME
    given = [fishaudio.types.ReferenceAudio(audio=recording(), text="words")]
    assert seconds(client.tts.convert(text="Hi.", references=given, config=SHORT)) > A_FRAME


def test_text_while_it_is_written(client: fishaudio.FishAudio, voice: str):
    words = ["The sea is w", "ide. ", fishaudio.types.FlushEvent(), "Its fish ", "are many."]
    for _ in range(2):
        audio = b"".join(client.tts.stream_websocket(iter(words), reference_id=voice, format="wav", config=SHORT))
        assert audio.count(b"RIFF") == 1
        assert seconds(audio) > A_FRAME


async def test_text_while_it_is_written_asynchronously(server: str):
    async def words():
        yield "The sea is w"
        yield "ide."

    async with fishaudio.AsyncFishAudio(api_key="unused", base_url=server) as client:
        parts = [part async for part in client.tts.stream_websocket(words(), format="mp3", config=SHORT)]
    assert seconds(b"".join(parts)) > A_FRAME


def test_a_socket_s_errors_are_the_sdks_own(client: fishaudio.FishAudio):
    with pytest.raises(fishaudio.exceptions.WebSocketError):
        list(client.tts.stream_websocket(iter(["Hi."]), reference_id="nobody", config=SHORT))


async def test_the_asynchronous_client(server: str):
    async with fishaudio.AsyncFishAudio(api_key="unused", base_url=server) as client:
        parts = [part async for part in await client.tts.stream(text="Hi.", config=SHORT)]
    assert seconds(b"".join(parts)) > A_FRAME


def test_errors_are_the_sdks_own(client: fishaudio.FishAudio):
    with pytest.raises(fishaudio.exceptions.NotFoundError, match="nobody"):
        client.tts.convert(text="Hi.", reference_id="nobody")
    with pytest.raises(fishaudio.exceptions.APIError, match="nothing to say"):
        client.tts.convert(text="  ")
