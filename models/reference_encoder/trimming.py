"""Which part of a recording is kept: from its first sound to its last, without long pauses, up to a word's end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.reference_encoder.levels import Levels, Wave, runs

MARGIN_SECONDS = 0.1
NOISY_MARGIN_SECONDS = 0.3
SHORT_WINDOWS = 3  # a sound of less than 60 ms, 300 ms from all others, is no word
APART_WINDOWS = 15
LONGEST_PAUSE_SECONDS = 2.0
KEPT_PAUSE_SECONDS = 1.0
PAUSE_SECONDS = 0.15  # between words that are not spoken in one breath
FADE_SECONDS = 0.03
SILENCE_SECONDS = 0.2  # after a recording that would end at once: what it ends with must not sound on in the speech


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause in what was kept: `end` is where a recording that ends in it would be cut, in seconds; `length` in
    seconds; `speech_before`: seconds of sound up to it."""

    end: float
    length: float
    speech_before: float


def ends(levels: Levels, samples: int, rate: int) -> tuple[int, int]:
    """First and last sample from the first sound to the last, with 100 ms around them, or 300 in noise. Sounds that
    are too short and too far from the others to be words are left out."""
    sounds = runs(levels.sounding)
    while len(sounds) > 1 and _stray(sounds[0], sounds[1]):
        sounds.pop(0)
    while len(sounds) > 1 and _stray(sounds[-1], sounds[-2]):
        sounds.pop()
    margin = round((NOISY_MARGIN_SECONDS if levels.noisy else MARGIN_SECONDS) * rate)
    return max(0, sounds[0][0] * levels.window - margin), min(samples, sounds[-1][1] * levels.window + margin)


def _stray(sound: tuple[int, int], next_one: tuple[int, int]) -> bool:
    apart = max(next_one[0] - sound[1], sound[0] - next_one[1])
    return sound[1] - sound[0] < SHORT_WINDOWS and apart > APART_WINDOWS


def shorten_pauses(wave: Wave, levels: Levels, rate: int) -> Wave:
    """Pauses of over two seconds become pauses of one."""
    keep = np.ones(len(wave), np.bool_)
    half = round(KEPT_PAUSE_SECONDS / 2 * rate)
    for start, end in runs(~levels.sounding):
        first, last = start * levels.window, min(end * levels.window, len(wave))
        if last - first > LONGEST_PAUSE_SECONDS * rate:
            keep[first + half : last - half] = False
    return wave if keep.all() else wave[keep]


def pauses(levels: Levels, rate: int) -> list[Pause]:
    """Pauses between words, in order."""
    seconds = levels.window / rate
    spoken = np.cumsum(levels.spoken) * seconds
    return [
        Pause(start * seconds + min((end - start) * seconds / 2, SILENCE_SECONDS), (end - start) * seconds, before)
        for start, end in runs(~levels.spoken)
        if (end - start) * seconds >= PAUSE_SECONDS and (before := float(spoken[start])) > 0
    ]


def quietest(wave: Wave, rate: int, earliest: float, latest: float) -> float:
    """The second at which least sounds, in a range: a word's end, or at least a consonant."""
    first, last = round(earliest * rate), round(latest * rate)
    width = round(0.01 * rate)
    power = np.square(wave[first:last], dtype=np.float64)
    power = power[: len(power) // width * width].reshape(-1, width).mean(axis=1)
    smooth = np.convolve(power, np.ones(6) / 6, mode="same")
    return (first + (int(smooth.argmin()) + 0.5) * width) / rate


def ends_in_a_word(levels: Levels) -> bool:
    """Whether the recording breaks off while it sounds."""
    return bool(levels.spoken[-2:].any())


def faded(wave: Wave, rate: int) -> Wave:
    """With a soft end, and silence after it."""
    count = min(len(wave), round(FADE_SECONDS * rate))
    wave = np.concatenate([wave, np.zeros(round(SILENCE_SECONDS * rate), np.float32)])
    end = len(wave) - round(SILENCE_SECONDS * rate)
    wave[end - count : end] *= np.cos(np.linspace(0, np.pi / 2, count, dtype=np.float32)) ** 2
    return wave
