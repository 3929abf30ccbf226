"""A recording at another sample rate."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
import torchaudio.functional

LONGEST_RATIO = 4000


def resample(wave: npt.NDArray[np.float32], rate: int, target: int) -> npt.NDArray[np.float32]:
    """float32 (samples,) at `target` Hz. Rates without a small common ratio are rounded to 100 Hz (at most 0.1
    semitone from 8 kHz up): the exact filter bank for 44101 -> 44100 Hz would fill gigabytes."""
    if max(rate, target) / math.gcd(rate, target) > LONGEST_RATIO:
        rate = max(100, round(rate, -2))
    resampled: npt.NDArray[np.float32] = torchaudio.functional.resample(torch.from_numpy(wave), rate, target).numpy()
    return resampled
