"""From a request's text to what is spoken piece by piece, and what the response's headers say of it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deployments.settings import DEFAULT_LIMITS
from deployments.synthesis import bounds
from models.checkpoint.card import Card
from models.text import safety
from models.text.reader import ReaderOptions
from models.text.rules import TextRules
from models.types import Sampling, SynthesisRequest

USUAL_PACE = 0.07  # seconds per character


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for. `tier_text_chars` is where `on_long_text=truncate` cuts; `segments_ahead` segments
    of a text run side by side, each of at most `segment_chars` and at most `lead_blocks` PCM blocks ahead of what was
    sent; of a stream at most `lead_seconds` more is sent than could have been played."""

    body_bytes: int = DEFAULT_LIMITS.body_bytes
    body_seconds: float = DEFAULT_LIMITS.body_seconds
    text_chars: int = DEFAULT_LIMITS.text_chars
    lead_seconds: float = DEFAULT_LIMITS.lead_seconds
    tier: str = "unknown"
    tier_text_chars: int = 1000
    references: int = DEFAULT_LIMITS.references
    segments_ahead: int = 4
    lead_blocks: int = 32
    first_segment_chars: int = 100
    segment_chars: int = 300
    encode_cache: int = 64


def reader_options(request: SynthesisRequest, limits: Limits, card: Card, frame_rate: float) -> ReaderOptions:
    """How a request's text becomes segments: no longer than the request and the pool want them, and such that the
    default number of frames is enough for each."""
    seconds = bounds.fitting(max(request.sampling.max_new_tokens, Sampling().max_new_tokens) / frame_rate)
    fitting = math.floor(seconds / (card.pace(request.language) or USUAL_PACE))
    length = min(request.chunk_length, limits.segment_chars, fitting)
    first = min(length, limits.first_segment_chars) if request.streaming else length
    return ReaderOptions(
        length,
        first,
        normalize=request.normalize,
        language=request.language,
        default_language=card.default_language,
        pace=card.seconds_per_character,
    )


def spoken_text(whole: str, on_long_text: str, limits: Limits, rules: TextRules) -> tuple[str, dict[str, str]]:
    """What is spoken of a whole text, and the response headers that say what was cut off.

    Raises Unsayable where the text is empty, TooLarge.
    """
    text = safety.check(whole, limits.text_chars)
    if on_long_text != "truncate":
        return text, {}
    cut = safety.truncate(text, limits.tier_text_chars, rules)
    return cut, {
        "X-Text-Truncated": "true" if len(cut) < len(text) else "false",
        "X-Original-Text-Length": str(len(text)),
        "X-Truncated-Text-Length": str(len(cut)),
    }


def header_text(text: str) -> str:
    """`text` as an HTTP header can carry it: one line of ASCII."""
    return " ".join(text.encode("ascii", "replace").decode().split())
