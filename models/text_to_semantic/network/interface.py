"""The interface of networks to the engine, whichever device they run on.

A frame is a row of 1 + num_codebooks integers: the head index of the semantic token (its code, or `end` for the token
that ends an utterance), then the codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from models.checkpoint.configs import LanguageModelConfig
from models.types import Sampling


@dataclass(frozen=True, slots=True)
class TokenIds:
    """Where the tokenizer has the ids that the network must know: the first semantic token, after which the others
    follow one by one, and the token that ends an utterance."""

    semantic_begin: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPrompt:
    """values (1 + num_codebooks, T) int32: token ids over codes. The first `prefix_length` positions depend on the
    references alone, and `prefix_key` names them; None when there are no references."""

    values: Tensor
    prefix_length: int
    prefix_key: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """Keys and values of a slot's first `length` positions, in a layout of the network that copied them."""

    length: int
    tensors: tuple[Tensor, ...]


class Network(Protocol):
    """The slow and the fast transformer with the state of `slots` utterances, on one device. Not thread-safe."""

    @property
    def config(self) -> LanguageModelConfig:
        """Sizes of the two transformers."""

    @property
    def ids(self) -> TokenIds:
        """The tokens that a prompt for it is made of."""

    @property
    def slots(self) -> int:
        """How many utterances it holds side by side."""

    @property
    def positions(self) -> int:
        """How many positions prompt and frames of one slot may take together."""

    @property
    def end(self) -> int:
        """The head index that ends an utterance."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def compiled(self) -> bool:
        """Whether its step runs as a compiler or a captured graph made it, not operation by operation."""

    @property
    def quantization(self) -> str:
        """How its linear layers hold their weights."""

    @property
    def kv_bytes_per_position(self) -> int:
        """Memory that one cached position of the slow transformer takes."""

    @property
    def bytes_per_weight(self) -> float:
        """Memory that one weight of a linear layer takes, with its share of a scale."""

    def reset(self, slot: int, sampling: Sampling) -> None:
        """Prepare a slot for a new utterance."""

    def release(self, slot: int) -> None:
        """The slot's utterance is over: give back what memory it can."""

    def set_active(self, slot: int, active: bool) -> None:
        """Say whether a slot takes part in the next steps: one that does not keeps its state."""

    def prefill(self, slot: int, values: Tensor, start: int) -> Tensor:
        """Run prompt values (1 + num_codebooks, T) at positions start… of a slot; returns the last hidden state
        (1, 1, D), which is valid until the next call."""

    def first_frame(self, slot: int, hidden: Tensor) -> Tensor:
        """The frame (1, 1 + num_codebooks) that follows a prompt whose last hidden state is given; the slot is active
        from then on."""

    def decode(self, rows: int, context: int) -> Tensor:
        """One more frame for each active slot of the first `rows`: (rows, 1 + num_codebooks).

        `context` is the number of cached positions to look at: at least every row's position + 1. The result is valid
        until the next call.
        """

    def copy_prefix(self, slot: int, length: int) -> Prefix:
        """A copy of the cached keys and values of a slot's first positions."""

    def restore_prefix(self, slot: int, prefix: Prefix) -> None:
        """Let a slot that was reset begin with what `copy_prefix` of this network returned."""
