"""How long an utterance may get for its text, and how much room it needs. Pure; times in seconds.

A model that misses an utterance's end goes on in babble until some limit. The text tells the expected duration: on the
starter 90 % of sentences keep within 15 % of it, and single words take half a second and more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from models.text.pace import seconds_of
from models.text.reader import Segment
from models.text.rules import TextRules
from models.types import EncodedReference

MOST_FLOOR, MOST = 1.2, 2.0  # the longest: a single word spoken slowly, then a slow and varied reading
NEED_FLOOR, NEED = 0.6, 1.4  # the room that a segment must find behind its prompt: it seldom takes longer
SOUND = 3.0  # a laugh or a sigh, which a marker stands for
WIDE = 0.2  # an East Asian character, in whatever language its sentence is taken to be
SLOWEST = 2.5  # times the usual pace


def expected(segment: Segment, rules: TextRules) -> float:
    """What a segment takes at the checkpoint's usual pace."""
    sounds = len(rules.markers.findall(segment.text)) - len(rules.moods.findall(segment.text))
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in segment.text)
    return max(segment.seconds, WIDE * wide) + SOUND * sounds


def longest(seconds: float) -> float:
    """How long an utterance may get that is expected to take `seconds`."""
    return MOST_FLOOR + MOST * seconds


def needed(seconds: float) -> float:
    """How much room there must be for it."""
    return NEED_FLOOR + NEED * seconds


def fitting(room: float) -> float:
    """The expected duration of what finds `room` enough: the reverse of `needed`."""
    return max(0.0, room - NEED_FLOOR) / NEED


def slowness(references: Sequence[EncodedReference], frame_rate: float, pace: Mapping[str, float]) -> float:
    """How many times the expected duration the voice of the references takes; 1 where it is quicker, or unknown."""
    usual = sum(seconds_of(each.text, None, pace) for each in references)
    taken = sum(each.codes.shape[1] for each in references) / frame_rate
    return min(max(1.0, taken / usual), SLOWEST) if usual else 1.0
