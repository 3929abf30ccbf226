"""Whatever was done to a recording, its speech is kept, at the level of every other one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.reference_encoder.audio import LoadedAudio, load
from models.types import NotAudio
from tests.models.reference_encoder.recordings import speech, written

A = speech(14)
HERTZ = 16_000
RANDOM = np.random.default_rng(7)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * HERTZ), np.float32)


def noise(seconds: float, dbfs: float) -> np.ndarray:
    return (RANDOM.standard_normal(int(seconds * HERTZ)) * 10 ** (dbfs / 20)).astype(np.float32)


def with_click(wave: np.ndarray, at: float, milliseconds: float = 25) -> np.ndarray:
    wave, start = wave.copy(), int(at * HERTZ)
    wave[start : start + int(milliseconds * HERTZ / 1000)] = RANDOM.choice([-1, 1])
    return wave


def slam(loudness: float) -> np.ndarray:
    return (loudness * np.exp(-np.arange(0.3 * HERTZ) / 1600) * RANDOM.standard_normal(int(0.3 * HERTZ))).astype("f4")


def hum(wave: np.ndarray) -> np.ndarray:
    return (wave + 0.02 * np.sin(2 * np.pi * 50 * np.arange(len(wave)) / HERTZ)).astype(np.float32)


def partly_inverted(wave: np.ndarray, share: float) -> np.ndarray:
    cut = int(share * len(wave))
    return np.stack([wave, np.concatenate([wave[:cut], -wave[cut:]])], axis=1)


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1)


GAP = "a long gap in it"

# What people send: the recording, and a word of the note about it (None: nothing is worth a note).
KINDS: dict[str, tuple[Callable[[], np.ndarray], str | None]] = {
    "as it is": (lambda: A, None),
    "quiet by 50 dB": (lambda: A * 0.003, None),
    "quiet by 60 dB": (lambda: A * 0.001, None),
    "a click before quiet speech": (lambda: with_click(np.concatenate([silence(0.5), A * 0.01]), 0.2), "click"),
    "a click just before it": (lambda: with_click(np.concatenate([silence(0.5), A * 0.01]), 0.46), "click"),
    "a click after it": (lambda: with_click(np.concatenate([A * 0.01, silence(0.5)]), 14.3), "click"),
    "pops within it": (lambda: with_click(with_click(with_click(A * 0.03, 2), 5.3, 3), 9, 40), "3 clicks"),
    "one sample at full scale": (lambda: with_click(A * 0.01, 3, 0.1), "click"),
    "a slammed door before it": (lambda: np.concatenate([slam(0.9), silence(0.2), A * 0.01]), "click"),
    "right is left inverted": (lambda: stereo(A, -A), "left channel alone"),
    "right is -0.9 left": (lambda: stereo(A, -0.9 * A), "left channel alone"),
    "left is -0.8 right": (lambda: stereo(-0.8 * A, A), "right channel alone"),
    "right is -0.5 left": (lambda: stereo(A, -0.5 * A), "left channel alone"),
    "inverted after a third": (lambda: partly_inverted(A, 1 / 3), "channel alone"),
    "inverted at the end": (lambda: partly_inverted(A, 0.8), "channel alone"),
    "four channels, two inverted": (lambda: np.stack([A, -A, 0.4 * A, -0.4 * A], axis=1), "channel 1 alone"),
    "stereo as usual": (lambda: stereo(A, 0.7 * np.roll(A, 2)), None),
    "on the left alone": (lambda: stereo(A, 0 * A), None),
    "noise at 25 dB": (lambda: A * 0.3 + noise(14, -53), None),
    "noise at 10 dB around it": (
        lambda: np.concatenate([silence(2), A * 0.3, silence(2)]) + noise(18, -38),
        "noisy",
    ),
    "noise at 0 dB around it": (lambda: np.concatenate([silence(2), A * 0.3, silence(2)]) + noise(18, -28), "noisy"),
    "hum around it": (lambda: hum(np.concatenate([silence(1), A * 0.3, silence(1)])), "noisy"),
    "an offset": (lambda: A * 0.5 + 0.3, None),
    "an offset between silences": (lambda: np.concatenate([silence(1), A * 0.5 + 0.3, silence(1)]), "without speech"),
    "clipped": (lambda: np.clip(A * 6, -1, 1), "clipped"),
    "silence around it": (lambda: np.concatenate([silence(20), A, silence(9)]), "without speech"),
    GAP: (lambda: np.concatenate([A[:48_000], silence(30), A[48_000:]]), "without speech"),
}


def kept_share(loaded: LoadedAudio) -> float:
    """The share of the original's speech, window by window, that is in what was loaded at HERTZ, at one scale."""
    kept = loaded.waveform
    size = 1 << (len(A) + len(kept)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(kept, size) * np.conj(np.fft.rfft(A, size)))
    lag = int(correlation.argmax())
    aligned = np.roll(np.pad(kept, (0, size - len(kept))), -lag)[: len(A)]
    window = HERTZ // 50
    original, ours = (wave[: len(A) // window * window].reshape(-1, window) for wave in (A, aligned))
    energy = np.square(original).sum(axis=1)
    speech = energy > energy.max() / 3000
    scale = (original * ours).sum(axis=1)[speech] / energy[speech]
    usual = np.median(scale)
    return float(((scale > usual / 3) & (scale < usual * 3)).mean())


def speech_level(waveform: np.ndarray) -> float:
    """dBFS RMS of the louder half of the windows: of speech, whatever surrounds it."""
    window = HERTZ // 50
    power = np.square(waveform[: len(waveform) // window * window].reshape(-1, window)).mean(axis=1)
    return float(10 * np.log10(np.sort(power)[len(power) // 2 :].mean()))


@pytest.mark.parametrize("kind", KINDS)
def test_speech_is_kept_at_its_level(kind: str) -> None:
    make, word = KINDS[kind]
    loaded = load(written(make()), HERTZ)
    assert 0.95 * 14 < len(loaded.waveform) / HERTZ < (15.1 if kind == GAP else 14.7), "a pause of a second stays"
    assert kind == GAP or kept_share(loaded) > 0.95  # in which the second half is somewhere else
    assert speech_level(loaded.waveform) == pytest.approx(-17.5, abs=2)
    assert np.abs(loaded.waveform).max() < 1
    assert word is None or word in " ".join(loaded.notes)
    assert word is not None or loaded.notes == ()


@settings(max_examples=30, deadline=None)
@given(
    gain=st.floats(0.002, 1.3),
    before=st.floats(0, 4),
    after=st.floats(0, 4),
    click=st.one_of(st.none(), st.floats(0, 1)),
    right=st.floats(-1, 1),
)
def test_level_silence_clicks_and_channels_decide_nothing(
    gain: float, before: float, after: float, click: float | None, right: float
) -> None:
    wave = np.concatenate([silence(before), A * gain, silence(after)])
    if click is not None:
        wave = with_click(wave, click * (len(wave) / HERTZ - 0.1), 20)
    loaded = load(written(stereo(wave, right * wave), subtype="FLOAT"), HERTZ)
    assert kept_share(loaded) > 0.95
    assert speech_level(loaded.waveform) == pytest.approx(-17.5, abs=2)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: noise(5, -20), "steady noise or a tone"),
        (lambda: 0.3 * np.sin(np.arange(80_000) * 0.1), "steady noise or a tone"),
    ],
    ids=["noise", "tone"],
)
def test_what_is_hardly_speech_is_told(make: Callable[[], np.ndarray], word: str) -> None:
    assert word in load(written(make()), HERTZ).notes[0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: noise(5, -65),
        lambda: noise(5, -92),
        lambda: with_click(silence(5), 2),
        lambda: stereo(silence(3), silence(3)),
        lambda: silence(3) + 0.4,
    ],
    ids=["a muted microphone", "dither", "a click alone", "stereo", "an offset"],
)
def test_silence_is_refused(make: Callable[[], np.ndarray]) -> None:
    with pytest.raises(NotAudio, match="is silent"):
        load(written(make()), HERTZ)


def test_a_single_word_in_silence_is_no_click() -> None:
    word = A[int(0.13 * HERTZ) : int(0.45 * HERTZ)]
    loaded = load(written(np.concatenate([silence(3), word, silence(3)])), HERTZ)
    assert 0.3 < len(loaded.waveform) / HERTZ < 0.6
    assert "only 0." in loaded.notes[-1]
