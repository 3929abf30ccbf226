"""How long a text takes to speak."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

# Seconds per character of normalised text at a reading pace, spaces and punctuation among them. From the usual five to
# six syllables a second, and how many characters each language writes a syllable with.
SECONDS_PER_CHARACTER: Mapping[str, float] = {
    "en": 0.065, "de": 0.066, "fr": 0.064, "es": 0.062, "it": 0.064, "pt": 0.064, "pl": 0.07, "ru": 0.07, "tr": 0.068,
    "ar": 0.085, "hi": 0.075, "ja": 0.13, "zh": 0.21, "ko": 0.15,
}  # fmt: skip
_UNKNOWN = 0.07
_DIGIT = 4  # a digit that stayed is a word of about four letters


def seconds_of(text: str, language: str | None, pace: Mapping[str, float]) -> float:
    """Expected seconds of a text. `pace`: the checkpoint's own seconds per character, by language, before these."""
    code = language or ""
    rate = pace.get(code, SECONDS_PER_CHARACTER.get(code, _UNKNOWN))
    digits = sum(map(str.isdecimal, text))
    silent = sum(1 for char in text if unicodedata.category(char) in ("Cf", "Mn", "Me"))
    return rate * (len(text) - silent + digits * (_DIGIT - 1))
