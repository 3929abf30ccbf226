"""Segments of a text brought to the loudness of its first one. Pure; levels in dB of full scale."""

from __future__ import annotations

import math

import numpy as np

FRAME_SECONDS = 0.02
LEAST_SECONDS = 0.2  # of speech, from which its level is known
SILENCE = 1e-5  # mean square of a frame below which nothing is spoken
GATE = 0.1  # times the mean: quieter frames are pauses between words (ITU-R BS.1770 gates at the same -10 dB)
LEFT_DB = 1.0  # off the first segment is near enough: then any two lie within 2 dB
MOST_DB = 12.0
PEAK = 0.99


class Level:
    """How loud one segment's speech is, as far as it has been made."""

    def __init__(self, sample_rate: int) -> None:
        self._length = round(FRAME_SECONDS * sample_rate)
        self._energies = np.zeros(0, np.float32)
        self.peak = 0.0

    def feed(self, block: np.ndarray) -> None:
        """Take the next block (samples,)."""
        whole = len(block) // self._length * self._length
        energies = np.square(block[:whole]).reshape(-1, self._length).mean(1)
        self._energies = np.concatenate([self._energies, energies[energies > SILENCE]])
        self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))

    @property
    def db(self) -> float | None:
        """The level of its words; None while too little of them is there."""
        energies = self._energies
        if len(energies) * FRAME_SECONDS < LEAST_SECONDS:
            return None
        return 10 * math.log10(float(energies[energies >= GATE * energies.mean()].mean()))


def gain(wanted: float, level: Level) -> float:
    """The factor that brings a segment within LEFT_DB of the wanted level without clipping what is there of it."""
    if level.db is None:
        return 1.0
    off = wanted - level.db
    correction = math.copysign(min(max(abs(off) - LEFT_DB, 0.0), MOST_DB), off)
    return min(10 ** (correction / 20), max(1.0, PEAK / level.peak))


def scaled(block: np.ndarray, before: float, after: float) -> np.ndarray:
    """The block with a gain that moves evenly from `before` to `after`, clipped never."""
    if before == after == 1.0:
        return block
    most = max(1.0, PEAK / max(float(np.abs(block).max(initial=0.0)), PEAK / 100))
    return block * np.linspace(min(before, most), min(after, most), len(block), dtype=np.float32)
