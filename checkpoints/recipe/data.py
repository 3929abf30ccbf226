"""Renders the corpus: `python -m checkpoints.recipe.data checkpoints/recipe/starter.yaml [--only NAME]`.

Every part of the corpus becomes two files: `NAME.pcm`, all utterances one after the other as int16 at 16 kHz, and
`NAME.jsonl`, a line for each: speaker, text, first sample, samples, and the millisecond at which each character ends.
A process for each core renders a part at a time. Parts that are whole already are left as they are."""

import argparse
import json
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np

from checkpoints.recipe.settings import Part, Settings, load, named
from checkpoints.recipe.speech.sound import RATE, level, recording, trim
from checkpoints.recipe.speech.text import sentences

SECONDS = (0.8, 20.0)


@contextmanager
def writing(directory: Path, name: str) -> Iterator[tuple[BinaryIO, TextIO]]:
    """The sound file and the index of a part, which get their names when both are whole."""
    paths = directory / f"{name}.pcm", directory / f"{name}.jsonl"
    with open(f"{paths[0]}.part", "wb") as pcm, open(f"{paths[1]}.part", "w") as index:
        yield pcm, index
    for path in paths:
        os.replace(f"{path}.part", path)


def render_spoken(part: Part, texts: list[str], directory: Path) -> None:
    """A part spoken by a teacher: `part.hours` of it, `part.each` utterances a speaker."""
    from checkpoints.recipe.speech import teachers

    rng = random.Random(part.seed)
    rng.shuffle(texts)
    supply, number, samples, started = iter(texts * 20), 0, 0, time.monotonic()
    with writing(directory, part.name) as (pcm, index):
        while samples < part.hours * 3600 * RATE:
            speaker = teachers.draw_speaker(rng, part.teacher, number, part.voice)
            if part.alone:
                speaker = teachers.Speaker(part.name, part.teacher, speaker.voice)
            number += 1
            for _ in range(part.each):
                text = " ".join(next(supply) for _ in range(rng.choices((1, 2, 3), (8, 1, 1))[0]))
                try:
                    audio, marks = teachers.speak(speaker, text, rng)
                except ValueError:
                    continue
                audio, first = trim(audio)
                if not SECONDS[0] <= len(audio) / RATE <= SECONDS[1]:
                    continue
                ends = np.clip(marks * 1000 - first * 1000 / RATE, 0, len(audio) * 1000 / RATE).astype(int).tolist()
                pcm.write((level(audio) * 32767).astype("<i2").tobytes())
                line = {"speaker": speaker.name, "text": text, "start": samples, "samples": len(audio), "ends": ends}
                index.write(json.dumps(line | {"voice": asdict(speaker)}) + "\n")
                samples += len(audio)
            if number % 25 == 0:
                speed = samples / RATE / (time.monotonic() - started)
                done = f"{samples / RATE / 3600:.2f} of {part.hours} h, {number} speakers"
                print(f"{part.name}: {done}, {speed:.0f}x real time", flush=True)


def render_recorded(part: Part, directory: Path) -> None:
    """A part of real recordings: every sound file under `part.files`. Their texts are not used."""
    samples = 0
    with writing(directory, part.name) as (pcm, index):
        for path in sorted(Path(part.files).rglob("*.g722")):
            audio = recording(path)
            if audio is None:
                continue
            pcm.write((audio * 32767).astype("<i2").tobytes())
            line = {"speaker": part.name, "text": "", "start": samples, "samples": len(audio), "ends": []}
            index.write(json.dumps(line) + "\n")
            samples += len(audio)
    print(f"{part.name}: {samples / RATE / 60:.1f} minutes recorded", flush=True)


def render_part(part: Part, texts: list[str], directory: Path) -> None:
    """A part of the corpus, spoken by its teacher or recorded."""
    if part.files:
        render_recorded(part, directory)
    else:
        render_spoken(part, texts, directory)


def render(settings: Settings, only: str | None) -> None:
    """All parts that are missing, or the one named `only`, each in a process of its own."""
    directory = settings.work / "data"
    directory.mkdir(parents=True, exist_ok=True)
    texts = sentences(settings.work, settings.seed)[settings.held_out_texts :]
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch's of every process: together they have the cores
    missing = [part for part in named(settings.parts, only) if not (directory / f"{part.name}.jsonl").exists()]
    with ProcessPoolExecutor() as processes:
        for done in as_completed([processes.submit(render_part, part, texts, directory) for part in missing]):
            if done.exception():
                processes.shutdown(cancel_futures=True)
            done.result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("--only", help="the name of one part; those that stand for many are numbered")
    arguments = parser.parse_args()
    render(load(arguments.settings), arguments.only)
