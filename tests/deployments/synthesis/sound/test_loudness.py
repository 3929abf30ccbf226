"""Segments of one text are about as loud as its first."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import numpy as np
import pytest

from deployments.monitoring.stats import RequestStats
from deployments.synthesis.reading import WholeText
from deployments.synthesis.script import Script
from deployments.synthesis.segments import Limits
from deployments.synthesis.sound.loudness import MOST_DB, PEAK, Level, gain, scaled
from deployments.synthesis.speaking import Speaking
from models.text.markers import S1
from models.text.reader import Segment
from models.types import Prompt, Sampling
from tests.deployments.fakes import FakeStages

RATE = FakeStages.sample_rate


class UnevenStages(FakeStages):
    """Each segment is a buzz with pauses, `levels` dB louder than full scale's fortieth, by its first word's number."""

    def __init__(self, levels: list[float]) -> None:
        super().__init__()
        self.levels = levels

    async def speak(self, prompt: Prompt, within: float = 0.0) -> AsyncGenerator[np.ndarray, None]:
        number = int(prompt.text.split()[-1])
        at = np.arange(2 * RATE) / RATE
        wave = np.sin(2 * np.pi * 150 * at) * (np.sin(2 * np.pi * 2 * at) > 0) * 10 ** (self.levels[number] / 20) / 40
        for start in range(0, len(wave), RATE // 5):
            yield wave[start : start + RATE // 5].astype(np.float32)


def level(pcm: np.ndarray) -> float:
    measured = Level(RATE)
    measured.feed(pcm)
    assert measured.db is not None
    return measured.db


async def spoken(levels: list[float], marked: dict[int, str] | None = None) -> tuple[list[np.ndarray], np.ndarray]:
    """The segments as they are heard, and all of it."""
    texts = [f"{(marked or {}).get(number, '')} Segment {number}".strip() for number in range(len(levels))]
    script = Script(Sampling(), (), True, True, S1, {}, FakeStages.frame_rate)
    reading = WholeText([Segment(text) for text in texts])
    speaking = Speaking(UnevenStages(levels), reading, script, Limits(), 1.0, RequestStats(0, True))
    pcm = np.concatenate([block async for block in speaking.blocks()])
    return [pcm[each.start : each.end] for each in speaking.segments], pcm


@pytest.mark.parametrize(
    "levels",
    [[0, 0, 0], [0, 6, -6], [0, -9, 9, 3], [12, 0, 4], [0, 1.5, -1.5]],
    ids=lambda levels: " ".join(map(str, levels)),
)
async def test_any_two_segments_lie_within_two_db(levels: list[float]) -> None:
    segments, pcm = await spoken(levels)
    heard = [level(segment) for segment in segments]
    assert max(heard) - min(heard) <= 2.1
    assert np.abs(pcm).max() <= 1.0


async def test_segments_that_are_near_enough_are_left_alone() -> None:
    levels = [0, 0.8, -0.8]
    segments, _ = await spoken(levels)
    assert [round(level(each) - level(segments[0]), 1) for each in segments] == levels


async def test_a_whisper_stays_one() -> None:
    segments, _ = await spoken([0, -10, 6, 0], {1: "(whispering)"})
    heard = [level(each) - level(segments[0]) for each in segments]
    assert heard[1] == pytest.approx(-10, abs=0.1) and heard[2] < 1.1


async def test_a_first_segment_that_whispers_is_no_measure() -> None:
    segments, _ = await spoken([-10, 0, 0], {0: "(whispering)"})
    assert level(segments[1]) - level(segments[0]) == pytest.approx(10, abs=0.1)


def test_pauses_do_not_count() -> None:
    words = np.random.default_rng(1).uniform(-0.1, 0.1, RATE).astype(np.float32)
    apart = np.concatenate([words[: RATE // 2], np.zeros(3 * RATE, np.float32), words[RATE // 2 :]])
    assert level(apart) == pytest.approx(level(words), abs=0.1)


def test_too_little_tells_no_level() -> None:
    measured = Level(RATE)
    assert measured.db is None and gain(-20.0, measured) == 1.0
    measured.feed(np.full(RATE // 10, 0.1, np.float32))
    assert measured.db is None
    measured.feed(np.zeros(5 * RATE, np.float32))
    assert measured.db is None


def test_a_gain_has_a_bound_and_clips_nothing() -> None:
    quiet, spiky = Level(RATE), Level(RATE)
    quiet.feed(np.full(RATE, 0.01, np.float32))
    assert gain(0.0, quiet) == pytest.approx(10 ** (MOST_DB / 20))
    spiky.feed(np.concatenate([np.full(RATE, 0.1, np.float32), [0.9]]).astype(np.float32))
    assert gain(0.0, spiky) == pytest.approx(PEAK / 0.9)
    loud = np.array([0.1, -0.8, 0.5, 0.9], np.float32)
    assert np.abs(scaled(loud, 3.0, 3.0)).max() <= PEAK + 1e-6
    assert scaled(loud, 1.0, 1.0) is loud
