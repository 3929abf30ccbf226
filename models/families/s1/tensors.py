"""model.pth of an OpenAudio S1 checkpoint, read strictly."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from models.checkpoint.configs import LanguageModelConfig
from models.checkpoint.tensors import language_model_shapes
from models.checkpoint.torch_files import load_torch, match, shapes_of, verify_torch

FILE = "model.pth"


def read_tensors(path: Path, config: LanguageModelConfig) -> dict[str, Tensor]:
    """All tensors as stored (memory-mapped), but for those of upstream's audio encoder, which generates nothing."""
    found = load_torch(path / FILE, prefix="model.")
    found = {name: tensor for name, tensor in found.items() if not name.startswith("audio_")}
    match(path / FILE, language_model_shapes(config), shapes_of(found))
    return found


def verify(path: Path) -> None:
    """Read model.pth whole, against its checksums. Raises CheckpointError."""
    verify_torch(path / FILE)
