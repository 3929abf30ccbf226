"""Judges what was trained, on sentences and speakers kept from training.

`python -m checkpoints.recipe.evaluate codec SETTINGS DIRECTORY` sends speech through a checkpoint's codec and back.
`python -m checkpoints.recipe.evaluate voice SETTINGS URL` asks a running server, on its own checkpoint, to speak.
Speakers are synthetic; with `--recordings FOLDER TEXTS` the recorded one of Asterisk's sounds."""

import argparse
import base64
import gzip
import io
import itertools
import json
import random
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile

from checkpoints.recipe.judging import judges
from checkpoints.recipe.settings import Settings, load
from checkpoints.recipe.speech import teachers
from checkpoints.recipe.speech.sound import level, recording, trim
from checkpoints.recipe.speech.text import sentences
from models.checkpoint.reader import Checkpoint
from models.reference_encoder.encoder import ReferenceEncoder
from models.vq_decoder.decoder import VQDecoder

SPEAKERS_FROM = 1_000_000  # seeds of speakers that no part of the corpus draws
SHORTEST = 25  # characters of a sentence to judge
LONGEST = 12.0  # seconds of a recording to judge
SECONDS_A_CHARACTER = (0.035, 0.16)  # what is shorter was cut off, what is longer rambled

Sample = tuple[np.ndarray, str]  # speech at 16 kHz, and its text


def speakers(count: int) -> list[teachers.Speaker]:
    """Synthetic speakers that were never trained on: two of three are Hibari's, the others flite's."""
    kinds = itertools.cycle(("hibari", "hibari", "flite"))
    return [teachers.draw_speaker(random.Random(SPEAKERS_FROM + i), next(kinds), i // 3) for i in range(count)]


def speech(speaker: teachers.Speaker, text: str) -> np.ndarray:
    """`text` by a synthetic speaker, as the corpus holds it."""
    return level(trim(teachers.speak(speaker, text, random.Random(SPEAKERS_FROM))[0])[0])


def synthetic(settings: Settings, count: int, first: int = 0) -> list[Sample]:
    """A sentence by each of `count` speakers; `first` is the first sentence's number among those kept from training."""
    texts = held_out(settings)[first : first + count]
    return [(speech(speaker, text), text) for speaker, text in zip(speakers(count), texts, strict=True)]


def recorded(folder: Path, texts: Path, count: int) -> list[Sample]:
    """The first `count` recordings of a sentence's length; `texts` has a line `name: text` for each file."""
    samples: list[Sample] = []
    for line in gzip.decompress(texts.read_bytes()).decode().splitlines():
        name, _, text = line.strip().partition(": ")
        path = folder / f"{name}.g722"
        if len(samples) == count:
            break
        if len(text) < SHORTEST or "[" in text or not path.exists():
            continue
        audio = recording(path)
        if audio is not None and len(audio) <= LONGEST * judges.RATE:
            samples.append((audio, text))
    return samples


def held_out(settings: Settings) -> list[str]:
    """The sentences kept from training that are long enough to judge."""
    texts = sentences(settings.work, settings.seed)[: settings.held_out_texts]
    return [text for text in texts if len(text) >= SHORTEST]


def misheard(settings: Settings, said: list[str], sounds: list[np.ndarray]) -> tuple[dict[str, float], list[str]]:
    """Error rates of Whisper, and of a recogniser that no training listened to; and what Whisper heard."""
    recognised = [judges.heard(audio, settings.work / "whisper") for audio in sounds]
    wer, cer = judges.error_rates(said, recognised)
    rates = {"wer": wer, "cer": cer}
    rates["sphinx_wer"], rates["sphinx_cer"] = judges.error_rates(said, [judges.heard_by_sphinx(x) for x in sounds])
    return {name: round(rate, 3) for name, rate in rates.items()}, recognised


def by_voice(voices: list[str], said: list[str], recognised: list[str]) -> dict[str, float]:
    """Word error rate after the references of each voice: one that fails hides among the others."""
    rates = {}
    for voice in sorted(set(voices)):
        chosen = [i for i, each in enumerate(voices) if each == voice]
        rate, _ = judges.error_rates([said[i] for i in chosen], [recognised[i] for i in chosen])
        rates[voice] = round(rate, 3)
    return rates


def judge_codec(settings: Settings, checkpoint: Checkpoint, samples: list[Sample]) -> dict[str, float]:
    """Error rates of the original and of what the codec makes of it, and how alike the speakers sound."""
    config = checkpoint.codec_config
    encoder = ReferenceEncoder(config, checkpoint.codec_tensors("encoder"), "cpu", "fp32")
    decoder = VQDecoder(config, checkpoint.codec_tensors("decoder"), "cpu", "fp32", 1)
    said, originals, again = [text for _, text in samples], [audio for audio, _ in samples], []
    for original in originals:
        stream = decoder.open()
        again.append(decoder.decode([(stream, encoder.encode([original])[0])])[0])
        stream.close()
    before = {f"{name}_original": rate for name, rate in misheard(settings, said, originals)[0].items()}
    alike = [judges.speaker(one) @ judges.speaker(two) for one, two in zip(originals, again, strict=True)]
    return misheard(settings, said, again)[0] | before | {"similarity": round(float(np.mean(alike)), 3)}


def ask(url: str, text: str, seed: int, reference: Sample | None) -> tuple[np.ndarray, float]:
    """The server's speech, and the seconds it took."""
    body: dict[str, Any] = {"text": text, "seed": seed, "format": "wav", "references": []}
    if reference:
        file = io.BytesIO()
        soundfile.write(file, reference[0], judges.RATE, format="WAV")
        body["references"] = [{"audio": base64.b64encode(file.getvalue()).decode(), "text": reference[1]}]
    started = time.monotonic()
    answer = httpx.post(f"{url}/v1/tts", json=body, timeout=300).raise_for_status()
    seconds = time.monotonic() - started
    audio, rate = soundfile.read(io.BytesIO(answer.content), dtype="float32")
    if rate != judges.RATE:
        raise SystemExit(f"the server speaks at {rate} Hz, this recipe's checkpoints at {judges.RATE}")
    return audio, seconds


def judge_voice(
    settings: Settings,
    url: str,
    references: list[Sample],
    voices: list[str],
    strangers: list[Sample],
    keep: Path | None,
) -> dict[str, dict[str, Any]]:
    """A sentence for each reference, alone and cloned; `strangers` are who a cloned voice might be taken for,
    `voices` what those of the references are made from."""
    count = len(references)
    texts = held_out(settings)[:count]
    results: dict[str, dict[str, Any]] = {}
    for kind in ("alone", "cloned"):
        said = [ask(url, text, i, references[i] if kind == "cloned" else None) for i, text in enumerate(texts)]
        sounds = [audio for audio, _ in said]
        rates, recognised = misheard(settings, texts, sounds)
        pace = [len(audio) / judges.RATE / len(text) for audio, text in zip(sounds, texts, strict=True)]
        results[kind] = rates | {
            "rtf": round(sum(seconds for _, seconds in said) / sum(len(audio) / judges.RATE for audio in sounds), 3),
            "clipped": sum(bool(np.abs(audio).max() >= 0.999) for audio in sounds),
            "cut_off": sum(each < SECONDS_A_CHARACTER[0] for each in pace),
            "rambling": sum(each > SECONDS_A_CHARACTER[1] for each in pace),
        }
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            for i, audio in enumerate(sounds):
                soundfile.write(keep / f"{kind}-{i:02}.wav", audio, judges.RATE)
            heard = [{"said": text, "heard": words} for text, words in zip(texts, recognised, strict=True)]
            (keep / f"{kind}.json").write_text(json.dumps(heard, indent=1))
    results["cloned"]["wer_by_voice"] = by_voice(voices, texts, recognised)
    own = [judges.speaker(audio) for audio in sounds]
    given, others = ([judges.speaker(audio) for audio, _ in each] for each in (references, strangers))
    pairs = [(float(own[i] @ given[i]), float(own[i] @ others[j])) for i, j in itertools.permutations(range(count), 2)]
    pitches = [
        (judges.median_pitch(audio), judges.median_pitch(ref[0])) for audio, ref in zip(sounds, references, strict=True)
    ]
    off = [abs(one / two - 1) for one, two in pitches]
    results["cloned"] |= {
        "own_voice_nearer": round(float(np.mean([mine > other for mine, other in pairs])), 3),
        "similarity": round(float(np.mean([mine for mine, _ in pairs])), 3),
        "pitch_within_10_percent": round(float(np.mean([each <= 0.1 for each in off])), 3),
        "pitch_off_median": round(float(np.median(off)), 3),
    }
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("codec", "voice"))
    parser.add_argument("settings", type=Path)
    parser.add_argument("where", help="a checkpoint directory, or a server's address")
    parser.add_argument("--count", type=int, default=50, help="sentences")
    parser.add_argument("--keep", type=Path, help="a folder for what was spoken")
    parser.add_argument("--recordings", type=Path, nargs=2, help="a folder of .g722, and their texts")
    arguments = parser.parse_args()
    chosen, count = load(arguments.settings), arguments.count
    real = None
    if arguments.recordings:
        folder, texts = arguments.recordings
        real = recorded(folder, texts, count)
    if arguments.what == "codec":
        samples = synthetic(chosen, count) if real is None else real
        print(json.dumps(judge_codec(chosen, Checkpoint(arguments.where), samples)))
    else:
        strangers = synthetic(chosen, count, first=count)
        samples = strangers if real is None else real
        voices = [f"{each.teacher} {each.voice}" if real is None else "recorded" for each in speakers(len(samples))]
        print(json.dumps(judge_voice(chosen, arguments.where, samples, voices, strangers, arguments.keep), indent=1))
