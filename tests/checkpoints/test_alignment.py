"""Moments found in another recording of the same words."""

from __future__ import annotations

import numpy as np
import pytest

from checkpoints.recipe.speech.alignment import warp

pytest.importorskip("numba", reason="librosa's warping needs numba, which only the recipe's requirements install")


def spoken(lengths: list[int], gain: float, seed: int) -> np.ndarray:
    """Noise of one band after another, each as long as told: sounds that differ as phonemes do."""
    rng, parts = np.random.default_rng(seed), []
    for i, length in enumerate(lengths):
        low, hertz = 200 + 900 * (i * 3 % 7), np.fft.rfftfreq(length, 1 / 16_000)
        noise = np.fft.rfft(rng.standard_normal(length)) * (0.01 + ((hertz > low) & (hertz < low + 700)))
        parts.append(np.fft.irfft(noise, length))
    return (gain * np.concatenate(parts)).astype(np.float32)


def test_moments_are_found_where_the_same_sounds_end_at_another_tempo_and_loudness() -> None:
    here, there = [1600, 3200, 2400, 1600, 4000, 2000], [3000, 2400, 4000, 1800, 2000, 3600]
    found = warp(np.cumsum(here)[:-1], spoken(here, 0.3, 1), spoken(there, 0.05, 2))
    assert np.abs(found - np.cumsum(there)[:-1]).max() < 480  # 30 ms, three frames
    scaled = np.cumsum(here)[:-1] * sum(there) / sum(here)
    assert np.abs(scaled - np.cumsum(there)[:-1]).max() > 1000
