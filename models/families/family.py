"""What tells one model family from another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from models.checkpoint.card import Card
from models.checkpoint.configs import LanguageModelConfig
from models.text.rules import TextRules
from models.text_to_semantic.prompt import PromptFormat


@dataclass(frozen=True, slots=True)
class Family:
    """One entry of the registry. The codec is no part of it: families share one.

    model_type: of config.json, by which a directory is recognised
    files: what a directory must hold beside the codec's files
    read_config: sizes and sampling rules of the network of a directory
    read_tensors: its weights, memory-mapped, named and shaped as `checkpoint.tensors.language_model_shapes` says
    verify: reads the files of the weights whole, against whatever tells that they are intact
    prompt_format: how prompts are written for a directory's tokenizer
    text_rules: which markers and control tokens a text may hold
    card: what its checkpoints speak, where their own card.yaml does not say otherwise

    All that read a directory raise CheckpointError, which names the file and what is wrong in it.
    """

    name: str
    model_type: str
    files: tuple[str, ...]
    read_config: Callable[[Path], LanguageModelConfig]
    read_tensors: Callable[[Path, LanguageModelConfig], dict[str, Tensor]]
    verify: Callable[[Path], None]
    prompt_format: Callable[[Path, LanguageModelConfig], PromptFormat]
    text_rules: TextRules
    card: Card
