"""The whole graph over real HTTP: streaming that is true, batches that form, work that stops with its client."""

from __future__ import annotations

import io
import json
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
import soundfile
from ray import serve

from deployments.stages.handles import RayStages
from models.checkpoint.reader import Checkpoint
from models.types import NotReady, Prompt
from tests.graph.server import eventually
from tests.paths import RECORDINGS

VOICE = RECORDINGS / "allison-en.wav"
WORDS = "Congratulations! You have successfully installed and executed the Asterisk Open Source PBX."
TEXT = (
    "The shoal turns as one. Every fish follows its neighbour, and nobody gives an order; the light moves over their "
    "backs like wind over a field of barley. When a shadow falls, the whole body folds, opens, and is somewhere else "
    "before the eye has caught up. Fishermen on the old pier say that a shoal remembers the shape of the harbour "
    "better than any chart, and that it sings at night, though no one has heard it."
)


@pytest.fixture
def client(graph: str):
    with httpx.Client(base_url=graph, timeout=120) as client:
        yield client


def engine(client: httpx.Client) -> dict:
    return client.get("/health").json()["engine"]


def form(text: str, **fields: object) -> dict:
    files = {"reference_audio": ("voice.wav", VOICE.read_bytes(), "audio/wav")}
    return {"data": {"text": text, "reference_text": WORDS, **fields}, "files": files}


def speech(client: httpx.Client, **body: object) -> np.ndarray:
    response = client.post("/v1/tts", json={"format": "pcm", **body})
    assert response.status_code == 200, response.text
    return np.frombuffer(response.content, np.int16)


def test_a_cloned_text_streams_as_a_wav_that_players_open(client: httpx.Client, tiny: Path) -> None:
    assert len(TEXT) >= 400
    with client.stream("POST", "/v1/tts", **form(TEXT, streaming="true", seed="3")) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "audio/wav"
        audio = b"".join(response.iter_raw())
    rate = Checkpoint(tiny).codec_config.sample_rate
    sound, read_rate = soundfile.read(io.BytesIO(audio))
    assert read_rate == rate
    with av.open(io.BytesIO(audio)) as container:
        assert container.streams.audio[0].rate == rate
        assert sum(frame.samples for frame in container.decode(audio=0)) == len(sound)
    with wave.open(io.BytesIO(audio)) as reader:
        assert reader.getframerate() == rate
    assert np.isfinite(sound).all()
    assert np.abs(sound).mean() > 0.001 and np.abs(sound).max() < 1
    assert len(sound) > rate


def test_audio_arrives_while_frames_are_still_being_generated(client: httpx.Client) -> None:
    # Long enough that asking for the count does not take as long as all of the tiny checkpoint's frames.
    body = {"text": TEXT * 8, "streaming": True, "seed": 9, "format": "pcm"}
    with client.stream("POST", "/v1/tts", json=body) as response:
        parts = response.iter_raw()
        first = next(parts)
        frames = engine(client)["frames"]
        whole = first + b"".join(parts)
    assert engine(client)["frames"] > frames, "every frame existed before the first block left"
    assert len(whole) > len(first) > 0


def test_eight_requests_at_once_share_batches_and_sound_as_alone(client: httpx.Client) -> None:
    requests = [{"text": f"Sentence number {i} of eight.", "seed": 50 + i, "max_new_tokens": 120} for i in range(8)]
    alone = [speech(client, **request) for request in requests]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda request: speech(client, **request), requests))
        streamed = list(pool.map(lambda request: speech(client, streaming=True, **request), requests))
    assert engine(client)["widest_batch"] > 4
    frame = 480
    for one, two, three in zip(alone, together, streamed, strict=True):
        assert len(one) == len(two) == len(three) and len(one) % frame == 0
        # bf16 codecs round differently in other batch shapes; the codes are the same.
        assert max(np.abs(one.astype(int) - two).max(), np.abs(one.astype(int) - three).max()) < 700


def test_a_client_that_leaves_stops_its_work(client: httpx.Client) -> None:
    body = {"text": TEXT, "streaming": True, "seed": 1, "max_new_tokens": 1024, "format": "pcm"}
    for _ in range(3):
        with client.stream("POST", "/v1/tts", json=body) as response:
            next(response.iter_raw())
    eventually(lambda: engine(client), lambda stats: stats["slots_used"] == stats["waiting"] == 0)
    assert len(speech(client, text="Still here.", seed=1, max_new_tokens=30)) > 0


def test_a_registered_voice_sounds_as_its_recording_sent_along(client: httpx.Client) -> None:
    voice = {"data": {"id": "graph-allison", "text": WORDS}, "files": {"audio": VOICE.read_bytes()}}
    response = client.post("/v1/references/add", **voice)
    assert response.status_code == 200, response.text
    registered = speech(client, text="Hello there.", reference_id="graph-allison", seed=5, max_new_tokens=60)
    fields = {"format": "pcm", "seed": "5", "max_new_tokens": "60"}
    sent = client.post("/v1/tts", **form("Hello there.", **fields))
    assert np.abs(registered.astype(int) - np.frombuffer(sent.content, np.int16)).max() < 700
    other = speech(client, text="Hello there.", seed=5, max_new_tokens=60)
    assert len(other) != len(registered) or not np.array_equal(other, registered)
    before = engine(client)["prefix_cache_hits"]
    speech(client, text="Other words.", reference_id="graph-allison", seed=6, max_new_tokens=20)
    assert engine(client)["prefix_cache_hits"] > before
    assert client.delete("/v1/references/graph-allison").status_code == 200


def test_health_tells_what_runs(client: httpx.Client) -> None:
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert health["device"] == "cpu"
    assert health["engine"]["slots"] == 16
    assert all(health["stages"].values()), health["stages"]
    assert "token" not in json.dumps(health).lower().replace("tokens", "")


async def test_codes_of_another_codec_are_refused(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another checkpoint is deployed, old and new replicas run side by side."""
    monkeypatch.setattr("deployments.stages.handles.STARTED_WITHIN", 0.5)
    names = ("ReferenceEncoder", "TextToSemantic", "VQDecoder")
    handles = (serve.get_deployment_handle(name, "graph") for name in names)
    stages = RayStages(*handles, sample_rate=44100, frame_length=2048, codec_key="another")
    with pytest.raises(NotReady, match="another checkpoint is being deployed"):
        await stages.encode(VOICE.read_bytes())
    with pytest.raises(NotReady, match="another checkpoint is being deployed"):
        await anext(stages.speak(Prompt("Hello.")))
