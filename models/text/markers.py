"""What OpenAudio S1 documents besides plain words: emotion, tone and special markers, and the phoneme tags."""

from __future__ import annotations

import re

_EMOTIONS = """
    angry sad excited surprised satisfied delighted scared worried upset nervous frustrated depressed empathetic
    embarrassed disgusted moved proud relaxed grateful confident interested curious confused joyful disdainful unhappy
    anxious hysterical indifferent impatient guilty scornful panicked furious reluctant keen disapproving negative
    denying astonished serious sarcastic conciliative comforting sincere sneering hesitating yielding painful awkward
    amused
"""
EMOTIONS = tuple(_EMOTIONS.split())
TONES = ("in a hurry tone", "shouting", "screaming", "whispering", "soft tone")
SPECIAL = (
    "laughing",
    "chuckling",
    "sobbing",
    "crying loudly",
    "sighing",
    "panting",
    "groaning",
    "crowd laughing",
    "background laughter",
    "audience laughing",
)

PHONEME_START, PHONEME_END = "<|phoneme_start|>", "<|phoneme_end|>"
PHONEME_TAG = re.compile(f"{re.escape(PHONEME_START)}|{re.escape(PHONEME_END)}")

SILENT_MARKER = re.compile(rf"\((?:{'|'.join((*EMOTIONS, *TONES))})\)", re.IGNORECASE)
MARKER = re.compile(rf"\((?:{'|'.join((*EMOTIONS, *TONES, *SPECIAL))})\)", re.IGNORECASE)

# Pieces of text to pass on whole. A phoneme span without an end, or an endless one, is only its tags.
PROTECTED = re.compile(
    f"{re.escape(PHONEME_START)}.{{0,200}}?{re.escape(PHONEME_END)}|{PHONEME_TAG.pattern}|{MARKER.pattern}",
    re.IGNORECASE | re.DOTALL,
)
