"""The tensors that a checkpoint must hold, computed from its configs: upstream's names and shapes.

Tests hold these tables against the state dicts of upstream's own modules.
"""

from __future__ import annotations

from typing import Literal

from models.checkpoint.configs import CodecConfig, LanguageModelConfig, TransformerConfig

Shapes = dict[str, tuple[int, ...]]
Half = Literal["encoder", "decoder"]

_DECODER_ONLY = ("decoder.", "quantizer.post_module.", "quantizer.upsample.")
_ENCODER_ONLY = ("encoder.", "quantizer.pre_module.", "quantizer.downsample.")


def language_model_shapes(config: LanguageModelConfig) -> Shapes:
    """Names and shapes of a text-to-semantic network (upstream's DualARTransformer): what a family reads, it gives
    these names."""
    slow, fast = config.slow, config.fast
    shapes: Shapes = {
        "embeddings.weight": (config.vocab_size, slow.dim),
        "codebook_embeddings.weight": (config.codebook_size * config.num_codebooks, slow.dim),
        "norm.weight": (slow.dim,),
        "fast_embeddings.weight": (config.codebook_size, fast.dim),
        "fast_norm.weight": (fast.dim,),
        "fast_output.weight": (config.codebook_size, fast.dim),
    }
    if not config.tie_word_embeddings:
        shapes["output.weight"] = (config.vocab_size, slow.dim)
    if fast.dim != slow.dim:
        shapes |= {"fast_project_in.weight": (fast.dim, slow.dim), "fast_project_in.bias": (fast.dim,)}
    shapes |= _transformer("layers.", slow) | _transformer("fast_layers.", fast)
    return shapes


def codec_shapes(config: CodecConfig) -> Shapes:
    """Names and shapes of codec.pth (upstream's DAC), weight norm folded, buffers left out."""
    shapes = _conv("encoder.block.0.conv", 1, config.encoder_dim, 7)
    dim = config.encoder_dim
    for i, stride in enumerate(config.encoder_rates):
        block = f"encoder.block.{i + 1}.block."
        for unit in range(3):
            shapes |= _residual_unit(f"{block}{unit}.", dim)
        shapes |= {f"{block}3.alpha": (1, dim, 1)} | _conv(f"{block}4.conv", dim, 2 * dim, 2 * stride)
        dim *= 2
        if config.encoder_transformer_layers[i]:
            shapes |= _codec_transformer(f"{block}5.", config.encoder_transformer(i))
    last = len(config.encoder_rates) + 1
    shapes |= {f"encoder.block.{last}.alpha": (1, dim, 1)}
    shapes |= _conv(f"encoder.block.{last + 1}.conv", dim, config.latent_dim, 3)

    latent = config.latent_dim
    for name, count, size in (
        ("semantic_quantizer", 1, config.semantic_codebook_size),
        ("quantizer", config.n_codebooks, config.codebook_size),
    ):
        for i in range(count):
            prefix = f"quantizer.{name}.quantizers.{i}."
            shapes |= _conv(prefix + "in_proj", latent, config.codebook_dim, 1)
            shapes |= _conv(prefix + "out_proj", config.codebook_dim, latent, 1)
            shapes[prefix + "codebook.weight"] = (size, config.codebook_dim)
    for i, factor in enumerate(config.downsample_factor):
        shapes |= _conv(f"quantizer.downsample.{i}.0.conv", latent, latent, factor)
        shapes |= _convnext(f"quantizer.downsample.{i}.1.", latent)
    for i, factor in enumerate(reversed(config.downsample_factor)):
        shapes |= _conv(f"quantizer.upsample.{i}.0.conv", latent, latent, factor)
        shapes |= _convnext(f"quantizer.upsample.{i}.1.", latent)
    shapes |= _codec_transformer("quantizer.pre_module.", config.transformer)
    shapes |= _codec_transformer("quantizer.post_module.", config.transformer)

    shapes |= _conv("decoder.model.0.conv", latent, config.decoder_dim, 7)
    dim = config.decoder_dim
    for i, stride in enumerate(config.decoder_rates):
        block = f"decoder.model.{i + 1}.block."
        shapes[f"{block}0.alpha"] = (1, dim, 1)
        # A transposed convolution stores (in, out, kernel).
        shapes |= {f"{block}1.conv.weight": (dim, dim // 2, 2 * stride), f"{block}1.conv.bias": (dim // 2,)}
        dim //= 2
        for unit in range(3):
            shapes |= _residual_unit(f"{block}{unit + 2}.", dim)
    last = len(config.decoder_rates) + 1
    shapes |= {f"decoder.model.{last}.alpha": (1, dim, 1)} | _conv(f"decoder.model.{last + 1}.conv", dim, 1, 7)
    return shapes


def belongs(name: str, half: Half) -> bool:
    """Whether a half of the codec needs a tensor of codec.pth. The codebooks are in both."""
    if half == "encoder":
        return not name.startswith(_DECODER_ONLY)
    return not name.startswith(_ENCODER_ONLY) and ".in_proj." not in name


def _transformer(prefix: str, config: TransformerConfig) -> Shapes:
    qkv = (config.n_head + 2 * config.n_local_heads) * config.head_dim
    block: Shapes = {
        "attention.wqkv.weight": (qkv, config.dim),
        "attention.wo.weight": (config.dim, config.n_head * config.head_dim),
        "feed_forward.w1.weight": (config.intermediate_size, config.dim),
        "feed_forward.w3.weight": (config.intermediate_size, config.dim),
        "feed_forward.w2.weight": (config.dim, config.intermediate_size),
        "ffn_norm.weight": (config.dim,),
        "attention_norm.weight": (config.dim,),
    }
    if config.qkv_bias:
        block["attention.wqkv.bias"] = (qkv,)
    if config.o_bias:
        block["attention.wo.bias"] = (config.dim,)
    if config.qk_norm:
        block |= {"attention.q_norm.weight": (config.head_dim,), "attention.k_norm.weight": (config.head_dim,)}
    return {f"{prefix}{i}.{name}": shape for i in range(config.n_layer) for name, shape in block.items()}


def _codec_transformer(prefix: str, config: TransformerConfig) -> Shapes:
    shapes = _transformer(prefix + "layers.", config)
    for i in range(config.n_layer):
        for scale in ("attention_layer_scale", "ffn_layer_scale"):
            shapes[f"{prefix}layers.{i}.{scale}.gamma"] = (config.dim,)
    return shapes | {prefix + "norm.weight": (config.dim,)}


def _conv(prefix: str, in_channels: int, out_channels: int, kernel: int) -> Shapes:
    return {f"{prefix}.weight": (out_channels, in_channels, kernel), f"{prefix}.bias": (out_channels,)}


def _residual_unit(prefix: str, dim: int) -> Shapes:
    shapes = _conv(f"{prefix}block.1.conv", dim, dim, 7) | _conv(f"{prefix}block.3.conv", dim, dim, 1)
    return shapes | {f"{prefix}block.0.alpha": (1, dim, 1), f"{prefix}block.2.alpha": (1, dim, 1)}


def _convnext(prefix: str, dim: int) -> Shapes:
    return {
        f"{prefix}gamma": (dim,),
        f"{prefix}dwconv.conv.weight": (dim, 1, 7),
        f"{prefix}dwconv.conv.bias": (dim,),
        f"{prefix}norm.weight": (dim,),
        f"{prefix}norm.bias": (dim,),
        f"{prefix}pwconv1.weight": (4 * dim, dim),
        f"{prefix}pwconv1.bias": (4 * dim,),
        f"{prefix}pwconv2.weight": (dim, 4 * dim),
        f"{prefix}pwconv2.bias": (dim,),
    }
