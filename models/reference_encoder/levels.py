"""How loud a recording is, window by window, and what it holds: speech, noise, silence, clicks.

All decisions are relative to the recording's own level, so that a quiet recording is treated as a loud one. Levels are
RMS in dBFS of windows of 20 ms, around the offset that a recorder may add.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Wave = npt.NDArray[np.float32]
Decibels = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

WINDOW_SECONDS = 0.02
NOTHING_DBFS = -120.0
OFFSET_WINDOWS = 25
OFFSET_SHARE = 0.005  # of the peak
OFFSET_SECONDS = 0.1

# A level counts as the recording's when it is held for half a second in all, in stretches of 100 ms or more: a click or
# a slammed door does not last that long, and a syllable does.
HELD_WINDOWS = 25
STRETCH_WINDOWS = 5
# A click stands 10 dB above its surroundings and above the held level. In clean speech, single windows lie at most 6 dB
# above the held level, and 20 dB above it lies no voice.
CLICK_ABOVE_SURROUNDINGS_DB = 10.0
CLICK_ABOVE_HELD_DB = 7.0
ABOVE_ANY_VOICE_DB = 20.0
CLICK_CREST = 4.0  # what remains of a click: four times the RMS around it, as the peaks of speech are

QUIET_BELOW_LOUDEST_DB = 40.0
PAUSE_BELOW_LOUDEST_DB = 30.0
NOISE_WINDOWS = 15  # in which noise keeps its level within NOISE_RANGE_DB, and speech does not
NOISE_RANGE_DB = 8.0
NOISE_BELOW_HELD_DB = 3.0
ABOVE_NOISE_DB = 2.5
STEADY_RANGE_DB = 6.0  # between the quietest and the loudest hundredth: of speech 60, of white noise 2

CLIPPED_PEAK = 0.9
CLIPPED_RUN = 3  # samples in a row within a thousandth of the peak
CLIPPED_PER_SECOND = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Clicks:
    """A recording without its clicks, and how many there were."""

    wave: Wave
    count: int


class Levels:
    """Levels of `wave` (samples,) in each window; `window` is in samples."""

    def __init__(self, wave: Wave, rate: int) -> None:
        self.window = _window(rate)
        self.windows = loudness(wave, self.window)

    @cached_property
    def held(self) -> float:
        """The level that is held for half a second in all, or by a single word in silence."""
        stretches = opened(self.windows, STRETCH_WINDOWS)
        held = float(np.sort(stretches)[::-1][min(HELD_WINDOWS - 1, len(stretches) // 4)])
        # Where nothing but the background lasts that long, the recording is a short sound.
        return held if held > np.percentile(self.windows, 10) + 10 else float(stretches.max())

    @cached_property
    def loudest(self) -> float:
        """The loudest window of the voice."""
        return min(float(self.windows.max()), self.held + ABOVE_ANY_VOICE_DB)

    @cached_property
    def noise(self) -> tuple[float, float]:
        """Mean and upper bound of the steady noise behind the voice; where there is none, NOTHING_DBFS."""
        nothing = NOTHING_DBFS, NOTHING_DBFS
        if len(self.windows) < NOISE_WINDOWS:
            return nothing
        stretches = sliding_window_view(self.windows, NOISE_WINDOWS)
        steady = stretches[np.ptp(stretches, axis=1) < NOISE_RANGE_DB]
        if not len(steady):
            return nothing
        quietest = steady[steady.mean(axis=1).argmin()]
        background = quietest.mean() < min(np.percentile(self.windows, 10) + 6, self.held - NOISE_BELOW_HELD_DB)
        return (float(quietest.mean()), float(quietest.max())) if background else nothing

    @cached_property
    def steady(self) -> bool:
        """The level never moves, as that of a voice does."""
        low, high = np.percentile(self.windows, [1, 99])
        return len(self.windows) > NOISE_WINDOWS and float(high - low) < STEADY_RANGE_DB

    @cached_property
    def sounding(self) -> Mask:
        """Windows with sound: within 40 dB of the loudest one and above the noise."""
        return self._above(QUIET_BELOW_LOUDEST_DB)

    @cached_property
    def spoken(self) -> Mask:
        """Windows inside words: within 30 dB of the loudest one, which a room's echo is not, and above the noise."""
        return self._above(PAUSE_BELOW_LOUDEST_DB)

    @cached_property
    def noisy(self) -> bool:
        """The noise, and not the voice's own level, decides what sounds: the ends of words are lost in it."""
        return self.noise[1] + ABOVE_NOISE_DB > self.loudest - QUIET_BELOW_LOUDEST_DB

    def _above(self, below_loudest: float) -> Mask:
        return self.windows > max(self.loudest - below_loudest, self.noise[1] + ABOVE_NOISE_DB)


def _window(rate: int) -> int:
    return max(1, round(WINDOW_SECONDS * rate))


def loudness(wave: Wave, window: int) -> Decibels:
    """RMS in dBFS of each window of `window` samples, around the offset there."""
    cut = _windows(wave, window)
    around = cut - offsets(wave, window).astype(np.float32)[:, None]
    power: Decibels = np.einsum("ij,ij->i", around, around).astype(np.float64) / window
    return 10 * np.log10(np.maximum(power, 10 ** (NOTHING_DBFS / 10)))


def offsets(wave: Wave, window: int) -> Decibels:
    """The offset at each window: the median of the means of half a second, as a click may have a mean of its own."""
    means = _windows(wave, window).mean(axis=1, dtype=np.float64)
    half = OFFSET_WINDOWS // 2
    medians: Decibels = np.median(sliding_window_view(np.pad(means, half, mode="edge"), OFFSET_WINDOWS), axis=1)
    return medians


def _windows(wave: Wave, window: int) -> Wave:
    return np.pad(wave, (0, -len(wave) % window), mode="symmetric").reshape(-1, window)


def opened(windows: Decibels, width: int) -> Decibels:
    """A curve without peaks that are narrower than `width` windows (morphological opening)."""
    lowest: Decibels = sliding_window_view(np.pad(windows, width // 2, mode="edge"), width).min(axis=1)
    highest: Decibels = sliding_window_view(np.pad(lowest, width // 2, mode="edge"), width).max(axis=1)
    return highest


def runs(mask: Mask) -> list[tuple[int, int]]:
    """Start and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def without_offset(wave: Wave, rate: int) -> Wave:
    """Without the offset that some recorders add; it may begin and end with their own silence, so the mean over 100 ms
    is taken off. One of under a 200th of the peak does no harm."""
    if np.abs(offsets(wave, _window(rate))).max() < OFFSET_SHARE * np.abs(wave).max():
        return wave
    width = min(len(wave), max(1, round(OFFSET_SECONDS * rate)))
    padded = np.pad(wave.astype(np.float64), (width // 2, width - width // 2 - 1), mode="edge")
    sums = np.concatenate([[0.0], np.cumsum(padded)])
    means: Wave = ((sums[width:] - sums[:-width]) / width).astype(np.float32)
    return wave - means


def without_clicks(wave: Wave, rate: int) -> Clicks:
    """Clicks, pops and knocks are brought down to the level around them, so that they decide nothing."""
    levels = Levels(wave, rate)
    windows, held = levels.windows, levels.held
    around = opened(windows, STRETCH_WINDOWS)
    clicks = (windows > around + CLICK_ABOVE_SURROUNDINGS_DB) & (windows > held + CLICK_ABOVE_HELD_DB)
    clicks |= windows > held + ABOVE_ANY_VOICE_DB
    if not clicks.any():
        return Clicks(wave, 0)
    wave = wave.copy()
    # A click's beginning and end may lie in windows that are not loud as a whole: there the voice's own peaks stay.
    beside = sliding_window_view(np.pad(clicks, 1), 3).any(axis=1)
    most = CLICK_CREST * 10 ** (np.where(clicks, np.minimum(around, held), held + CLICK_ABOVE_HELD_DB) / 20)
    for at in np.flatnonzero(beside):
        part = slice(at * levels.window, (at + 1) * levels.window)
        np.clip(wave[part], -most[at], most[at], out=wave[part])
    return Clicks(wave, len(runs(clicks)))


def is_clipped(wave: Wave, rate: int) -> bool:
    """Flat tops at full scale, as of a microphone that was set too high."""
    peak = float(np.abs(wave).max())
    if peak < CLIPPED_PEAK:
        return False
    flat = [end - start for start, end in runs(np.abs(wave) >= 0.999 * peak)]
    return sum(length >= CLIPPED_RUN for length in flat) > CLIPPED_PER_SECOND * len(wave) / rate
