"""Keeps what training has reached in few bytes: `python -m checkpoints.recipe.state save|restore SETTINGS`.

`save` writes weights in fp16 and the step to `checkpoints/recipe/state`; `restore` puts them where training goes on
from. The optimiser's moments are left out: it finds them again within a hundred steps."""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from checkpoints.recipe.settings import Settings, load

KEPT = Path(__file__).parent / "state"
NAMES = ("codec-state.pth", "lm-state.pth")


def write(path: Path, **parts: object) -> None:
    """A state that is whole or not there."""
    torch.save(parts, f"{path}.part")
    Path(f"{path}.part").replace(path)


def resume(path: Path, optimizer: torch.optim.Optimizer, device: str, **modules: nn.Module) -> int:
    """Loads a state into what is trained, and returns its step; 0 where there is none."""
    if not path.exists():
        return 0
    saved = torch.load(path, map_location=device)
    for name, module in modules.items():
        module.load_state_dict(saved[name], strict=False)
    if "optimizer" in saved:
        optimizer.load_state_dict(saved["optimizer"])
    print(f"going on from step {saved['step']}", flush=True)
    return saved["step"]


def stored(weights: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Floating tensors in `dtype`, without upstream's tables of masks and angles: every reader makes its own."""
    kept = {name: tensor for name, tensor in weights.items() if not name.endswith((".causal_mask", ".freqs_cis"))}
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in kept.items()}


def convert(state: dict, dtype: torch.dtype) -> dict:
    """A state without its optimiser, in `dtype`."""
    parts = {part: value for part, value in state.items() if part != "optimizer"}
    return {part: stored(value, dtype) if isinstance(value, dict) else value for part, value in parts.items()}


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
