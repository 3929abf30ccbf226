"""Recordings made by real encoders, and the broken files that people send."""

from __future__ import annotations

import os

import numpy as np
import pytest

from models.reference_encoder.audio import AudioLimits, load
from models.types import NotAudio, TooLarge
from tests.models.reference_encoder.recordings import ALLISON, RATE, alike, muxed, speech, written
from tests.paths import RECORDINGS

FILES = {
    "wav-u8": lambda: written(speech(), subtype="PCM_U8"),
    "wav-16": lambda: written(speech(), subtype="PCM_16"),
    "wav-24": lambda: written(speech(), subtype="PCM_24"),
    "wav-32": lambda: written(speech(), subtype="PCM_32"),
    "wav-float": lambda: written(speech(), subtype="FLOAT"),
    "wav-double": lambda: written(speech(), subtype="DOUBLE"),
    "wav-8-channels-192-kHz": lambda: written(np.repeat(np.repeat(speech(), 12)[:, None], 8, axis=1), 192_000),
    "flac": lambda: written(speech(), format="FLAC"),
    "mp3": lambda: written(speech(), format="MP3"),
    "ogg-vorbis": lambda: written(speech(), format="OGG"),
    "ogg-opus": lambda: written(speech(), format="OGG", subtype="OPUS"),
    "m4a": lambda: muxed("mp4", "aac", 44_100),
    "webm": lambda: muxed("webm", "libopus"),
    "webm-with-picture": lambda: muxed("webm", "libopus", video="libvpx"),
    "adts": lambda: muxed("adts", "aac"),
    "5.1": lambda: muxed("matroska", "aac", layout="5.1"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_container_gives_the_same_speech(name):
    loaded = load(FILES[name](), RATE)
    assert loaded.waveform.dtype == np.float32 and loaded.waveform.ndim == 1 and loaded.sample_rate == RATE
    assert loaded.seconds_in == pytest.approx(5, abs=0.1)
    assert 4.5 < len(loaded.waveform) / RATE <= 5.3, "silence may follow what ends in a word"
    assert alike(loaded.waveform, speech()) > 0.95


def test_level_is_the_same_however_loud_the_recording():
    for gain in (0.01, 0.3, 1.5):
        waveform = load(written(speech() * gain, subtype="FLOAT"), RATE).waveform
        assert 20 * np.log10(np.sqrt(np.square(waveform).mean())) == pytest.approx(-20, abs=0.5)
        assert np.abs(waveform).max() < 1


def test_nan_infinity_and_offset_are_cleaned():
    wave = speech() + 0.2
    wave[::5000], wave[1::5000] = np.nan, np.inf
    waveform = load(written(wave, subtype="FLOAT"), RATE).waveform
    assert np.isfinite(waveform).all() and abs(waveform.mean()) < 1e-3


def test_silence_at_both_ends_is_trimmed():
    loud = 0.3 * np.sin(np.arange(32_000) * 0.1)
    loaded = load(written(np.concatenate([np.zeros(48_000), loud, np.zeros(32_000)])), RATE)
    assert loaded.seconds_in == pytest.approx(7)
    assert len(loaded.waveform) / RATE == pytest.approx(2 + 0.2, abs=0.05)


def test_a_short_recording_is_used_and_noted():
    assert "only" in load(written(speech(1.5)), RATE).notes[0]


def test_a_long_recording_is_cut_in_a_pause_with_a_note():
    tone = 0.3 * np.sin(np.arange(16_000 * 40) * 0.1)
    tone[16_000 * 26 : 16_000 * 26 + 8000] = 0
    loaded = load(written(tone), RATE)
    assert 26.0 < len(loaded.waveform) / RATE < 26.5
    assert len(loaded.notes) == 1 and "40.0 s long" in loaded.notes[0] and "30 s" in loaded.notes[0]


@pytest.mark.parametrize("format", ["WAV", "FLAC", "MP3"])
def test_ten_minutes_are_not_decoded_to_the_end(format):
    limits = AudioLimits()
    loaded = load(written(speech(600), format=format), RATE, limits)
    assert loaded.seconds_in == limits.read_seconds
    assert limits.max_seconds - limits.pause_seconds <= len(loaded.waveform) / RATE <= limits.max_seconds
    assert loaded.notes


@pytest.mark.parametrize("rate", [7_999, 11_025, 22_254, 44_101, 96_000, 191_999])
def test_any_rate_keeps_pitch_and_length(rate):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    waveform = load(written(tone, rate), RATE).waveform
    assert len(waveform) / RATE == pytest.approx(1, rel=0.01)
    middle = waveform[len(waveform) // 4 : -len(waveform) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * RATE / len(middle) == pytest.approx(440, rel=0.01)


def test_a_file_cut_off_midway_gives_what_it_holds():
    for whole in (written(speech(), format="MP3"), written(speech(), format="OGG"), written(speech())):
        assert 1.5 < load(whole[: len(whole) // 2], RATE).seconds_in < 4


PLAYLIST = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{RECORDINGS / 'allison-en.wav'}\n#EXT-X-ENDLIST\n"
REFUSED = {
    "empty": (lambda: b"", "empty"),
    "text": (lambda: b"hello there " * 50, "cannot be decoded"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(500), "cannot be decoded"),
    "noise": (lambda: os.urandom(50_000), "cannot be decoded"),
    "header-only": (lambda: ALLISON[:44], "cannot be decoded"),
    "half-a-header": (lambda: ALLISON[:20], "cannot be decoded"),
    "cut-off-m4a": (lambda: muxed("mp4", "aac")[:5000], "cannot be decoded"),
    "no-samples": (lambda: written(np.zeros(0)), "cannot be decoded"),
    "one-sample": (lambda: written(np.full(1, 0.5)), "silent"),
    "silence": (lambda: written(np.zeros(48_000)), "silent"),
    "offset-only": (lambda: written(np.full(48_000, 0.3)), "silent"),
    "an-hour-of-silence": (lambda: written(np.zeros(8000 * 3600), 8000, "FLAC"), "silent"),
    "picture-only": (lambda: muxed("mp4", None, video="mpeg4"), "no sound track"),
    "100-hertz": (lambda: written(speech(1), 100), "sample rate"),
    "playlist": (PLAYLIST.encode, "cannot be decoded"),
    "concat": (lambda: f"ffconcat version 1.0\nfile '{RECORDINGS / 'allison-en.wav'}'\n".encode(), "cannot be decoded"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_recording_is_refused_in_words(name, capfd):
    make, message = REFUSED[name]
    with pytest.raises(NotAudio, match=message):
        load(make(), RATE)
    assert capfd.readouterr().err == ""


def test_too_many_bytes_are_refused_before_decoding():
    with pytest.raises(TooLarge, match=r"1\.0 MiB"):
        load(bytes(2**20 + 1), RATE, AudioLimits(max_bytes=2**20))


def without_pauses(seconds: float) -> np.ndarray:
    """Speech in which nothing is quieter than 25 dB below its loudest window."""
    wave = speech(14)
    windows = wave[: len(wave) // 320 * 320].reshape(-1, 320)
    power = np.square(windows).mean(axis=1)
    return np.resize(windows[power > power.max() / 300].ravel(), int(seconds * 16_000))


def level(wave: np.ndarray) -> float:
    return float(10 * np.log10(np.square(wave).mean() + 1e-12))


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("end", [3.3, 5.15, 9.2])
def test_what_ends_in_a_word_fades_into_silence(end: float, rate: int) -> None:
    waveform = load(written(speech(14)[: int(end * 16_000)]), rate).waveform
    assert level(waveform[-int(0.15 * rate) :]) < -60
    before = waveform[-int(0.35 * rate) : -int(0.22 * rate)]
    assert level(before) > -45, "the word itself is kept"
    assert np.abs(np.diff(waveform[-int(0.3 * rate) :])).max() < 0.2


def test_speech_without_a_pause_is_cut_where_least_sounds_and_fades() -> None:
    wave = without_pauses(35)
    loaded = load(written(wave), 16_000)
    assert 22 <= len(loaded.waveform) / 16_000 <= 30
    assert level(loaded.waveform[-2400:]) < -60
    end = len(loaded.waveform) - 3200
    there, usual = level(loaded.waveform[end - 800 : end]), level(loaded.waveform)
    assert there < usual - 6, "at a word's end or a consonant, not in a vowel"


@pytest.mark.parametrize("limit", [8.0, 15.36, 30.0])
def test_a_limit_is_kept_whatever_it_is(limit: float) -> None:
    for wave in (speech(60), without_pauses(45)):
        loaded = load(written(wave), 16_000, AudioLimits(max_seconds=limit))
        assert limit - 8 <= len(loaded.waveform) / 16_000 <= limit
        assert loaded.heard.cuts[-1].end == pytest.approx(len(loaded.waveform) / 16_000 - 0.2, abs=0.01)
