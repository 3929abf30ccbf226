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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from checkpoints.random_codec import codec_state, codec_yaml
from models.checkpoint.configs import CodecConfig, TransformerConfig
from models.checkpoint.tensors import language_model_shapes
from models.families.s1.config import DualARConfig

# The order is upstream's (fish_speech/tokenizer.py): 0.1.0 enumerates the file, so the order is the meaning.
_CONTROL_TOKENS = [
    *("begin_of_text", "end_of_text", "pad", "im_start", "im_end", "phoneme_start", "phoneme_end"),
    *("tool_call_start", "tool_call_end", "text", "voice", "interleave", "audio_start", "audio_end", "audio"),
]


@dataclass(frozen=True)
class Recipe:
    """The shapes of a random checkpoint. `merges` counts the tokenizer's ordinary tokens."""

    language_model: DualARConfig
    codec: CodecConfig
    merges: int
    block_size: int
    language_model_dtype: torch.dtype = torch.float32
    stop: float = 0.0


S1_MINI = Recipe(
    language_model=DualARConfig(
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
    language_model=DualARConfig(
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
    (path / "codec.yaml").write_text(yaml.safe_dump(codec_yaml(recipe.codec, recipe.block_size), sort_keys=False))
    torch.save(_language_model_state(recipe, generator), path / "model.pth")
    torch.save(codec_state(recipe.codec, recipe.block_size, generator), path / "codec.pth")
    return path


def build_tiny(path: str | Path, seed: int = 0, **language_model: Any) -> Path:
    """The tiny checkpoint; keywords replace fields of its language model's config."""
    return build(replace(TINY, language_model=replace(TINY.language_model, **language_model)), path, seed)


def write_tokenizer(path: Path, merges: int, codebook_size: int) -> None:
    """Write upstream's two tokenizer files: bytes, `merges - 256` made-up words, then special tokens."""
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


def _config_json(config: DualARConfig) -> dict[str, object]:
    given = {name: value for name, value in asdict(config).items() if value is not None}
    return {"model_type": "dual_ar", **given, "dropout": 0.0, "use_gradient_checkpointing": True}


def _language_model_state(recipe: Recipe, generator: torch.Generator) -> dict[str, Tensor]:
    state = {}
    for name, shape in language_model_shapes(recipe.language_model.network).items():
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


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", choices=["tiny", "s1-mini"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    build({"tiny": TINY, "s1-mini": S1_MINI}[arguments.recipe], arguments.directory, arguments.seed)
    print(f"wrote a random {arguments.recipe} checkpoint to {arguments.directory}: it speaks noise")


if __name__ == "__main__":
    main()
