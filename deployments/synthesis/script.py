"""What the stages are asked for, segment by segment. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from deployments.synthesis import bounds
from models.text.reader import Reader, ReaderOptions, Segment
from models.text.rules import TextRules
from models.text.segments.cuts import LEAST, weight
from models.types import EncodedReference, Prompt, Sampling

VOICE_SECONDS = 15.0  # of a reference: more adds little, and takes room from speech


@dataclass(frozen=True)
class Script:
    """How one request's segments are spoken. `streaming`: a listener hears each while it is made; `several`: more than
    one segment is to come, or may. `pace`: the checkpoint's seconds per character, by language."""

    sampling: Sampling
    references: tuple[EncodedReference, ...]
    streaming: bool
    several: bool
    rules: TextRules
    pace: Mapping[str, float]
    frame_rate: float
    _slowness: float = field(init=False)

    def __post_init__(self) -> None:
        slowness = bounds.slowness(self.references, self.frame_rate, self.pace)
        object.__setattr__(self, "_slowness", slowness)

    @property
    def follows(self) -> bool:
        """Whether later segments follow the voice of the first one, as the request names none."""
        return self.several and not self.references

    def prompt(self, segment: Segment, number: int, part: int = 0, voice: EncodedReference | None = None) -> Prompt:
        """What is asked for segment `number` of the text, or for a part of it; `voice` is that of a segment before. The
        other segments of a text begin when its first one sounds: they wait for its first block even where no listener
        does."""
        seconds, frames = self._expected(segment), self.sampling.max_new_tokens
        if seconds:
            frames = min(frames, self._frames(bounds.longest(seconds)))
        seed = segment_seed(segment_seed(self.sampling.seed, number), part)
        return Prompt(
            segment.text,
            (voice,) if voice else self.references,
            replace(self.sampling, max_new_tokens=frames, seed=seed),
            streamed=self.streaming or (self.several and number == part == 0),
            needs=min(frames, self._frames(bounds.needed(seconds))),
            keeps_codes=self.follows and voice is None,
        )

    def evened(self, segment: Segment) -> bool:
        """Whether the segment should be as loud as the others: whispers and shouts are not meant to be."""
        return not self.rules.moods.search(segment.text)

    def voice(self, text: str, codes: np.ndarray) -> EncodedReference:
        """A segment that was spoken, as the reference of those after it: all of it, or its first VOICE_SECONDS with
        about as many of its words."""
        share = VOICE_SECONDS * self.frame_rate / codes.shape[1]
        if share < 1.0:
            text, codes = (
                text[: int(share * len(text))].rpartition(" ")[0] or text,
                codes[:, : int(share * codes.shape[1])],
            )
        return EncodedReference(codes, text)

    def bounded(self, prompt: Prompt) -> bool:
        """Whether its text, and not the request, limits an utterance: an end at that limit is babble."""
        return prompt.sampling.max_new_tokens < self.sampling.max_new_tokens

    def parts(self, segment: Segment, frames: float) -> list[Segment]:
        """The segment in as many parts as find `frames` of room enough each, but none so short that it cannot be spoken
        by itself; whole where that leaves nothing to part. Parts have more room than the whole had, as they are less
        text."""
        seconds = self._expected(segment)
        share = bounds.fitting(frames / self.frame_rate) / seconds if seconds else 1.0
        heavy = weight(segment.text)
        if share >= 1.0 or heavy < 2 * LEAST:
            return [segment]
        limit = max(math.floor(share * heavy), LEAST)
        options = ReaderOptions(limit, normalize=False, language=segment.language, pace=self.pace)
        reader = Reader(options, self.rules)
        *parts, last = [*reader.feed(segment.text), *reader.finish()]
        return [*parts, replace(last, pause=segment.pause)]

    def _expected(self, segment: Segment) -> float:
        return bounds.expected(segment, self.rules) * self._slowness

    def _frames(self, seconds: float) -> int:
        return math.ceil(seconds * self.frame_rate)


def segment_seed(seed: int, index: int) -> int:
    """The seed of a text's segment: the request's own for the first, a hash of (seed, index) for the others."""
    if index == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}:{index}".encode()).digest()[:8]) >> 1
