"""The end of an utterance that was cut off: at the quietest place near it, faded. Pure."""

from __future__ import annotations

import numpy as np

HELD_SECONDS = 0.6  # before the limit, in which the end is looked for
WINDOW_SECONDS = 0.02
FADE_SECONDS = 0.01


class Tail:
    """Passes an utterance's blocks on, but for those near its limit, which are held until it has ended."""

    def __init__(self, limit: float | None, sample_rate: int) -> None:
        """`limit`: seconds after which the utterance is cut off; None passes everything on."""
        self._rate = sample_rate
        self._from = None if limit is None else round((limit - HELD_SECONDS) * sample_rate)
        self._until = 0 if limit is None else round((limit + HELD_SECONDS) * sample_rate)
        self._fed = 0
        self._held: list[np.ndarray] = []

    def feed(self, block: np.ndarray) -> np.ndarray:
        """What may be heard now (samples,): the block, nothing, or all that was held where it goes on past its
        limit: so little is held at a time, and a slow listener holds the stages back."""
        self._fed += len(block)
        if self._from is None or self._fed <= self._from:
            return block
        self._held.append(block)
        if self._fed <= self._until:
            return block[:0]
        passed, self._held, self._from = np.concatenate(self._held), [], None
        return passed

    def rest(self, cut: bool) -> np.ndarray:
        """What was held; where the utterance was `cut` off, up to its quietest place."""
        if not self._held:
            return np.zeros(0, np.float32)
        tail = np.concatenate(self._held)
        return faded(tail, self._rate) if cut else tail


def faded(tail: np.ndarray, sample_rate: int) -> np.ndarray:
    """A sound (samples,) up to the quietest place of its last HELD_SECONDS, faded out."""
    window = max(1, round(WINDOW_SECONDS * sample_rate))
    first = max(0, len(tail) - round(HELD_SECONDS * sample_rate))
    energy = np.convolve(tail[first:] ** 2, np.ones(window, np.float32), "valid")
    end = first + (int(energy.argmin()) if len(energy) else 0) + window // 2
    kept = tail[:end].copy()
    count = min(len(kept), round(FADE_SECONDS * sample_rate))
    kept[len(kept) - count :] *= 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, count, dtype=np.float32))
    return kept
