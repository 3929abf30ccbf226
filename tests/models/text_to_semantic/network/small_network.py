"""A small text-to-semantic network, no size of which is a multiple of what the kernels compute together."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from models.checkpoint.tensors import language_model_shapes
from models.families.s1.config import DualARConfig
from models.text_to_semantic.network.interface import TokenIds
from models.text_to_semantic.network.weights import Weights
from models.types import Sampling

CODES, TEXT = 1030, 300
IDS = TokenIds(semantic_begin=TEXT, end=TEXT - 1)
SMALL = DualARConfig(
    vocab_size=TEXT + CODES + 2,
    n_layer=3,
    n_head=6,
    n_local_heads=2,
    dim=200,
    head_dim=40,
    intermediate_size=300,
    max_seq_len=2048,
    rope_base=1e6,
    norm_eps=1e-6,
    codebook_size=CODES,
    num_codebooks=5,
    n_fast_layer=2,
    fast_head_dim=24,
    tie_word_embeddings=False,
    attention_qk_norm=True,
    fast_attention_qk_norm=False,
    scale_codebook_embeddings=True,
)


def tensors(config: DualARConfig, dtype: torch.dtype = torch.bfloat16) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def tensor(name: str, shape: tuple[int, ...]) -> Tensor:
        noise = torch.randn(shape, generator=generator)
        if name.endswith("norm.weight"):
            return 1 + 0.1 * noise
        return noise * (0.03125 if "embeddings" in name else shape[-1] ** -0.5)

    return {name: tensor(name, shape).to(dtype) for name, shape in language_model_shapes(config.network).items()}


def weights(config: DualARConfig, dtype: torch.dtype = torch.bfloat16) -> Weights:
    return Weights.of(config.network, IDS, tensors(config, dtype))


@cache
def small_weights() -> Weights:
    return weights(SMALL)


def prompt(length: int, seed: int = 0, codebooks: int = 5) -> Tensor:
    """Text, then spoken codes, then text."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.zeros(1 + codebooks, length, dtype=torch.int32)
    values[0] = torch.randint(0, IDS.end, (length,), generator=generator)
    codes = torch.randint(0, 1024, (codebooks, length // 2), generator=generator)
    spoken = slice(length // 4, length // 4 + length // 2)
    values[1:, spoken], values[0, spoken] = codes, IDS.semantic_begin + codes[0]
    return values


def sampling(seed: int) -> Sampling:
    return Sampling(temperature=0.9, top_p=0.9, repetition_penalty=1.2, seed=seed)
