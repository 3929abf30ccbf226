"""Writes a checkpoint directory from what was trained: `python -m checkpoints.recipe.export SETTINGS DIRECTORY`.

Weights are stored in fp16. Before the language model has been trained, an untrained one stands in, so that the codec
can be judged."""

import argparse
import shutil
from pathlib import Path

import torch
from torch import Tensor

from checkpoints.recipe.settings import Settings, load
from checkpoints.recipe.state import stored
from checkpoints.recipe.train_lm import network


def part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors of a part of a module, under their own names."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def export(settings: Settings, directory: Path) -> None:
    """Write the checkpoint directory: the running mean of the language model and the codec, in fp16."""
    directory.mkdir(parents=True, exist_ok=True)
    model = network(settings)
    weights = model.state_dict()
    state = settings.work / "lm-state.pth"
    if state.exists():
        weights = part(torch.load(state, map_location="cpu")["mean"], "module.")
    torch.save(stored(weights), directory / "model.pth")
    for name in ("config.json", "tokenizer.tiktoken", "special_tokens.json"):
        shutil.copy(settings.work / "lm" / name, directory / name)
    codec = part(torch.load(settings.work / "codec-state.pth", map_location="cpu")["codec"], "dac.")
    torch.save(stored(codec), directory / "codec.pth")
    shutil.copy(settings.codec.architecture, directory / "codec.yaml")
    size = sum(file.stat().st_size for file in directory.iterdir())
    print(f"{directory}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    export(load(arguments.settings), arguments.directory)
