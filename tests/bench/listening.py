"""Listeners: requests with registered voices and unique texts, to the graph over HTTP or to a pipeline in this process,
and when their audio came."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from deployments.monitoring.stats import Playback
from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.voices import VoiceLibrary
from models.checkpoint.reader import Checkpoint
from models.types import Sampling, SynthesisRequest

VOICES = 4
REFERENCE_SECONDS = 10
TRANSCRIPT = "A recording of ten seconds holds about as many words as this, spoken at an easy pace and without a pause."
WORDS = [
    "the",
    "shoal",
    "turns",
    "as",
    "one",
    "while",
    "light",
    "moves",
    "over",
    "every",
    "back",
    "and",
    "nobody",
    "leads",
]


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: seconds to its first audio and to its end, seconds of audio, and blocks that came after the audio
    before them had been played."""

    first: float
    total: float
    audio: float
    late: int

    @property
    def rtf(self) -> float:
        return self.total / self.audio


# (text, voice, frames, seed) -> the number of samples of each piece of audio, as it comes
Speak = Callable[[str, str, int, int], AsyncIterator[int]]


async def hear(speak: Speak, sample_rate: int, number: int, frames: int) -> Heard:
    """Request number `number`, which decides text, voice and seed, of `frames` frames. Raises what `speak` raises."""
    began = time.perf_counter()
    first, samples, playback = 0.0, 0, Playback()
    async for count in speak(text(number), f"voice-{number % VOICES}", frames, number):
        now = time.perf_counter() - began
        first = first or now
        playback.heard(now, count / sample_rate)
        samples += count
    return Heard(first, time.perf_counter() - began, samples / sample_rate, playback.late_blocks)


def text(number: int) -> str:
    """A sentence of about 80 characters, another for every number."""
    words = random.Random(number).choices(WORDS, k=15)
    return " ".join(words).capitalize() + "."


def over_http(client: httpx.AsyncClient) -> Speak:
    async def speak(text: str, voice: str, frames: int, seed: int) -> AsyncIterator[int]:
        body = {"text": text, "reference_id": voice, "max_new_tokens": frames, "seed": seed}
        async with client.stream("POST", "/v1/tts", json={"format": "pcm", "streaming": True, **body}) as response:
            if response.status_code != 200:
                raise httpx.HTTPStatusError(
                    (await response.aread()).decode(), request=response.request, response=response
                )
            async for part in response.aiter_raw():
                yield len(part) // 2

    return speak


def in_process(pipeline: Pipeline) -> Speak:
    async def speak(text: str, voice: str, frames: int, seed: int) -> AsyncIterator[int]:
        sampling = Sampling(max_new_tokens=frames, seed=seed)
        speech = await pipeline.open(
            SynthesisRequest(text, voice=voice, sampling=sampling, format="pcm", streaming=True)
        )
        async for block in speech.blocks():
            yield len(block)

    return speak


def register_voices(folder: Path, checkpoint: Checkpoint) -> None:
    """Put voices with stored codes of a 10 s reference into a library."""
    library, config = VoiceLibrary(str(folder)), checkpoint.codec_config
    for i in range(VOICES):
        shape = (config.num_codebooks, round(REFERENCE_SECONDS * config.frame_rate))
        codes = np.random.default_rng(i).integers(0, config.codebook_size, shape).astype(np.int16)
        library.put_codes(
            library.add(f"voice-{i}", b"never read: its codes are stored", TRANSCRIPT), checkpoint.codec_key, codes
        )
