"""Blocks grow no faster than they are made in time, and hold every frame in order."""

from __future__ import annotations

import numpy as np
import pytest

from models.text_to_semantic.blocks import Pace, gather, ramp
from models.text_to_semantic.work import Event
from models.types import Finished, NotReady

RATE = 21.5  # S1-mini's frames a second


def sizes(speed: float, count: int, first: int = 4) -> list[int]:
    """The first blocks of a stream whose frames come `speed` times as fast as they sound."""
    pace, made, now = Pace(ramp(first, 25), RATE), [], 10.0
    while len(made) < count:
        size, frames = pace.size, 1
        while not pace.came(frames, now):
            frames, now = frames + 1, now + 1 / RATE / speed
        now += 1 / RATE / speed
        assert frames == size
        made.append(size)
    return made


def test_blocks_grow_to_the_largest_and_stay() -> None:
    assert sizes(0.9, 15) == [4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 19, 22, 25, 25, 25]
    assert ramp(30, 25) == ramp(25, 25) == sizes(100, 1, first=30) == [25]


def test_a_fast_machine_makes_large_blocks_at_once() -> None:
    assert sizes(3, 6) == [4, 5, 10, 19, 25, 25]
    assert sizes(20, 4) == [4, 25, 25, 25]


@pytest.mark.parametrize("speed", [1.25, 1.5, 2, 3, 5, 10, 30])
def test_speech_made_faster_than_it_sounds_has_no_gap(speed: float) -> None:
    made = played = 0.0
    for size in sizes(speed, 40):
        made += size / speed
        assert not played or made <= played
        played = max(played, made) + size


def test_a_stream_that_slows_down_grows_step_by_step_again() -> None:
    pace = Pace(ramp(4, 25), RATE)
    assert pace.came(1, 0.0) is pace.came(3, 0.02) is False
    assert pace.came(4, 0.03) and pace.size == 9
    assert pace.came(9, 5.0) and pace.size == 10  # its listener has long heard all there was


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
