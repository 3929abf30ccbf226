"""Segments of speech set end to end. Pure."""

from __future__ import annotations

import numpy as np

SEAM_SECONDS = 0.005


def continued(block: np.ndarray, before: float, sample_rate: int) -> np.ndarray:
    """The first block (samples,) of a segment, begun at the level `before` where the segment before it ended.

    Two segments meet at any two levels, and a step is a click. Here the difference dies away over SEAM_SECONDS: nothing
    is dropped, delayed or made silent.
    """
    count = min(len(block), round(SEAM_SECONDS * sample_rate))
    fade = 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, count, endpoint=False, dtype=np.float32))
    joined = block.copy()
    joined[:count] += (before - block[0]) * fade
    return np.clip(joined, -1, 1)
