"""Where training stands.

`python -m checkpoints.recipe.state SETTINGS DIRECTORY STEP` lets it go on from a checkpoint directory, on a machine
with nothing else: its codec is then trained, its language model has seen STEP steps. The optimisers' moments are found
again within a hundred.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from checkpoints.recipe.settings import Settings, load


def write(path: Path, **parts: object) -> None:
    """A state that is whole or not there."""
    torch.save(parts, f"{path}.part")
    Path(f"{path}.part").replace(path)


def resume(path: Path, optimizers: list[torch.optim.Optimizer], device: str, **modules: nn.Module) -> int:
    """Loads a state into what is trained, and returns its step; 0 where there is none."""
    if not path.exists():
        return 0
    saved = torch.load(path, map_location=device)
    for name, module in modules.items():
        module.load_state_dict(saved[name], strict=False)
    if "optimizers" in saved:
        for optimizer, moments in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(moments)
    print(f"going on from step {saved['step']}", flush=True)
    return int(saved["step"])


def stored(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Floating tensors in fp16, without upstream's tables of masks and angles: every reader makes its own."""
    kept = {name: tensor for name, tensor in weights.items() if not name.endswith((".causal_mask", ".freqs_cis"))}
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in kept.items()}


def restore(settings: Settings, directory: Path, step: int) -> None:
    """Writes a checkpoint directory's weights where training goes on from."""
    settings.work.mkdir(parents=True, exist_ok=True)
    codec, language_model = (
        {name: tensor.float() for name, tensor in torch.load(directory / file, map_location="cpu").items()}
        for file in ("codec.pth", "model.pth")
    )
    codec = {f"dac.{name}": tensor for name, tensor in codec.items()}
    write(settings.work / "codec-state.pth", codec=codec, step=settings.codec.phases[-1].until)
    mean = {f"module.{name}": tensor for name, tensor in language_model.items()}
    write(settings.work / "lm-state.pth", model=language_model, mean=mean, step=step)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=restore.__doc__)
    parser.add_argument("settings", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("step", type=int)
    arguments = parser.parse_args()
    restore(load(arguments.settings), arguments.directory, arguments.step)
