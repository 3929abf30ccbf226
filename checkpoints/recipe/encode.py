"""Encodes the corpus with a checkpoint's codec: `python -m checkpoints.recipe.encode SETTINGS DIRECTORY`.

Each part that the language model learns from becomes `NAME.codes.npz`: all frames one after the other, and for each
utterance its speaker, text and first frame, and for each character the frame at which it ends."""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from checkpoints.recipe.settings import Part, Settings, load, named
from checkpoints.recipe.speech.sound import RATE
from models.checkpoint.reader import Checkpoint
from models.reference_encoder.encoder import ReferenceEncoder

BATCHES = {"cpu": 16, "cuda": 256}  # utterances encoded together


def encode(settings: Settings, part: Part, checkpoint: Checkpoint, device: str) -> None:
    """Write a part's codes; utterances of a like length are encoded together."""
    directory, config = settings.work / "data", checkpoint.codec_config
    encoder = ReferenceEncoder(config, checkpoint.codec_tensors("encoder"), device, "fp32")
    lines = [json.loads(line) for line in (directory / f"{part.name}.jsonl").open()]
    pcm = np.memmap(directory / f"{part.name}.pcm", np.int16, "r")
    frames: list[np.ndarray] = [np.empty(0)] * len(lines)
    by_length = sorted(range(len(lines)), key=lambda i: lines[i]["samples"])
    started, seconds, batch = time.monotonic(), 0.0, BATCHES[device]
    for number, start in enumerate(range(0, len(by_length), batch)):
        chosen = by_length[start : start + batch]
        places = [(lines[i]["start"], lines[i]["samples"]) for i in chosen]
        codes = encoder.encode([pcm[first : first + count].astype(np.float32) / 32768 for first, count in places])
        for i, found in zip(chosen, codes, strict=True):
            frames[i] = found.T.astype(np.uint16)
        seconds += sum(count for _, count in places) / RATE
        if number % 50 == 0:
            speed = seconds / (time.monotonic() - started)
            print(f"{part.name}: {seconds / 3600:.2f} h, {speed:.0f}x real time", flush=True)
    np.savez(
        directory / f"{part.name}.codes.npz",
        codes=np.concatenate(frames),
        starts=np.cumsum([0, *map(len, frames)]),
        speakers=np.array([line["speaker"] for line in lines]),
        texts=np.array([line["text"] for line in lines]),
        ends=np.concatenate([line["ends"] for line in lines]).astype(np.float32) * (RATE / 1000 / config.frame_length),
        characters=np.cumsum([0, *(len(line["ends"]) for line in lines)]),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("checkpoint", type=Path, help="the directory that `export` wrote")
    parser.add_argument("--device", default="cpu", choices=BATCHES)
    parser.add_argument("--only", help="the name of one part; those that stand for many are numbered")
    arguments = parser.parse_args()
    chosen = load(arguments.settings)
    for part in named(chosen.parts, arguments.only):
        if not part.lm:
            continue
        if (chosen.work / "data" / f"{part.name}.jsonl").exists():
            encode(chosen, part, Checkpoint(arguments.checkpoint), arguments.device)
        else:
            print(f"{part.name}: not rendered, left out", flush=True)
