"""What the encoders write, read back by PyAV, libsndfile and Python's own wave module."""

from __future__ import annotations

import gc
import io
import wave

import av
import numpy as np
import psutil
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.synthesis.containers import FORMATS, encoder
from models.types import InvalidRequest
from tests.paths import RECORDINGS

RATE = 44_100
VOICE = RECORDINGS / "allison-en.wav"
RATES = {"opus": 48_000, "ulaw": 8000, "alaw": 8000}  # of formats that cannot have the speech's own
RAW = {"ulaw": "mulaw", "alaw": "alaw"}  # libav's names of formats without a header


def speech(seconds: float = 2.0) -> np.ndarray:
    pcm, _ = soundfile.read(VOICE, dtype="float32")
    return np.repeat(pcm, 3)[16_000 : 16_000 + int(seconds * RATE)]


def encoded(pcm: np.ndarray, blocks: list[int], format: str, streaming: bool = True, **options) -> bytes:
    made, at, out = encoder(format, RATE, streaming=streaming, **options), 0, []
    for size in blocks:
        out.append(made.feed(pcm[at : at + size]))
        at += size
    return b"".join([*out, made.feed(pcm[at:]), made.finish()])


def decoded(data: bytes, format: str, rate: int = RATE) -> tuple[np.ndarray, int]:
    if format == "pcm":
        return np.frombuffer(data, "<i2") / 32768, rate
    raw = {"format": RAW[format], "options": {"sample_rate": "8000"}} if format in RAW else {}
    with av.open(io.BytesIO(data), **raw) as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
        samples = np.concatenate(frames)
        scale = np.iinfo(samples.dtype).max + 1 if np.issubdtype(samples.dtype, np.integer) else 1
        return samples / scale, container.streams.audio[0].rate


def likeness(samples: np.ndarray, rate: int) -> float:
    """Correlation of loudness curves with the speech, at the codec's delay: 1 for the same speech."""

    def loudness(part: np.ndarray, points: int = 40) -> np.ndarray:
        return np.array([np.sqrt(np.square(piece).mean()) for piece in np.array_split(part, points)])

    length = int(1.9 * rate)
    expected = loudness(speech(1.9))
    delays = range(0, len(samples) - length, rate // 500)
    return max(np.corrcoef(loudness(samples[delay : delay + length]), expected)[0, 1] for delay in delays)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_decodes_to_the_speech(format, streaming):
    samples, rate = decoded(encoded(speech(), [5000] * 10, format, streaming), format)
    assert rate == RATES.get(format, RATE)
    assert len(samples) / rate == pytest.approx(2, abs=0.08)
    assert likeness(samples, rate) > 0.98


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=12, deadline=None)
@given(blocks=st.lists(st.integers(0, 9000), max_size=12), speed=st.sampled_from([1.0, 1.0, 0.7, 3.0]))
def test_block_sizes_do_not_matter(format, blocks, speed):
    pcm = speech(0.7)
    whole, parts = (encoded(pcm, sizes, format, speed=speed) for sizes in ([len(pcm)], blocks))
    if format != "opus":  # Ogg's streams have numbers drawn at random
        assert whole == parts
    np.testing.assert_array_equal(decoded(whole, format)[0], decoded(parts, format)[0])


@pytest.mark.parametrize("format", ["wav", "pcm", "flac"])
def test_lossless_formats_keep_every_sample(format):
    samples, _ = decoded(encoded(speech(), [777] * 9, format), format)
    np.testing.assert_array_equal(np.rint(samples * 32768), np.rint(speech() * 32767))


@pytest.mark.parametrize("streaming", [True, False])
def test_wav_opens_everywhere(streaming):
    data = encoded(speech(), [777] * 9, "wav", streaming)
    expected = np.rint(speech() * 32767).astype("<i2")
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        np.testing.assert_array_equal(np.frombuffer(file.readframes(file.getnframes()), "<i2"), expected)
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(data), dtype="int16")[0], expected)
    if not streaming:
        assert int.from_bytes(data[4:8], "little") == len(data) - 8
        assert int.from_bytes(data[40:44], "little") == len(data) - 44


@pytest.mark.parametrize("format", ["mp3", "flac"])
def test_whole_files_say_how_long_they_are(format):
    with av.open(io.BytesIO(encoded(speech(), [], format, streaming=False))) as container:
        assert container.duration / av.time_base == pytest.approx(2, abs=0.001)


@pytest.mark.parametrize("format", FORMATS)
def test_audio_leaves_while_it_is_being_made(format):
    made = encoder(format, RATE, streaming=True)
    early = b"".join(made.feed(speech()[at : at + 8192]) for at in range(0, 24_576, 8192))
    assert len(decoded(early, format)[0]) / RATES.get(format, RATE) > 0.35


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.3, 2.0, 4.0])
def test_speed_changes_length_and_keeps_pitch(speed):
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)).astype(np.float32)
    samples, _ = decoded(encoded(tone, [4096] * 9, "wav", speed=speed), "wav")
    assert len(samples) / RATE == pytest.approx(3 / speed, rel=0.02)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * RATE / len(middle) == pytest.approx(440, abs=5)


@pytest.mark.parametrize("format", [name for name in FORMATS if name not in RATES])
def test_out_sample_rate(format):
    samples, rate = decoded(encoded(speech(), [5000] * 4, format, out_sample_rate=24_000), format, 24_000)
    assert rate == 24_000 and len(samples) / rate == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("format", ["mp3", "opus", "aac"])
def test_bitrate_is_heeded(format):
    low, high = (len(encoded(speech(), [], format, bitrate_kbps=rate)) for rate in (32, 128))
    assert high > 2 * low


def test_samples_out_of_range_are_clamped_and_nan_is_silence():
    data = encoded(np.array([np.nan, np.inf, -np.inf, 2, -2, 0.5, 0], np.float32), [], "pcm")
    assert np.frombuffer(data, "<i2").tolist() == [0, 32767, -32767, 32767, -32767, 16384, 0]


@pytest.mark.parametrize("streaming", [True, False])
def test_no_audio_is_a_valid_empty_wav(streaming):
    with wave.open(io.BytesIO(encoded(np.zeros(0, np.float32), [], "wav", streaming))) as file:
        assert file.readframes(9) == b""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "wma"}, "wav, pcm, mp3, opus, flac, aac"),
        ({"format": ""}, "wav, pcm"),
        ({"format": "mp3", "bitrate_kbps": 999}, "between 8 and 320"),
        ({"format": "mp3", "bitrate_kbps": True}, "between 8 and 320"),
        ({"format": "opus", "out_sample_rate": 44_100}, "48000"),
        ({"format": "ulaw", "out_sample_rate": 16_000}, "choose from 8000"),
        ({"format": "wav", "out_sample_rate": 10**9}, "8000 to 192000"),
        ({"format": "wav", "out_sample_rate": 0}, "8000 to 192000"),
        ({"format": "wav", "speed": 5}, "speed"),
        ({"format": "wav", "speed": float("nan")}, "speed"),
        ({"format": "wav", "speed": True}, "speed"),
    ],
)
def test_impossible_wishes_are_refused_in_words(options, message):
    with pytest.raises(InvalidRequest, match=message):
        encoder(options.pop("format"), RATE, streaming=True, **options)


def test_encoders_of_clients_that_left_give_their_memory_back():
    def abandon() -> None:
        for format in FORMATS:
            encoder(format, RATE, streaming=True, speed=1.5).feed(speech())

    def used() -> int:
        for _ in range(15):
            abandon()
        gc.collect()
        return psutil.Process().memory_info().rss

    before = used()  # the allocator keeps some 40 MB
    assert used() - before < 40 * 2**20
