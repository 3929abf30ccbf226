"""Stages that answer at once with sines, and a real server around any ASGI app."""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
import threading
from collections.abc import AsyncGenerator, Callable, Iterator

import numpy as np
import soundfile
import uvicorn
from starlette.applications import Starlette

from deployments.ingress.asgi import create_app
from deployments.monitoring.stats import RequestStats
from deployments.synthesis.pipeline import Pipeline, Pool
from deployments.synthesis.segments import Limits
from deployments.synthesis.stages import STARTED_WITHIN, EncodedAudio
from deployments.synthesis.voices import VoiceLibrary
from deployments.system.health import ServerInfo
from models.reference_encoder import audio
from models.repository.served import CodecFigures, load
from models.types import EncodedReference, Prompt

FRAME = 2048
MODELS = load(CodecFigures(codebooks=10, frame_length=FRAME, sample_rate=44_100))
INFO = ServerInfo(
    version="0.0", checkpoint="fake", device="cpu", tier="test", precision="fp32", plan={"stages": {}}, models=MODELS
)


class FakeStages:
    """Real reading of references; speech is a sine, a frame a character, its pitch set by the seed. `fail` is raised
    after `fail_after` blocks; `endless` speaks until it is stopped."""

    sample_rate = 44100
    frame_rate = 44100 / FRAME
    codec_key = "fake"

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.encodes = 0
        self.active = 0
        self.most_active = 0
        self.blocks_made = 0
        self.fail: Exception | None = None
        self.fail_after = 0
        self.endless = False
        self.block_seconds = 0.0
        self.wakes = 0
        self.failed_at = -math.inf
        self.positions = 2048

    def wake(self) -> None:
        self.wakes += 1

    async def encode(self, recording: bytes) -> EncodedAudio:
        self.encodes += 1
        loaded = await asyncio.to_thread(audio.load, recording, self.sample_rate)
        codes = np.zeros((10, -(-len(loaded.waveform) // FRAME)), np.int16)
        return EncodedAudio(codes, loaded.heard, loaded.notes)

    async def room(self, reference: EncodedReference) -> int:
        return self.positions - reference.codes.shape[1] - len(reference.text)

    async def speak(self, prompt: Prompt, within: float = STARTED_WITHIN) -> AsyncGenerator[np.ndarray, None]:
        self.prompts.append(prompt)
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            frames = 10**9 if self.endless else min(len(prompt.text), prompt.sampling.max_new_tokens)
            made = blocks = 0
            while made < frames:
                await asyncio.sleep(self.block_seconds)
                if self.fail and blocks >= self.fail_after:
                    raise self.fail
                size = min(4 if not made else 25, frames - made)
                yield sine(prompt.sampling.seed, made * FRAME, size * FRAME)
                made += size
                blocks += 1
                self.blocks_made += 1
        finally:
            self.active -= 1


def sine(seed: int, start: int, samples: int) -> np.ndarray:
    at = np.arange(start, start + samples) / FakeStages.sample_rate
    return (0.5 * np.sin(2 * np.pi * (200 + seed % 400) * at)).astype(np.float32)


def make_pipeline(
    stages: FakeStages,
    voices: VoiceLibrary,
    limits: Limits = Limits(),  # noqa: B008
    record: Callable[[RequestStats], None] = lambda stats: None,
) -> Pipeline:
    """With one pool, whatever device is asked for."""
    pool = Pool("cpu", "cpu", stages, limits.tier, limits.tier_text_chars)
    return Pipeline(stages, voices, limits, lambda device: [pool], record)


def make_app(stages: FakeStages, voices: str, limits: Limits = Limits(), api_keys: tuple[str, ...] = ()) -> Starlette:  # noqa: B008
    return create_app(make_pipeline(stages, VoiceLibrary(voices), limits), INFO, api_keys)


@contextlib.contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """The app behind a real uvicorn on loopback; gives its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"


def recording(seconds: float = 4.0, rate: int = 44100, channels: int = 1, format: str = "WAV") -> bytes:
    """Something like speech: a buzz whose loudness goes up and down four times a second."""
    at = np.arange(int(seconds * rate)) / rate
    wave = 0.3 * np.sign(np.sin(2 * np.pi * 120 * at)) * (0.6 - 0.4 * np.cos(2 * np.pi * 4 * at))
    file = io.BytesIO()
    soundfile.write(file, np.repeat(wave[:, None], channels, axis=1), rate, format=format)
    return file.getvalue()
