"""From a request's text to what is spoken piece by piece, and what the response's headers say of it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployments.settings import DEFAULT_LIMITS
from models.text import text as texts
from models.text.normalize import normalize
from models.types import EncodedReference, Prompt, SynthesisRequest, Unsayable


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for. `tier_text_chars` is where `on_long_text=truncate` cuts; `segments_ahead` segments
    of a text run side by side, each of at most `segment_chars` and at most `lead_blocks` PCM blocks ahead of what was
    sent; of a stream at most `lead_seconds` more is sent than could have been played."""

    body_bytes: int = DEFAULT_LIMITS.body_bytes
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


def segment(request: SynthesisRequest, limits: Limits) -> tuple[list[str], dict[str, str]]:
    """The text as segments to speak, and the response headers that say what was done to it (pure).

    Raises Unsayable or TooLarge.
    """
    text = texts.check(request.text, limits.text_chars)
    headers = {
        "X-Seed": str(request.sampling.seed),
        "X-Hardware-Tier": header_text(limits.tier),
        "X-Max-Text-Length": str(limits.tier_text_chars),
    }
    if request.on_long_text == "truncate":
        whole, text = text, texts.truncate(text, limits.tier_text_chars)
        headers["X-Text-Truncated"] = "true" if len(text) < len(whole) else "false"
        headers["X-Original-Text-Length"] = str(len(whole))
        headers["X-Truncated-Text-Length"] = str(len(text))
    if request.normalize:
        text = normalize(text)
    length = min(request.chunk_length, limits.segment_chars)
    first = min(length, limits.first_segment_chars) if request.streaming else length
    pieces = texts.split(texts.defuse(text), length, first)
    # A piece of dots alone has nothing to say, and an untrained silence could last a whole segment.
    segments = [piece for piece in pieces if texts.sayable(piece)]
    if not segments:
        raise Unsayable("What is left of the text holds nothing to say: send at least one word or number.")
    return segments, headers


def prompts(
    request: SynthesisRequest, references: tuple[EncodedReference, ...], segments: Sequence[str]
) -> list[Prompt]:
    """One a segment, all with the same voice. The others of a text begin when its first one sounds, so that somebody
    waits for that in any case."""
    sampling, several = request.sampling, len(segments) > 1
    return [
        Prompt(
            text,
            references,
            replace(sampling, seed=segment_seed(sampling.seed, i)),
            streamed=request.streaming or (several and i == 0),
        )
        for i, text in enumerate(segments)
    ]


def segment_seed(seed: int, index: int) -> int:
    """The seed of a text's segment: the request's own for the first, a hash of (seed, index) for the others."""
    if index == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}:{index}".encode()).digest()[:8]) >> 1


def header_text(text: str) -> str:
    """`text` as an HTTP header can carry it: one line of ASCII."""
    return " ".join(text.encode("ascii", "replace").decode().split())
