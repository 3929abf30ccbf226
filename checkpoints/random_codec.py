"""The codec of a random checkpoint, as upstream saves one."""

from __future__ import annotations

import json
import math
from dataclasses import fields

import torch
from torch import Tensor

from models.checkpoint.configs import CodecConfig, TransformerConfig
from models.checkpoint.tensors import codec_shapes


def codec_yaml(codec: CodecConfig, block_size: int) -> dict[str, object]:
    """The keys and targets of upstream's modded_dac_vq.yaml, so that upstream's own loader builds the same module."""
    dac = "fish_speech.models.dac"
    general = {
        "_target_": f"{dac}.modded_dac.ModelArgs",
        "_partial_": True,
        "block_size": block_size * 4,
        "n_local_heads": -1,
        "head_dim": codec.encoder_head_dim,
        "rope_base": codec.encoder_rope_base,
        "norm_eps": codec.encoder_norm_eps,
        "dropout_rate": 0.1,
        "attn_dropout_rate": 0.1,
        "channels_first": True,
    }
    sizes = {f.name: getattr(codec.transformer, f.name) for f in fields(TransformerConfig)}
    inner = {key: sizes[key] for key in ("n_layer", "n_head", "dim", "intermediate_size", "head_dim", "norm_eps")}
    module = {
        "_target_": f"{dac}.modded_dac.WindowLimitedTransformer",
        "causal": True,
        "window_size": codec.transformer.window_size,
        "input_dim": codec.latent_dim,
        "config": {
            "_target_": f"{dac}.modded_dac.ModelArgs",
            "block_size": block_size,
            "n_local_heads": -1,
            "rope_base": codec.transformer.rope_base,
            "dropout_rate": 0.1,
            "attn_dropout_rate": 0.1,
            "channels_first": True,
            **inner,
        },
    }
    return {
        "_target_": f"{dac}.modded_dac.DAC",
        "sample_rate": codec.sample_rate,
        "encoder_dim": codec.encoder_dim,
        "encoder_rates": list(codec.encoder_rates),
        "decoder_dim": codec.decoder_dim,
        "decoder_rates": list(codec.decoder_rates),
        "encoder_transformer_layers": list(codec.encoder_transformer_layers),
        "decoder_transformer_layers": [0] * len(codec.decoder_rates),
        "transformer_general_config": general,
        "quantizer": {
            "_target_": f"{dac}.rvq.DownsampleResidualVectorQuantize",
            "input_dim": codec.latent_dim,
            "n_codebooks": codec.n_codebooks,
            "codebook_size": codec.codebook_size,
            "codebook_dim": codec.codebook_dim,
            "quantizer_dropout": 0.5,
            "downsample_factor": list(codec.downsample_factor),
            "post_module": module,
            "pre_module": json.loads(json.dumps(module)),
            "semantic_codebook_size": codec.semantic_codebook_size,
        },
    }


def codec_state(codec: CodecConfig, block_size: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The tensors of upstream's codec.pth, weight norm and buffers included, drawn from `generator`."""
    state: dict[str, Tensor] = {}
    for name, shape in codec_shapes(codec).items():
        tensor = _codec_tensor(name, shape, generator)
        prefix = name.removesuffix(".weight")
        if not name.endswith(".weight") or not _has_weight_norm(prefix):
            state[name] = tensor
            continue
        magnitude = tensor.norm(dim=(1, 2), keepdim=True) * (
            0.9 + 0.2 * torch.rand((shape[0], 1, 1), generator=generator)
        )
        if prefix.endswith("_proj"):  # DAC's own layers
            state |= {f"{prefix}.weight_g": magnitude, f"{prefix}.weight_v": tensor}
        else:  # upstream's causal convolutions
            parametrization = f"{prefix}.parametrizations.weight.original"
            state |= {f"{parametrization}0": magnitude, f"{parametrization}1": tensor}
    for i, layers in enumerate(codec.encoder_transformer_layers):
        if layers:
            state |= _buffers(f"encoder.block.{i + 1}.block.5.", block_size * 4, codec.encoder_transformer(i))
    for module in ("pre_module", "post_module"):
        state |= _buffers(f"quantizer.{module}.", block_size, codec.transformer)
    return state


def _has_weight_norm(prefix: str) -> bool:
    if prefix.startswith(("encoder.", "decoder.")):
        return prefix.endswith(".conv")
    return prefix.endswith(("in_proj", "out_proj"))


def _codec_tensor(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Values that keep a signal's level through the stack, so that every layer shows in the output."""
    noise = torch.randn(shape, generator=generator)
    if name.endswith("codebook.weight"):
        return noise
    if name.endswith("gamma"):
        return 0.3 + 0.1 * noise
    if name.endswith("alpha") or "norm.weight" in name:
        return 1 + 0.1 * noise
    if name.endswith("bias"):
        return 0.01 * noise
    fan_in = math.prod(shape[1:])
    if ".block.1.conv" in name and name.startswith("decoder.") and name.count("block") == 1:
        fan_in = shape[0] * 2  # a transposed convolution of kernel 2 x stride adds two taps of every input channel
    # Loud enough that different sounds get different codes, quiet enough that attention shows beside what it adds to.
    return 0.7 * noise / math.sqrt(fan_in)


def _buffers(prefix: str, length: int, config: TransformerConfig) -> dict[str, Tensor]:
    """The mask and rope tables that upstream's modules save with their weights."""
    half = torch.arange(0, config.head_dim, 2)[: config.head_dim // 2].float()
    angles = torch.outer(torch.arange(length), 1.0 / (config.rope_base ** (half / config.head_dim)))
    table = torch.stack([angles.cos(), angles.sin()], dim=-1).to(torch.bfloat16)
    return {f"{prefix}freqs_cis": table, f"{prefix}causal_mask": torch.ones(length, length, dtype=torch.bool).tril()}
