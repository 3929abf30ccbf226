"""A checkpoint's weights by what they do, as stored: every network makes its own layers of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.checkpoint.configs import LanguageModelConfig, TransformerConfig
from models.text_to_semantic.network.interface import TokenIds


@dataclass(frozen=True, slots=True, eq=False)
class LinearWeights:
    """A linear layer: `weight` (out, in), `bias` (out,)."""

    weight: Tensor
    bias: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LayerWeights:
    """A transformer block: attention with `qkv` of all heads in one and `wo` after it, then w2(silu(w1 x) * w3 x)."""

    attention_norm: Tensor
    ffn_norm: Tensor
    q_norm: Tensor | None
    k_norm: Tensor | None
    qkv: LinearWeights
    wo: LinearWeights
    w1: LinearWeights
    w3: LinearWeights
    w2: LinearWeights

    @property
    def linears(self) -> tuple[LinearWeights, ...]:
        """Its linear layers."""
        return self.qkv, self.wo, self.w1, self.w3, self.w2


@dataclass(frozen=True, slots=True, eq=False)
class StackWeights:
    """A transformer: its blocks, the norm after them, and the rows of its head that are ever drawn from."""

    layers: tuple[LayerWeights, ...]
    norm: Tensor
    head: LinearWeights


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Both transformers. The slow one's head has a row for each semantic token and, last, one for the end. `project`
    takes a hidden state to the fast transformer's width, where that differs. The embeddings are those of token ids, of
    every codebook's codes one after the other, and of codes in the fast transformer."""

    config: LanguageModelConfig
    ids: TokenIds
    slow: StackWeights
    fast: StackWeights
    text_embeddings: Tensor
    codebook_embeddings: Tensor
    fast_embeddings: Tensor
    project: LinearWeights | None

    @classmethod
    def of(cls, config: LanguageModelConfig, ids: TokenIds, tensors: dict[str, Tensor]) -> Weights:
        """From tensors named as in `models.checkpoint.tensors.language_model_shapes`."""
        head = tensors["embeddings.weight" if config.tie_word_embeddings else "output.weight"]
        semantic = head[ids.semantic_begin : ids.semantic_begin + config.codebook_size]
        speech = torch.cat([semantic, head[ids.end : ids.end + 1]])
        residual = tensors["fast_output.weight"][: config.residual_codebook_size]
        return cls(
            config=config,
            ids=ids,
            slow=_stack(config.slow, tensors, "", speech),
            fast=_stack(config.fast, tensors, "fast_", residual),
            text_embeddings=tensors["embeddings.weight"],
            codebook_embeddings=tensors["codebook_embeddings.weight"],
            fast_embeddings=tensors["fast_embeddings.weight"],
            project=_linear(tensors, "fast_project_in") if "fast_project_in.weight" in tensors else None,
        )

    @property
    def linears(self) -> Iterator[LinearWeights]:
        """All linear layers."""
        for stack in (self.slow, self.fast):
            yield stack.head
            for layer in stack.layers:
                yield from layer.linears
        if self.project:
            yield self.project


def _stack(config: TransformerConfig, tensors: dict[str, Tensor], prefix: str, head: Tensor) -> StackWeights:
    layers = tuple(_layer(config, tensors, f"{prefix}layers.{i}.") for i in range(config.n_layer))
    return StackWeights(layers, tensors[f"{prefix}norm.weight"], LinearWeights(head))


def _layer(config: TransformerConfig, tensors: dict[str, Tensor], prefix: str) -> LayerWeights:
    return LayerWeights(
        attention_norm=tensors[f"{prefix}attention_norm.weight"],
        ffn_norm=tensors[f"{prefix}ffn_norm.weight"],
        q_norm=tensors[f"{prefix}attention.q_norm.weight"] if config.qk_norm else None,
        k_norm=tensors[f"{prefix}attention.k_norm.weight"] if config.qk_norm else None,
        qkv=_linear(tensors, f"{prefix}attention.wqkv"),
        wo=_linear(tensors, f"{prefix}attention.wo"),
        w1=_linear(tensors, f"{prefix}feed_forward.w1"),
        w3=_linear(tensors, f"{prefix}feed_forward.w3"),
        w2=_linear(tensors, f"{prefix}feed_forward.w2"),
    )


def _linear(tensors: dict[str, Tensor], name: str) -> LinearWeights:
    return LinearWeights(tensors[f"{name}.weight"], tensors.get(f"{name}.bias"))
