"""Segments and the silences between them, as they are heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from deployments.monitoring.stats import RequestStats
from deployments.synthesis.reading import WholeText
from deployments.synthesis.script import Script
from deployments.synthesis.segments import Limits
from deployments.synthesis.sound.joining import SEAM_SECONDS
from deployments.synthesis.speaking import Speaking, SpokenSegment
from models.text.markers import S1
from models.text.reader import Segment
from models.types import Busy, Prompt, Sampling
from tests.deployments.fakes import FRAME, FakeStages, sine

RATE = FakeStages.sample_rate
SEAM = round(SEAM_SECONDS * RATE)
A, B = Segment("Hello.", pause=0.5), Segment("World.")
SECONDS = FRAME * 6 / RATE  # of either


def speaking(stages: FakeStages, segments: Sequence[Segment]) -> Speaking:
    script = Script(Sampling(seed=3), (), True, True, S1, {}, stages.frame_rate)
    return Speaking(stages, WholeText(segments), script, Limits(), 1.0, RequestStats(0, True))


async def heard(stages: FakeStages, segments: Sequence[Segment]) -> tuple[np.ndarray, list[SpokenSegment]]:
    spoken = speaking(stages, segments)
    blocks = [block async for block in spoken.blocks()]
    assert stages.active == 0
    return np.concatenate(blocks), spoken.segments


def silences(pcm: np.ndarray) -> list[tuple[float, float]]:
    """(start, length) in seconds of every exact silence of over 20 ms."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], pcm == 0, [0]]).astype(int)))
    runs = edges.reshape(-1, 2)
    return [(start / RATE, (end - start) / RATE) for start, end in runs if end - start > 0.02 * RATE]


@pytest.mark.parametrize(
    ("segments", "wanted"),
    [
        ([A, B], [(SECONDS, 0.5)]),
        ([A], [(SECONDS, 0.5)]),
        ([B, A], [(2 * SECONDS, 0.5)]),
        ([Segment("", 0.3), B], [(0, 0.3)]),
        ([Segment("", 0.3), Segment("", 0.2), A, Segment("", 0.25), B], [(0, 0.5), (0.5 + SECONDS, 0.75)]),
        ([Segment("", 0.3), Segment("", 1.0)], [(0, 1.3)]),
        ([A, replace(B, pause=1.0), Segment("", 0.1)], [(SECONDS, 0.5), (2 * SECONDS + 0.5, 1.1)]),
    ],
)
async def test_pauses_are_silence_of_their_length(
    stages: FakeStages, segments: list[Segment], wanted: list[tuple[float, float]]
) -> None:
    pcm, spoken = await heard(stages, segments)
    words = [segment.text for segment in segments if segment.text]
    pauses = sum(segment.pause for segment in segments)
    assert len(pcm) / RATE == pytest.approx(pauses + SECONDS * len(words), abs=1e-3)
    assert [each.text for each in spoken] == words
    for (start, length), (wanted_start, wanted_length) in zip(silences(pcm), wanted, strict=True):
        assert start == pytest.approx(wanted_start, abs=2 * SEAM_SECONDS)
        assert length == pytest.approx(wanted_length, abs=2 * SEAM_SECONDS)


async def test_no_edge_of_a_pause_clicks(stages: FakeStages) -> None:
    pcm, _ = await heard(stages, [replace(A, pause=0.05), replace(B, pause=0.05)] * 4)
    seeds = [prompt.sampling.seed for prompt in stages.prompts]
    steepest = max(np.abs(np.diff(sine(seed, 0, 6 * FRAME))).max() for seed in seeds)
    assert np.abs(np.diff(pcm)).max() < 1.3 * steepest


async def test_a_first_pause_waits_until_the_stages_have_agreed(stages: FakeStages) -> None:
    stages.fail = Busy("full")
    blocks = speaking(stages, [Segment("", 0.3), A]).blocks()
    with pytest.raises(Busy):
        await anext(blocks)


async def test_a_pause_does_not_stand_for_words_that_made_no_sound(stages: FakeStages) -> None:
    class Mute(FakeStages):
        async def speak(self, prompt: Prompt, within: float = 0.0):
            return
            yield

    blocks = speaking(Mute(), [A, B]).blocks()
    assert await anext(blocks, None) is None
