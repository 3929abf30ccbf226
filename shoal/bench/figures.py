"""What a listener hears of a response, and what all listeners of a phase hear. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as its listener had it; seconds. `status` is HTTP's, None where the connection failed. `stalled`:
    silence after the first sound, while the player waited for more, in `underruns` places."""

    status: int | None
    first_audio: float | None = None
    seconds: float = 0.0
    audio: float = 0.0
    stalled: float = 0.0
    underruns: int = 0
    whole: bool = False
    error: str | None = None

    @property
    def rtf(self) -> float | None:
        """Wall time over audio time."""
        return self.seconds / self.audio if self.whole and self.audio else None

    def good(self, slo: float) -> bool:
        """Whether it was heard whole, began within `slo` seconds and never stalled."""
        return self.whole and self.first_audio is not None and self.first_audio <= slo and not self.underruns


@dataclass(frozen=True, slots=True)
class Phase:
    """Requests that came at one rate, per second. `goodput`: those heard well, per second."""

    rate: float
    requests: int
    answered: int
    refused: int
    failed: int
    first_audio_p50: float | None
    first_audio_p95: float | None
    rtf_p50: float | None
    underruns: int
    stalled_seconds: float
    goodput: float


STALL = 0.02  # seconds that a player's own buffer covers


def playback(arrivals: Sequence[tuple[float, float]]) -> tuple[float, int]:
    """Seconds of silence and how often, for a listener who plays each block from when it arrives. `arrivals`: when, and
    how many seconds of audio, in order."""
    silent, count = 0.0, 0
    ends = arrivals[0][0] if arrivals else 0.0
    for at, audio in arrivals:
        if at > ends + STALL:
            silent, count, ends = silent + at - ends, count + 1, at
        ends += audio
    return silent, count


def summary(rate: float, seconds: float, heard: Sequence[Heard], slo: float) -> Phase:
    """The figures of a phase of `seconds`."""
    whole = [each for each in heard if each.whole]
    refused = sum(each.status in (429, 503) for each in heard)
    firsts = [each.first_audio for each in whole if each.first_audio is not None]
    return Phase(
        rate=rate,
        requests=len(heard),
        answered=len(whole),
        refused=refused,
        failed=len(heard) - len(whole) - refused,
        first_audio_p50=percentile(firsts, 50),
        first_audio_p95=percentile(firsts, 95),
        rtf_p50=percentile([each.rtf for each in whole if each.rtf is not None], 50),
        underruns=sum(each.underruns > 0 for each in whole),
        stalled_seconds=sum(each.stalled for each in whole),
        goodput=sum(each.good(slo) for each in heard) / seconds,
    )


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that `percent` of all do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] if ordered else None
