"""Reading torch's own files of tensors, and holding them against the shapes that a config asks for."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint.tensors import Shapes
from models.types import CheckpointError


def load_torch(path: Path, prefix: str) -> dict[str, Tensor]:
    """The tensors of a file, memory-mapped: views until they are converted. The wrappings of training are taken off: a
    `state_dict`, and a `prefix` of the names. Raises CheckpointError."""
    try:
        state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path} is not a readable torch file: {type(error).__name__}: {error}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} must hold a dictionary of tensors")
    if any(name.startswith(prefix) for name in state):  # as upstream: a trained wrapper holds more than its model
        state = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
    return dict(state)


def verify_torch(path: Path) -> None:
    """Read a file whole, against the checksums in it. Raises CheckpointError."""
    if zipfile.is_zipfile(path) and (part := zipfile.ZipFile(path).testzip()):
        raise CheckpointError(f"{path} is damaged at {part}: copy or download it again")


def match(path: Path, expected: Shapes, found: Shapes) -> None:
    """Raise a CheckpointError that names the tensors of the file that are missing, not asked for, or of another
    shape, if there are any."""
    problems = [f"missing tensor {name} {expected[name]}" for name in expected.keys() - found.keys()]
    problems += [f"unexpected tensor {name} {found[name]}" for name in found.keys() - expected.keys()]
    problems += [
        f"{name} has shape {found[name]}, expected {expected[name]}"
        for name in expected.keys() & found.keys()
        if found[name] != expected[name]
    ]
    if problems:
        raise CheckpointError(f"{path} does not fit its config:\n  " + "\n  ".join(sorted(problems)))


def shapes_of(tensors: dict[str, Tensor]) -> Shapes:
    """Names and shapes."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
