"""The torch network of a checkpoint, as the tests want it."""

from __future__ import annotations

from pathlib import Path

from models.checkpoint import Checkpoint
from models.text_to_semantic.network import Network
from models.text_to_semantic.prompt import PromptEncoder


def network(path: Path, encoder: PromptEncoder, **options: object) -> Network:
    checkpoint = Checkpoint(path)
    return Network(checkpoint.language_model_config, checkpoint.language_model_tensors(), encoder.ids, **options)
