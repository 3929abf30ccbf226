"""A recording as people send it -> the clean mono waveform that is encoded, and what was done to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.reference_encoder import levels, trimming
from models.reference_encoder.decoding import Decoded, FileLimits, decode
from models.reference_encoder.levels import Levels, Wave
from models.reference_encoder.resampling import resample
from models.reference_encoder.transcripts import Cut, Heard
from models.types import NotAudio

TARGET_RMS_DBFS = -20.0
PEAK = 0.99
SILENCE_DBFS = -85.0  # dithered silence of 16 bits is at -93; a voice at -70 is still spoken with
STEADY_SILENCE_DBFS = -60.0  # of a level that never moves: a muted microphone
NOISY_DB = 15.0  # by which the voice must stand above the noise behind it
TOLD_SECONDS = 0.5  # of silence that is left out


@dataclass(frozen=True, slots=True)
class AudioLimits(FileLimits):
    """`max_seconds`: longer is cut at a pause within the last `pause_seconds` before it."""

    max_seconds: float = 30.0
    pause_seconds: float = 8.0
    short_seconds: float = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class LoadedAudio:
    """`waveform`: float32 mono in [-1, 1], (samples,). `seconds_in`: how much of the recording was decoded.
    `notes`: sentences about what was done to it, and what is wrong with it. `heard`: what its transcript must fit."""

    waveform: np.ndarray
    sample_rate: int
    seconds_in: float
    notes: tuple[str, ...]
    heard: Heard


def load(audio: bytes, sample_rate: int, limits: AudioLimits = AudioLimits()) -> LoadedAudio:
    """Any recording -> mono at `sample_rate`, silence-trimmed, at -20 dBFS RMS, at most `max_seconds` long.

    Raises NotAudio (empty, cut off, not a recording, silent) or TooLarge (over `max_bytes`).
    """
    decoded = decode(audio, limits)
    rate = decoded.rate
    clipped = levels.is_clipped(decoded.wave, rate)
    clean = levels.without_clicks(levels.without_offset(decoded.wave, rate), rate)
    whole = Levels(clean.wave, rate)
    _refuse_silence(whole, decoded)
    kept = clean.wave[slice(*trimming.ends(whole, len(clean.wave), rate))]
    kept = trimming.shorten_pauses(kept, Levels(kept, rate), rate)
    dropped = (len(clean.wave) - len(kept)) / rate
    kept, heard = _cut(kept, decoded, limits)
    notes = [*_done(decoded, clean.count, dropped), *_length(heard, decoded, limits)]
    notes += _faults(whole, clipped)
    waveform = _level(resample(kept, rate, sample_rate))
    return LoadedAudio(waveform, sample_rate, len(decoded.wave) / rate, tuple(notes), heard)


def _refuse_silence(found: Levels, decoded: Decoded) -> None:
    if found.loudest < SILENCE_DBFS or (found.steady and found.loudest < STEADY_SILENCE_DBFS):
        part = "" if decoded.whole else f" in its first {len(decoded.wave) / decoded.rate:.0f} s"
        raise NotAudio(f"The reference audio is silent{part}; check the microphone and send someone speaking.")


def _cut(wave: Wave, decoded: Decoded, limits: AudioLimits) -> tuple[Wave, Heard]:
    """What is kept of a recording that is too long: up to the last pause, or else the quietest place, before the limit.
    Where a recording ends in a word, or is made to, it fades, and silence follows."""
    rate, found = decoded.rate, Levels(wave, decoded.rate)
    speech = float(found.spoken.sum()) * found.window / rate
    if len(wave) <= limits.max_seconds * rate:
        abrupt = not found.steady and trimming.ends_in_a_word(found)
        return trimming.faded(wave, rate) if abrupt else wave, Heard(len(wave) / rate, speech)
    latest = limits.max_seconds - trimming.SILENCE_SECONDS
    earliest = max(0.0, limits.max_seconds - limits.pause_seconds)
    pauses = [pause for pause in trimming.pauses(found, rate) if earliest <= pause.end <= latest]
    if not pauses:
        end = trimming.quietest(wave, rate, earliest, latest)
        before = float(found.spoken[: round(end * rate) // found.window].sum()) * found.window / rate
        pauses = [trimming.Pause(end, 0.0, before)]
    kept = trimming.faded(wave[: round(pauses[-1].end * rate)], rate)
    cuts = tuple(Cut(pause.end, pause.length, pause.speech_before) for pause in pauses)
    return kept, Heard(len(kept) / rate, speech if decoded.whole else None, cuts)


def _done(decoded: Decoded, clicks: int, dropped: float) -> list[str]:
    """One sentence about what was done to a recording, if anything was that its sender should know."""
    done = []
    if decoded.channel:
        done.append(f"its {decoded.channel} alone is used, as its channels cancel each other")
    if decoded.damaged:
        done.append(f"it is damaged or cut off, and the {len(decoded.wave) / decoded.rate:.1f} s that decode are used")
    if clicks:
        done.append(f"{clicks} {'click was' if clicks == 1 else 'clicks were'} turned down")
    if dropped > TOLD_SECONDS:
        done.append(f"{dropped:.1f} s without speech were left out")
    return [f"The reference audio was changed: {', '.join(done)}."] if done else []


def _length(heard: Heard, decoded: Decoded, limits: AudioLimits) -> list[str]:
    if heard.cuts:
        length = f"{len(decoded.wave) / decoded.rate:.1f} s long, more" if decoded.whole else "longer"
        return [f"The reference audio is {length} than {limits.max_seconds:g} s: it is cut at a pause."]
    if heard.seconds < limits.short_seconds:
        return [f"The reference audio holds only {heard.seconds:.1f} s of sound; 10 to 30 s give a closer voice."]
    return []


def _faults(found: Levels, clipped: bool) -> list[str]:
    """What a better recording would do without."""
    faults = []
    if found.steady:
        faults.append("sounds like steady noise or a tone, not like speech: check the microphone")
    elif (above := found.held - found.noise[0]) < NOISY_DB:
        faults.append(f"is noisy, its voice only {above:.0f} dB above the noise: a quieter room helps")
    if clipped:
        faults.append("is clipped: a lower recording level gives a cleaner voice")
    return [f"The reference audio {fault}." for fault in faults]


def _level(wave: Wave) -> Wave:
    """At TARGET_RMS_DBFS, or as near to it as the loudest sample allows."""
    wave = wave - wave.mean()
    rms, peak = float(np.sqrt(np.square(wave, dtype=np.float64).mean())), float(np.abs(wave).max())
    gain = min(10 ** (TARGET_RMS_DBFS / 20) / max(rms, 1e-9), PEAK / max(peak, 1e-9))
    return (wave * gain).astype(np.float32)
