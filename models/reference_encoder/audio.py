"""A recording as people send it -> the clean mono waveform that the reference-encoder wants.

Decoding is libav's, from memory only. What a file may cost is bounded before it is decoded: bytes, seconds, rate and
channels are limited, only plain audio containers are opened, and nothing a file names (playlists) is followed.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import av
import numpy as np
import torch
import torchaudio.functional

from models.types import NotAudio, TooLarge

CONTAINERS = "wav,w64,flac,mp3,ogg,mov,matroska,aac,aiff,caf"
FORMATS_IN_WORDS = "wav, flac, mp3, ogg, opus, m4a or webm"

WINDOW_SECONDS = 0.02
MARGIN_SECONDS = 0.1
SILENCE_DBFS = -60.0
QUIET_BELOW_LOUDEST_DB = 40.0
TARGET_RMS_DBFS = -20.0
PEAK = 0.99
LONGEST_RATIO = 4000


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """`max_seconds`: longer is cut at a pause within the last `pause_seconds` before it. `read_seconds`: how much of a
    recording is decoded at all, leading silence included."""

    max_bytes: int = 32 * 2**20
    max_seconds: float = 30.0
    pause_seconds: float = 8.0
    short_seconds: float = 3.0
    read_seconds: float = 60.0
    min_rate: int = 1_000
    max_rate: int = 384_000
    max_channels: int = 64


@dataclass(frozen=True, slots=True, eq=False)
class LoadedAudio:
    """`waveform`: float32 mono in [-1, 1], (samples,). `seconds_in`: how much of the recording was decoded.
    `notes`: what was done to it that the caller should be told."""

    waveform: np.ndarray
    sample_rate: int
    seconds_in: float
    notes: tuple[str, ...] = ()


def load(audio: bytes, sample_rate: int, limits: AudioLimits = AudioLimits()) -> LoadedAudio:
    """Any recording -> mono at `sample_rate`, silence-trimmed, at -20 dBFS RMS, at most `max_seconds` long.

    Raises NotAudio (empty, cut off, not a recording, silent) or TooLarge (over `max_bytes`).
    """
    if not audio:
        raise NotAudio(f"The reference audio is empty; send a recording as {FORMATS_IN_WORDS}.")
    if len(audio) > limits.max_bytes:
        raise TooLarge(
            f"The reference audio is {len(audio) / 2**20:.1f} MiB, over the limit of "
            f"{limits.max_bytes / 2**20:.0f} MiB; 10 to {limits.max_seconds:.0f} seconds of speech are enough."
        )
    wave, rate, whole = _decode(audio, limits)
    seconds_in = len(wave) / rate
    start, end = _sounding(wave, rate)
    wave = wave[start:end]
    notes = []
    if len(wave) > limits.max_seconds * rate:
        cut = _pause_before(wave, rate, limits)
        length = "longer" if not whole else f"{seconds_in:.1f} s long, more"
        notes.append(
            f"The reference audio is {length} than {limits.max_seconds:g} s: its first {cut / rate:.1f} s, up to a "
            "pause, are used. Its transcript should match that part."
        )
        wave = wave[:cut]
    elif len(wave) < limits.short_seconds * rate:
        seconds = len(wave) / rate
        notes.append(f"The reference audio holds only {seconds:.1f} s of sound; 10 to 30 s give a closer voice.")
    return LoadedAudio(_level(_resample(wave, rate, sample_rate)), sample_rate, seconds_in, tuple(notes))


def _decode(audio: bytes, limits: AudioLimits) -> tuple[np.ndarray, int, bool]:
    """Mono float32 at the recording's own rate, that rate, and whether its end was reached."""
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": ""}
    blocks: list[np.ndarray] = []
    rate = samples = failures = 0
    whole = True
    try:
        with av.open(io.BytesIO(audio), container_options=options) as container:
            if not container.streams.audio:
                raise NotAudio("The reference file has no sound track; send a recording of someone speaking.")
            packets = container.demux(container.streams.audio[0])
            while (packet := _next(packets)) is not None:
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    failures += 1
                    continue
                for frame in frames:
                    if not blocks:
                        rate = _checked_rate(frame, limits)
                    if frame.sample_rate != rate:
                        raise NotAudio("The reference audio changes its sample rate midway; export it again as WAV.")
                    blocks.append(_mono(frame, limits))
                    samples += frame.samples
                if samples >= limits.read_seconds * max(rate, 1):
                    whole = False
                    break
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise _undecodable() from error
    if not samples or failures > len(blocks):
        raise _undecodable()
    wave = np.concatenate(blocks)[: int(limits.read_seconds * rate)]
    return wave, rate, whole


def _next(packets):
    """The next packet; None at the end, or where the rest of a cut-off file cannot be read."""
    try:
        return next(packets, None)
    except av.error.FFmpegError:
        return None


def _undecodable() -> NotAudio:
    return NotAudio(
        f"The reference audio cannot be decoded: it is not a recording, is cut off, or holds no samples. "
        f"Send {FORMATS_IN_WORDS}."
    )


def _checked_rate(frame: av.AudioFrame, limits: AudioLimits) -> int:
    if not limits.min_rate <= frame.sample_rate <= limits.max_rate:
        raise NotAudio(f"The reference audio has a sample rate of {frame.sample_rate} Hz; export it at 16 to 48 kHz.")
    return frame.sample_rate


def _mono(frame: av.AudioFrame, limits: AudioLimits) -> np.ndarray:
    """The mean of a frame's channels, float32 (samples,)."""
    channels = frame.layout.nb_channels
    if channels > limits.max_channels:
        raise NotAudio(f"The reference audio has {channels} channels; export it as mono or stereo.")
    data = frame.to_ndarray()
    data = data if frame.format.is_planar else data.reshape(-1, channels).T
    if data.dtype == np.uint8:
        data = (data.astype(np.float32) - 128) / 128
    elif np.issubdtype(data.dtype, np.integer):
        data = data.astype(np.float32) / -float(np.iinfo(data.dtype).min)
    finite = np.nan_to_num(data.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(finite, -1e6, 1e6).mean(axis=0)


def _loudness(wave: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    """RMS of each WINDOW_SECONDS window in dBFS, and the window's length in samples."""
    window = max(1, round(WINDOW_SECONDS * rate))
    padded = np.pad(wave, (0, -len(wave) % window))
    power = np.square(padded.reshape(-1, window)).mean(axis=1)
    return 10 * np.log10(power + 1e-12), window


def _sounding(wave: np.ndarray, rate: int) -> tuple[int, int]:
    """First and last sample to keep: what is within 40 dB of the loudest window, and 100 ms around it."""
    loudness, window = _loudness(wave - wave.mean(), rate)
    if loudness.max() < SILENCE_DBFS:
        raise NotAudio("The reference audio is silent; check the microphone and send someone speaking.")
    sounding = np.flatnonzero(loudness > max(SILENCE_DBFS, loudness.max() - QUIET_BELOW_LOUDEST_DB))
    margin = round(MARGIN_SECONDS * rate)
    return max(0, sounding[0] * window - margin), min(len(wave), (sounding[-1] + 1) * window + margin)


def _pause_before(wave: np.ndarray, rate: int, limits: AudioLimits) -> int:
    """Middle of the quietest 200 ms in the last `pause_seconds` before `max_seconds`."""
    first, last = (round(s * rate) for s in (limits.max_seconds - limits.pause_seconds, limits.max_seconds))
    loudness, window = _loudness(wave[max(0, first) : last], rate)
    width = min(len(loudness), round(0.2 / WINDOW_SECONDS))
    smooth = np.convolve(10 ** (loudness / 10), np.ones(width) / width, mode="valid")
    return min(last, max(0, first) + (int(smooth.argmin()) + width // 2) * window)


def _resample(wave: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Rates without a small common ratio are rounded to 100 Hz (at most 0.1 semitone from 8 kHz up): the exact filter
    bank for 44101 -> 44100 Hz would fill gigabytes."""
    if max(rate, target) / math.gcd(rate, target) > LONGEST_RATIO:
        rate = max(100, round(rate, -2))
    return torchaudio.functional.resample(torch.from_numpy(wave), rate, target).numpy()


def _level(wave: np.ndarray) -> np.ndarray:
    """At TARGET_RMS_DBFS, or as near to it as the loudest sample allows."""
    wave = wave - wave.mean()
    rms, peak = float(np.sqrt(np.square(wave, dtype=np.float64).mean())), float(np.abs(wave).max())
    gain = min(10 ** (TARGET_RMS_DBFS / 20) / max(rms, 1e-9), PEAK / max(peak, 1e-9))
    return (wave * gain).astype(np.float32)
