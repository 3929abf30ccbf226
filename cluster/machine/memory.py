"""How much of this machine's RAM may still be claimed, and how much a request claims. 1 GB is 1e9 bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cluster.machine import hardware

MARGIN = 500_000_000  # bytes left alone: half of what the planner keeps free, whose figures are estimates too
RAYS = 0.06  # of all RAM, left alone too: Ray kills replicas where less than 0.05 is free
SAFE = 0.8  # of what is available
CACHE_BLOCK = 16  # positions that the cache claims at once,
HUGE_PAGE = 2**21  # in whole pages of this size, where the kernel has them to give
CHARS_PER_SECOND = 15.0  # of speech, for an estimate: English read aloud; Chinese takes a third as many characters
CHARS_PER_TOKEN = 3.0  # of text, at least, in most languages
BYTES_PER_SAMPLE = 4  # of audio held until it is whole: its 16 bits, and once more while it is packed


def claimable(held: int = 0, replicas: int = 1) -> int:
    """Bytes of RAM that one of `replicas` on this machine may still claim, where it holds `held` of what they all may;
    container limits respected, and below 0 where the margin is touched already. Takes about a millisecond."""
    total, available = hardware.memory(hardware.cgroup_limits())
    return part(available - max(MARGIN, int(RAYS * total)), held, replicas)


def part(free: int, held: int, replicas: int) -> int:
    """The part of `free` bytes that one of `replicas` may claim, which holds `held` already: with those, an equal part
    of what it can see, so that none claims what was promised to another's streams. Where all hold the same, they fill
    replicas / (2 replicas - 1) of what one alone would; what other replicas hold is not known, and counts as gone.
    """
    return (free + held) // replicas - held


def cache_bytes(positions: int, bytes_per_position: int) -> int:
    """Bytes that text-to-semantic's cache claims for so many positions of one stream."""
    filled = math.ceil(positions / CACHE_BLOCK) * CACHE_BLOCK * bytes_per_position
    return math.ceil(filled / HUGE_PAGE) * HUGE_PAGE


@dataclass(frozen=True, slots=True)
class Costs:
    """The figures of checkpoint and server that a request's claims follow from. `positions` bounds a stream; a text is
    spoken in at most `segments` pieces side by side. Rates in Hz."""

    bytes_per_position: int
    positions: int
    frame_rate: float
    sample_rate: int
    segments: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Bytes that a request claims at most: the cache of its streams, its voice's kept prefix, and audio held back."""

    cache: int
    prefix: int
    audio: int

    @property
    def total(self) -> int:
        """All parts together."""
        return self.cache + self.prefix + self.audio


def claim(
    costs: Costs,
    *,
    text_chars: int,
    chunk_chars: int,
    reference_seconds: float,
    max_new_tokens: int,
    streaming: bool,
) -> Claim:
    """The claim of one request (pure). The cache is claimed as it fills, so that most requests end below it."""
    spoken = math.ceil(reference_seconds * costs.frame_rate)
    words = math.ceil((reference_seconds * CHARS_PER_SECOND + min(text_chars, chunk_chars)) / CHARS_PER_TOKEN)
    each = min(spoken + words + max_new_tokens, costs.positions)
    streams = min(costs.segments, math.ceil(text_chars / chunk_chars))
    audio = 0 if streaming else int(text_chars / CHARS_PER_SECOND * costs.sample_rate) * BYTES_PER_SAMPLE
    return Claim(
        cache=streams * cache_bytes(each, costs.bytes_per_position),
        prefix=cache_bytes(spoken, costs.bytes_per_position),
        audio=audio,
    )
