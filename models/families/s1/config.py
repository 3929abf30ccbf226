"""config.json of an OpenAudio S1 checkpoint, read strictly."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TypeVar

from models.checkpoint.configs import LanguageModelConfig, SamplingRules, TransformerConfig
from models.checkpoint.files import read_mapping, refuse_unknown
from models.types import CheckpointError

T = TypeVar("T")

RESIDUAL_CODES = 1024  # upstream cuts the logits of the residual codebooks to the first of them
SAMPLING = SamplingRules(penalty_window=16)  # upstream's decode_n_tokens
# Keys that other tools write beside upstream's and that say nothing about the network.
HARMLESS_KEYS = {"architectures", "auto_map", "dtype", "torch_dtype", "transformers_version", "_name_or_path"}
# Upstream's own keys that matter in training only.
TRAINING_KEYS = {"dropout", "initializer_range", "use_gradient_checkpointing"}


@dataclass(frozen=True, slots=True)
class DualARConfig:
    """The keys of config.json and their meaning; the defaults are those of upstream's DualARModelArgs."""

    vocab_size: int
    n_layer: int
    n_head: int
    dim: int
    max_seq_len: int
    codebook_size: int
    num_codebooks: int
    n_fast_layer: int = 4
    intermediate_size: int | None = None
    n_local_heads: int = -1
    head_dim: int = 64
    rope_base: float = 10000
    norm_eps: float = 1e-5
    tie_word_embeddings: bool = True
    attention_qkv_bias: bool = False
    attention_o_bias: bool = False
    attention_qk_norm: bool = False
    scale_codebook_embeddings: bool = False
    is_reward_model: bool = False
    fast_dim: int | None = None
    fast_n_head: int | None = None
    fast_n_local_heads: int | None = None
    fast_head_dim: int | None = None
    fast_intermediate_size: int | None = None
    fast_attention_qkv_bias: bool | None = None
    fast_attention_qk_norm: bool | None = None
    fast_attention_o_bias: bool | None = None

    @property
    def slow(self) -> TransformerConfig:
        """The slow transformer: one position per frame (upstream's BaseModelArgs.__post_init__ fills the gaps)."""
        hidden = int(2 * 4 * self.dim / 3)
        return TransformerConfig(
            n_layer=self.n_layer,
            n_head=self.n_head,
            n_local_heads=self.n_head if self.n_local_heads == -1 else self.n_local_heads,
            dim=self.dim,
            head_dim=self.head_dim,
            intermediate_size=self.intermediate_size or -(-hidden // 256) * 256,
            rope_base=self.rope_base,
            norm_eps=self.norm_eps,
            qkv_bias=self.attention_qkv_bias,
            o_bias=self.attention_o_bias,
            qk_norm=self.attention_qk_norm,
        )

    @property
    def fast(self) -> TransformerConfig:
        """The fast transformer: one position per codebook; what config.json leaves out is as in the slow one."""
        slow = self.slow
        return TransformerConfig(
            n_layer=self.n_fast_layer,
            n_head=_own(self.fast_n_head, slow.n_head),
            n_local_heads=_own(self.fast_n_local_heads, slow.n_local_heads),
            dim=_own(self.fast_dim, slow.dim),
            head_dim=_own(self.fast_head_dim, slow.head_dim),
            intermediate_size=_own(self.fast_intermediate_size, slow.intermediate_size),
            rope_base=self.rope_base,
            norm_eps=self.norm_eps,
            qkv_bias=_own(self.fast_attention_qkv_bias, slow.qkv_bias),
            o_bias=_own(self.fast_attention_o_bias, slow.o_bias),
            qk_norm=_own(self.fast_attention_qk_norm, slow.qk_norm),
        )

    @property
    def network(self) -> LanguageModelConfig:
        """The same for the networks."""
        return LanguageModelConfig(
            slow=self.slow,
            fast=self.fast,
            vocab_size=self.vocab_size,
            max_seq_len=self.max_seq_len,
            num_codebooks=self.num_codebooks,
            codebook_size=self.codebook_size,
            residual_codebook_size=min(self.codebook_size, RESIDUAL_CODES),
            tie_word_embeddings=self.tie_word_embeddings,
            scale_codebook_embeddings=self.scale_codebook_embeddings,
            fast_input="hidden",
            sampling=SAMPLING,
        )

    @classmethod
    def read(cls, path: Path) -> DualARConfig:
        """Read config.json. Raises CheckpointError for an unknown key, a missing one, or a reward model."""
        data = read_mapping(path, json.loads)
        if data.get("is_reward_model"):
            raise CheckpointError(f"{path}: a reward model cannot generate speech")
        known = {f.name for f in fields(cls)}
        refuse_unknown(path, data.keys() - {"model_type"} - HARMLESS_KEYS - TRAINING_KEYS, known)
        missing = [f.name for f in fields(cls) if f.default is MISSING and f.name not in data]
        if missing:
            raise CheckpointError(f"{path}: missing {', '.join(missing)}")
        return cls(**{key: value for key, value in data.items() if key in known})


def _own(value: T | None, inherited: T) -> T:
    return inherited if value is None else value
