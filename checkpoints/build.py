"""Seeded random checkpoints in exactly upstream's format: noise for a voice, but every shape, name and file is real.

`python -m checkpoints.build tiny DIR` makes the small one that tests use;
`python -m checkpoints.build s1-mini DIR` one of S1-mini's true shapes (3.6 GB) for measurements.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import math
import string
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
import yaml
from torch import Tensor

from models.configs import CodecConfig, LanguageModelConfig, TransformerConfig
from models.tensors import codec_shapes, language_model_shapes

# The order is upstream's (fish_speech/tokenizer.py): 0.1.0 enumerates the file, so the order is the meaning.
_CONTROL_TOKENS = (
    ["begin_of_text", "end_of_text", "pad", "im_start", "im_end", "phoneme_start", "phoneme_end"]
    + ["tool_call_start", "tool_call_end", "text", "voice", "interleave", "audio_start", "audio_end", "audio"]
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """What a random checkpoint is made of. `merges` counts the tokenizer's ordinary tokens."""

    language_model: LanguageModelConfig
    codec: CodecConfig
    merges: int
    block_size: int
    language_model_dtype: torch.dtype = torch.float32
    stop: float = 0.0


S1_MINI = Recipe(
    language_model=LanguageModelConfig(
        vocab_size=155776,
        n_layer=28,
        n_head=16,
        n_local_heads=8,
        dim=1024,
        head_dim=128,
        intermediate_size=3072,
        max_seq_len=8192,
        rope_base=1e6,
        norm_eps=1e-6,
        codebook_size=4096,
        num_codebooks=10,
        n_fast_layer=4,
        fast_dim=1024,
        fast_n_head=16,
        fast_n_local_heads=8,
        fast_head_dim=64,
        fast_intermediate_size=3072,
        fast_attention_qk_norm=False,
        tie_word_embeddings=False,
        attention_qk_norm=True,
        scale_codebook_embeddings=True,
    ),
    codec=CodecConfig(),
    merges=151643,
    block_size=4096,
    language_model_dtype=torch.bfloat16,
)

TINY = Recipe(
    language_model=LanguageModelConfig(
        vocab_size=1376,
        n_layer=2,
        n_head=4,
        n_local_heads=2,
        dim=64,
        head_dim=16,
        intermediate_size=128,
        max_seq_len=4096,
        rope_base=1e6,
        norm_eps=1e-6,
        codebook_size=1088,
        num_codebooks=4,
        n_fast_layer=2,
        fast_head_dim=8,
        fast_attention_qk_norm=False,
        tie_word_embeddings=False,
        attention_qk_norm=True,
        scale_codebook_embeddings=True,
    ),
    codec=CodecConfig(
        sample_rate=24000,
        encoder_dim=8,
        encoder_rates=(2, 3, 4, 5),
        encoder_transformer_layers=(0, 0, 0, 1),
        decoder_dim=64,
        decoder_rates=(5, 4, 3, 2),
        n_codebooks=3,
        semantic_codebook_size=1088,
        transformer=TransformerConfig(
            n_layer=2,
            n_head=2,
            n_local_heads=2,
            dim=128,
            head_dim=64,
            intermediate_size=256,
            rope_base=10000,
            norm_eps=1e-5,
            window_size=32,
        ),
    ),
    merges=272,
    block_size=1024,
    stop=1.0,
)


def build(recipe: Recipe, path: str | Path, seed: int = 0) -> Path:
    """Write a checkpoint directory of `recipe` with weights drawn from `seed`; returns its path."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    write_tokenizer(path, recipe.merges, recipe.language_model.codebook_size)
    (path / "config.json").write_text(json.dumps(_config_json(recipe.language_model), indent=2) + "\n")
    (path / "codec.yaml").write_text(yaml.safe_dump(_codec_yaml(recipe), sort_keys=False))
    torch.save(_language_model_state(recipe, generator), path / "model.pth")
    torch.save(_codec_state(recipe, generator), path / "codec.pth")
    return path


def build_tiny(path: str | Path, seed: int = 0, **language_model: object) -> Path:
    """The tiny checkpoint; keywords replace fields of its language model's config."""
    return build(replace(TINY, language_model=replace(TINY.language_model, **language_model)), path, seed)


def write_tokenizer(path: Path, merges: int, codebook_size: int) -> None:
    tokens = [bytes([i]) for i in range(256)]
    words = (
        "".join(letters) for length in (2, 3, 4) for letters in itertools.product(string.ascii_lowercase, repeat=length)
    )
    tokens += [word.encode() for word in itertools.islice(words, merges - 256)]
    lines = [f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(tokens)]
    (path / "tokenizer.tiktoken").write_text("\n".join(lines) + "\n")
    special = [f"<|{name}|>" for name in _CONTROL_TOKENS] + [f"<|semantic:{i}|>" for i in range(codebook_size)]
    numbered = {token: merges + i for i, token in enumerate(special)}
    (path / "special_tokens.json").write_text(json.dumps(numbered, indent=2) + "\n")


def _config_json(config: LanguageModelConfig) -> dict[str, object]:
    given = {name: value for name, value in asdict(config).items() if value is not None}
    return {"model_type": "dual_ar", **given, "dropout": 0.0, "use_gradient_checkpointing": True}


def _codec_yaml(recipe: Recipe) -> dict[str, object]:
    """The keys and targets of upstream's modded_dac_vq.yaml, so that upstream's own loader builds the same module."""
    codec, dac = recipe.codec, "fish_speech.models.dac"
    general = {
        "_target_": f"{dac}.modded_dac.ModelArgs",
        "_partial_": True,
        "block_size": recipe.block_size * 4,
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
            "block_size": recipe.block_size,
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


def _language_model_state(recipe: Recipe, generator: torch.Generator) -> dict[str, Tensor]:
    state = {}
    for name, shape in language_model_shapes(recipe.language_model).items():
        if name.endswith("norm.weight"):
            tensor = 1 + 0.1 * torch.randn(shape, generator=generator)
        else:
            std = 0.03125 if "embeddings" in name else 1 / math.sqrt(shape[-1])
            tensor = std * torch.randn(shape, generator=generator)
        state[name] = tensor.to(recipe.language_model_dtype)
    if recipe.stop:
        # A shared direction in every embedding, read by the row of <|im_end|>, makes utterances end after a few
        # seconds; untrained weights would run to max_new_tokens nearly always.
        direction = torch.randn(recipe.language_model.dim, generator=generator)
        state["embeddings.weight"] += 0.25 * direction
        end = recipe.merges + _CONTROL_TOKENS.index("im_end")
        state["output.weight"][end] = recipe.stop * direction / direction.norm()
    return state


def _codec_state(recipe: Recipe, generator: torch.Generator) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, shape in codec_shapes(recipe.codec).items():
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
    for i, layers in enumerate(recipe.codec.encoder_transformer_layers):
        if layers:
            state |= _buffers(
                f"encoder.block.{i + 1}.block.5.", recipe.block_size * 4, recipe.codec.encoder_transformer(i)
            )
    for module in ("pre_module", "post_module"):
        state |= _buffers(f"quantizer.{module}.", recipe.block_size, recipe.codec.transformer)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=["tiny", "s1-mini"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    build({"tiny": TINY, "s1-mini": S1_MINI}[arguments.recipe], arguments.directory, arguments.seed)
    print(f"wrote a random {arguments.recipe} checkpoint to {arguments.directory}: it speaks noise")


if __name__ == "__main__":
    main()
