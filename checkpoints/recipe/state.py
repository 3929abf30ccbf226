"""Keeps what training has reached in few bytes: `python -m checkpoints.recipe.state save|restore SETTINGS`.

`save` writes weights in fp16 and the step to `checkpoints/recipe/state`; `restore` puts them where training goes on
from. The optimiser's moments are left out: it finds them again within a hundred steps."""

import argparse
from pathlib import Path

import torch

from checkpoints.recipe.settings import Settings, load

KEPT = Path(__file__).parent / "state"
NAMES = ("codec-state.pth", "lm-state.pth")


def convert(state: dict, dtype: torch.dtype) -> dict:
    """Every floating tensor of the parts of a state in `dtype`; tables that every reader makes itself are left out."""
    return {
        part: {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in value.items()
            if not name.endswith((".causal_mask", ".freqs_cis"))
        }
        if isinstance(value, dict)
        else value
        for part, value in state.items()
        if part != "optimizer"
    }


def save(settings: Settings) -> None:
    KEPT.mkdir(exist_ok=True)
    for name in NAMES:
        if (settings.work / name).exists():
            state = torch.load(settings.work / name, map_location="cpu")
            torch.save(convert(state, torch.float16), KEPT / name)
            print(f"{KEPT / name}: step {state['step']}, {(KEPT / name).stat().st_size / 1e6:.1f} MB")


def restore(settings: Settings) -> None:
    settings.work.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        if (KEPT / name).exists():
            state = convert(torch.load(KEPT / name, map_location="cpu"), torch.float32)
            torch.save(state, settings.work / name)
            print(f"{settings.work / name}: step {state['step']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("save", "restore"))
    parser.add_argument("settings", type=Path)
    arguments = parser.parse_args()
    {"save": save, "restore": restore}[arguments.what](load(arguments.settings))
