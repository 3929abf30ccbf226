"""Blocks grow no faster than a machine just above real time can make them."""

from __future__ import annotations

from itertools import islice

from models.text_to_semantic.blocks import block_sizes, ramp


def test_blocks_grow_to_the_largest_and_stay() -> None:
    assert list(islice(block_sizes(4, 25), 15)) == [4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 19, 22, 25, 25, 25]
    assert ramp(30, 25) == ramp(25, 25) == [25]


def test_speech_made_in_eight_tenths_of_its_time_has_no_gap() -> None:
    made = played = 0.0
    for size in islice(block_sizes(4, 25), 40):
        made += 0.8 * size
        assert not played or made <= played
        played = max(played, made) + size
