"""Several channels -> one: their mean, or the loudest where they cancel each other."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]

# The mix of channels keeps half the power of all or more where they are alike or independent. Below, they cancel.
MIXED_SHARE = 0.5
CANCELLED_SHARE = 0.25  # of a frame
CANCELLED_FRAMES = 0.05  # of the power of all, in frames that cancel


class Mixer:
    """Frames of several channels -> one channel: `only`, or the mean of all. Then it tells whether that mean lost what
    the channels hold."""

    def __init__(self, only: int | None = None) -> None:
        self.channels = 1
        self._only = only
        self._powers: npt.NDArray[np.float64] = np.zeros(1)
        self._summed = self._cancelled = 0.0

    def mix(self, frame: av.AudioFrame) -> Wave:
        """One channel of a frame, (samples,)."""
        data = _planar(frame)
        if self._only is not None:
            only: Wave = data[min(self._only, len(data) - 1)].copy()
            return only
        mean: Wave = data.mean(axis=0)
        if len(data) > 1:
            self._measure(data, mean)
        return mean

    def _measure(self, data: Wave, mean: Wave) -> None:
        self.channels = max(self.channels, len(data))
        around = data - data.mean(axis=1, keepdims=True)
        powers = np.einsum("ij,ij->i", around, around).astype(np.float64)
        together = (mean - mean.mean()) * len(data)
        summed = float(together @ together)
        self._powers = np.pad(self._powers, (0, self.channels - len(self._powers)))
        self._powers[: len(powers)] += powers
        self._summed += summed
        if summed < CANCELLED_SHARE * powers.sum():
            self._cancelled += float(powers.sum())

    def loudest_of_cancelling(self) -> int | None:
        """The loudest channel, or the first of those as loud, if the mean of all is not what a listener hears."""
        power = float(self._powers.sum())
        if self._summed >= MIXED_SHARE * power and self._cancelled <= CANCELLED_FRAMES * power:
            return None
        return int(np.argmax(self._powers > 0.9 * self._powers.max()))


def _planar(frame: av.AudioFrame) -> Wave:
    """(channels, samples), finite, full scale at 1."""
    data: npt.NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    if data.dtype == np.uint8:
        data = (data.astype(np.float32) - 128) / 128
    elif np.issubdtype(data.dtype, np.integer):
        data = data.astype(np.float32) / -float(np.iinfo(data.dtype).min)
    finite = np.nan_to_num(data.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(finite, -1e6, 1e6)
