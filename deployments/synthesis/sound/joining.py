"""Segments of speech and the silences between them set end to end. Pure."""

from __future__ import annotations

import numpy as np

SEAM_SECONDS = 0.005


class Joiner:
    """Joins one speech. Two segments meet at any two levels, and a step is a click: here the difference dies away over
    SEAM_SECONDS, in sound as in silence. Nothing is dropped or delayed."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._level: float | None = None  # of the last sample, once there is one
        self._seam = False

    def begin(self) -> None:
        """The next block is the first of a segment."""
        self._seam = self._level is not None

    def sound(self, block: np.ndarray) -> np.ndarray:
        """A segment's next block (samples,), as it follows what came before."""
        if self._seam:
            block, self._seam = self._continued(block), False
        self._level = float(block[-1])
        return block

    def silence(self, seconds: float) -> np.ndarray:
        """Silence (samples,), exact but for the end of the sound before it."""
        silent = np.zeros(round(seconds * self._sample_rate), np.float32)
        if self._level and len(silent):
            silent = self._continued(silent)
        self._level = 0.0
        return silent

    def _continued(self, block: np.ndarray) -> np.ndarray:
        count = min(len(block), round(SEAM_SECONDS * self._sample_rate))
        fade = 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, count, endpoint=False, dtype=np.float32))
        joined = block.copy()
        joined[:count] += ((self._level or 0.0) - block[0]) * fade
        return joined.clip(-1, 1)
