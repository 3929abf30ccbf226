"""Real speech, and what recorders, encoders and people make of it."""

from __future__ import annotations

import io

import av
import numpy as np
import soundfile

from tests.paths import RECORDINGS

ALLISON = (RECORDINGS / "allison-en.wav").read_bytes()
RATE = 44_100


def speech(seconds: float = 5.0) -> np.ndarray:
    """16 kHz mono, as long as asked for by repetition."""
    wave, rate = soundfile.read(io.BytesIO(ALLISON), dtype="float32")
    assert rate == 16_000
    return np.resize(wave, int(seconds * rate))


def written(wave: np.ndarray, rate: int = 16_000, format: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=format, subtype=subtype)
    return file.getvalue()


def muxed(
    container: str,
    codec: str | None,
    rate: int = 48_000,
    layout: str = "stereo",
    video: str | None = None,
    wave: np.ndarray | None = None,
) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        picture = sound = None
        if video:
            picture = out.add_stream(video, rate=10)
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
        if codec:
            sound = out.add_stream(codec, rate=rate, layout=layout)
            sound.bit_rate = 0 if codec.startswith("pcm") else 96_000
        if picture:
            for _ in range(5):
                out.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
            out.mux(picture.encode(None))
        if sound:
            wave = speech() if wave is None else wave
            frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            frame.sample_rate = 16_000
            resampler = av.AudioResampler(sound.codec_context.format, layout, rate)
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                out.mux(sound.encode(part))
            out.mux(sound.encode(None))
    return file.getvalue()


def alike(ours: np.ndarray, wave: np.ndarray) -> float:
    """Correlation of the two loudness curves over 50 ms windows: 1 for the same speech."""
    curves = []
    for samples, rate in ((ours, RATE), (wave, 16_000)):
        window = rate // 20
        curves.append(np.sqrt(np.square(samples[: len(samples) // window * window].reshape(-1, window)).mean(axis=1)))
    return max(
        np.corrcoef(curves[0][: n - 3], curves[1][shift : shift + n - 3])[0, 1]
        for n in [min(map(len, curves)) - 12]
        for shift in range(12)
    )
