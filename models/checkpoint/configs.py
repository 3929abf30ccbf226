"""Sizes of the text-to-semantic network and of the codec, as the networks take them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import yaml

from models.checkpoint.files import read_mapping, refuse_unknown
from models.types import CheckpointError

# Keys of codec.yaml by section; those that CodecConfig does not take say nothing about the network.
CODEC_KEYS = {
    *("_target_", "sample_rate", "causal", "latent_dim", "transformer_general_config", "quantizer"),
    *("encoder_dim", "encoder_rates", "encoder_transformer_layers"),
    *("decoder_dim", "decoder_rates", "decoder_transformer_layers"),
}
QUANTIZER_KEYS = {
    *("_target_", "input_dim", "n_codebooks", "codebook_size", "codebook_dim", "quantizer_dropout"),
    *("downsample_factor", "pre_module", "post_module", "semantic_codebook_size"),
}
MODULE_KEYS = {"_target_", "causal", "window_size", "input_dim", "config"}
TRANSFORMER_KEYS = {
    *("_target_", "_partial_", "block_size", "n_layer", "n_head", "dim", "intermediate_size", "n_local_heads"),
    *("head_dim", "rope_base", "norm_eps", "dropout_rate", "attn_dropout_rate", "channels_first"),
}


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Sizes of a stack of transformer blocks. With `window_size` None, every position attends to all before it."""

    n_layer: int
    n_head: int
    n_local_heads: int
    dim: int
    head_dim: int
    intermediate_size: int
    rope_base: float
    norm_eps: float
    qkv_bias: bool = False
    o_bias: bool = False
    qk_norm: bool = False
    window_size: int | None = None


@dataclass(frozen=True, slots=True)
class SamplingRules:
    """How a family draws its codes, beside what each request asks for. `penalty_window`: how many frames back the
    repetition penalty looks, codebook by codebook."""

    penalty_window: int


@dataclass(frozen=True, slots=True)
class LanguageModelConfig:
    """The text-to-semantic network of any family: a slow transformer with one position per frame, and a fast one with
    one position per codebook.

    A codebook's embedding has `codebook_size` entries, as many as there are semantic tokens; codes of the residual
    codebooks are drawn from the first `residual_codebook_size`. `max_seq_len` is the number of positions that the slow
    transformer was trained for. The fast one begins with the slow one's hidden state, as it is or "normed" like for the
    head.
    """

    slow: TransformerConfig
    fast: TransformerConfig
    vocab_size: int
    max_seq_len: int
    num_codebooks: int
    codebook_size: int
    residual_codebook_size: int
    tie_word_embeddings: bool
    scale_codebook_embeddings: bool
    fast_input: Literal["hidden", "normed"]
    sampling: SamplingRules


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """Sizes of upstream's modded DAC; the defaults are S1-mini's (configs/modded_dac_vq.yaml of fish-speech 0.1.0)."""

    sample_rate: int = 44100
    encoder_dim: int = 64
    encoder_rates: tuple[int, ...] = (2, 4, 8, 8)
    encoder_transformer_layers: tuple[int, ...] = (0, 0, 0, 4)
    decoder_dim: int = 1536
    decoder_rates: tuple[int, ...] = (8, 8, 4, 2)
    n_codebooks: int = 9
    codebook_size: int = 1024
    codebook_dim: int = 8
    semantic_codebook_size: int = 4096
    downsample_factor: tuple[int, ...] = (2, 2)
    transformer: TransformerConfig = TransformerConfig(
        n_layer=8,
        n_head=16,
        n_local_heads=16,
        dim=1024,
        head_dim=64,
        intermediate_size=3072,
        rope_base=10000,
        norm_eps=1e-5,
        window_size=128,
    )
    encoder_head_dim: int = 64
    encoder_rope_base: float = 10000
    encoder_norm_eps: float = 1e-5

    @property
    def latent_dim(self) -> int:
        """Channels between encoder, quantizer and decoder: every encoder block doubles them."""
        return self.encoder_dim << len(self.encoder_rates)

    @property
    def hop_length(self) -> int:
        """Samples in one row of the encoder's output."""
        return prod(self.encoder_rates)

    @property
    def frame_length(self) -> int:
        """Samples in one frame of codes."""
        return self.hop_length * prod(self.downsample_factor)

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.frame_length

    @property
    def num_codebooks(self) -> int:
        """Codes of a frame: the semantic one and the residual ones."""
        return 1 + self.n_codebooks

    def encoder_transformer(self, block: int) -> TransformerConfig:
        """The transformer after encoder block `block`: upstream derives its heads, width and window from the dim."""
        dim = self.encoder_dim << (block + 1)
        return TransformerConfig(
            n_layer=self.encoder_transformer_layers[block],
            n_head=dim // 64,
            n_local_heads=dim // 64,
            dim=dim,
            head_dim=self.encoder_head_dim,
            intermediate_size=dim * 3,
            rope_base=self.encoder_rope_base,
            norm_eps=self.encoder_norm_eps,
            window_size=512,
        )

    @classmethod
    def read(cls, path: Path) -> CodecConfig:
        """Read codec.yaml, which has the keys of upstream's modded_dac_vq.yaml. Raises CheckpointError for unknown,
        missing and impossible ones."""
        data = read_mapping(path, yaml.safe_load)
        try:
            quantizer, general = data["quantizer"], data["transformer_general_config"]
            module = quantizer["post_module"]
            inner = module["config"]
            sections = [(data, CODEC_KEYS), (quantizer, QUANTIZER_KEYS), (module, MODULE_KEYS)]
            for section, known in [*sections, (inner, TRANSFORMER_KEYS), (general, TRANSFORMER_KEYS)]:
                refuse_unknown(path, section, known)
                if not section.get("causal", True):
                    raise CheckpointError(f"{path}: causal must be true: a codec that looks ahead cannot stream")
            if quantizer["pre_module"] != module:
                raise CheckpointError(f"{path}: pre_module and post_module must be alike")
            config = cls(
                sample_rate=data["sample_rate"],
                encoder_dim=data["encoder_dim"],
                encoder_rates=tuple(data["encoder_rates"]),
                encoder_transformer_layers=tuple(data["encoder_transformer_layers"]),
                decoder_dim=data["decoder_dim"],
                decoder_rates=tuple(data["decoder_rates"]),
                n_codebooks=quantizer["n_codebooks"],
                codebook_size=quantizer["codebook_size"],
                codebook_dim=quantizer["codebook_dim"],
                semantic_codebook_size=quantizer["semantic_codebook_size"],
                downsample_factor=tuple(quantizer["downsample_factor"]),
                transformer=TransformerConfig(
                    n_layer=inner["n_layer"],
                    n_head=inner["n_head"],
                    n_local_heads=inner["n_head"] if inner["n_local_heads"] == -1 else inner["n_local_heads"],
                    dim=inner["dim"],
                    head_dim=inner["head_dim"],
                    intermediate_size=inner["intermediate_size"],
                    rope_base=inner["rope_base"],
                    norm_eps=float(inner["norm_eps"]),  # YAML 1.1 reads upstream's 1e-5 as a string
                    window_size=module["window_size"],
                ),
                encoder_head_dim=general["head_dim"],
                encoder_rope_base=general["rope_base"],
                encoder_norm_eps=float(general["norm_eps"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: missing or misplaced key {error}") from error
        config._check(path, module["input_dim"], data.get("latent_dim"))
        return config

    def _check(self, path: Path, input_dim: int, latent_dim: int | None) -> None:
        if prod(self.downsample_factor) != 4:
            raise CheckpointError(f"{path}: upstream's DAC needs downsample factors whose product is 4")
        if prod(self.decoder_rates) != self.hop_length:
            raise CheckpointError(f"{path}: decoder_rates and encoder_rates must have the same product")
        if not input_dim == self.transformer.dim == self.latent_dim == (latent_dim or self.latent_dim):
            raise CheckpointError(f"{path}: the transformers' dim must be the latent dim {self.latent_dim}")
