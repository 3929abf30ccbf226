"""Encodes the corpus with the trained codec: `python -m checkpoints.recipe.encode checkpoints/recipe/starter.yaml`.

Each part that the language model learns from becomes `NAME.codes.npz`: all frames one after the other, and for each
utterance its speaker, text and first frame, and for each character the frame at which it ends."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from checkpoints.recipe import codec_network
from checkpoints.recipe.settings import Part, Settings, load

RATE = 16_000
BATCH = 16  # utterances encoded together; the encoder is causal, so silence after the end changes nothing before it


def encode(settings: Settings, part: Part, device: str) -> None:
    directory = settings.work / "data"
    codec = codec_network.build(settings.codec.architecture)
    codec.load_state_dict(torch.load(settings.work / "codec.pth", map_location="cpu"))
    codec.eval().to(device)
    lines = [json.loads(line) for line in (directory / f"{part.name}.jsonl").open()]
    pcm = np.memmap(directory / f"{part.name}.pcm", np.int16, "r")
    frames: list[np.ndarray] = [np.empty(0)] * len(lines)
    by_length = sorted(range(len(lines)), key=lambda i: lines[i]["samples"])
    started, seconds = time.monotonic(), 0.0
    for start in range(0, len(by_length), BATCH):
        chosen = by_length[start : start + BATCH]
        longest = max(lines[i]["samples"] for i in chosen)
        audio = torch.zeros(len(chosen), 1, longest)
        for row, i in enumerate(chosen):
            first, count = lines[i]["start"], lines[i]["samples"]
            audio[row, 0, :count] = torch.from_numpy(pcm[first : first + count].astype(np.float32) / 32768)
        with torch.inference_mode():
            codes = codec.encode(audio.to(device))[0].cpu().numpy()
        for row, i in enumerate(chosen):
            frames[i] = codes[row, :, : -(-lines[i]["samples"] // codec.frame_length)].T.astype(np.uint16)
            seconds += lines[i]["samples"] / RATE
        if start // BATCH % 50 == 0:
            print(
                f"{part.name}: {seconds / 3600:.2f} h, {seconds / (time.monotonic() - started):.0f}x real time",
                flush=True,
            )
    np.savez(
        directory / f"{part.name}.codes.npz",
        codes=np.concatenate(frames),
        starts=np.cumsum([0, *map(len, frames)]),
        speakers=np.array([line["speaker"] for line in lines]),
        texts=np.array([line["text"] for line in lines]),
        ends=np.concatenate([line["ends"] for line in lines]).astype(np.float32) * (RATE / 1000 / codec.frame_length),
        characters=np.cumsum([0, *(len(line["ends"]) for line in lines)]),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", help="the name of one part")
    arguments = parser.parse_args()
    chosen = load(arguments.settings)
    for part in chosen.parts:
        if part.lm and (not arguments.only or part.name == arguments.only):
            encode(chosen, part, arguments.device)
