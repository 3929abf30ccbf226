"""Blocks grow no faster than they are made in time, and hold every frame in order."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise

import numpy as np
import pytest

from models.text_to_semantic.engine.blocks import Pace, gather, ramp
from models.text_to_semantic.engine.work import Event
from models.types import Finished, NotReady

RATE = 21.5  # S1-mini's frames a second


def blocks(seconds: Iterable[float], first: int = 4) -> list[tuple[int, float]]:
    """The blocks of a stream whose frames take so many seconds each: how many frames, and when they were there."""
    pace, made, frames, now = Pace(ramp(first, 25), RATE), [], 0, 10.0
    for each in seconds:
        frames, now = frames + 1, now + each
        if pace.came(frames, now):
            made.append((frames, now))
            frames = 0
    return made


def sizes(speed: float, count: int, first: int = 4) -> list[int]:
    """The first blocks of a stream whose frames come `speed` times as fast as they sound."""
    return [size for size, _ in blocks([1 / RATE / speed] * 25 * count, first)][:count]


def silence(made: list[tuple[int, float]]) -> float:
    """Seconds in which a listener who plays each block as it comes has nothing to play."""
    (first, began), *others = made
    until, missed = began + first / RATE, 0.0
    for size, there in others:
        missed += max(0.0, there - until)
        until = max(until, there) + size / RATE
    return missed


def test_blocks_grow_to_the_largest_and_stay() -> None:
    assert sizes(0.9, 15) == [4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 19, 22, 25, 25, 25]
    assert ramp(30, 25) == ramp(25, 25) == sizes(100, 1, first=30) == [25]


def test_a_fast_machine_makes_large_blocks_at_once() -> None:
    assert sizes(3, 6) == [4, 5, 10, 19, 25, 25]
    assert sizes(20, 4) == [4, 25, 25, 25]


@pytest.mark.parametrize("speed", [1.25, 1.5, 2, 3, 5, 10, 30])
def test_speech_made_faster_than_it_sounds_has_no_gap(speed: float) -> None:
    assert silence(blocks([1 / RATE / speed] * 1000)) < 1e-9


def test_a_stream_that_slows_down_hands_over_what_is_there_and_grows_step_by_step_again() -> None:
    quick, slow = 1 / RATE / 20, 0.05
    assert [size for size, _ in blocks([quick] * 4 + [slow] * 100)][:6] == [4, 5, 6, 7, 8, 9]
    assert [size for size, _ in blocks([quick] * 29 + [slow] * 100)][:5] == [4, 25, 25, 25, 25]


@pytest.mark.parametrize("speed", [3, 5, 10, 20])
@pytest.mark.parametrize("seconds", [0.02, 0.05])
@pytest.mark.parametrize("at", [4, 5, 9, 15, 40])
def test_eight_slow_steps_are_heard_no_more_than_with_small_blocks(speed: float, seconds: float, at: int) -> None:
    quick = 1 / RATE / speed
    frames = [quick] * at + [seconds] * 8 + [quick] * 200
    ends = list(accumulate(ramp(4, 25) + [25] * 3))
    small = [(end - begin, 10.0 + sum(frames[:end])) for begin, end in pairwise([0, *ends])]
    assert silence(blocks(frames)) <= silence(small) + 1e-9


def test_blocks_hold_all_frames_and_what_is_left_comes_before_the_end() -> None:
    got: list[Event] = []
    take = gather(Pace([2, 3], RATE), got.append, clock=lambda: 0.0)
    frames = np.arange(14, dtype=np.int16).reshape(2, 7)
    for i in range(7):
        take(frames[:, i : i + 1])
    assert [block.shape[1] for block in got] == [2, 3]
    end = Finished(7, False, 0.0, 0.0, 1, 0, 7, 0.0, None)
    take(end)
    assert np.array_equal(np.concatenate(got[:-1], axis=1), frames) and got[-1] is end


def test_of_a_stream_that_fails_nothing_is_left() -> None:
    got: list[Event] = []
    take = gather(Pace([4], RATE), got.append)
    take(np.zeros((2, 1), np.int16))
    error = NotReady("gone")
    take(error)
    assert got == [error]
