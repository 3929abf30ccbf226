"""The strict reader of a checkpoint directory: the network of some family, and the codec that families share.

The codec is codec.pth and, when it is not S1-mini's, codec.yaml (the keys of upstream's modded_dac_vq.yaml); the files
beside them are the family's. Weights are memory-mapped: tensors are views until a stage converts them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint.card import Card, read_card
from models.checkpoint.configs import CodecConfig, LanguageModelConfig
from models.checkpoint.tensors import Half, belongs, codec_shapes
from models.checkpoint.torch_files import load_torch, match, shapes_of, verify_torch
from models.families.registry import recognise
from models.runtime.memory import page_out, trim
from models.text_to_semantic.network.interface import TokenIds
from models.text_to_semantic.network.weights import Weights
from models.text_to_semantic.prompt import PromptEncoder
from models.types import CheckpointError

_CODEC = "codec.pth"
_TRIM_EVERY = 1 << 26  # bytes of copies: else glibc would keep up to half of a codec's weights until all are read
_REFERENCE_SHARE = 3 / 8  # of the positions that a language model knows


class Checkpoint:
    """A checkpoint directory. Raises CheckpointError, naming file and tensor, for whatever is not as it must be."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        if not self.path.is_dir():
            raise CheckpointError(f"no checkpoint directory at {self.path}: see checkpoints/README.md")
        self.family = recognise(self.path)
        if not (self.path / _CODEC).is_file():
            raise CheckpointError(f"{self.path} lacks {_CODEC}: see checkpoints/README.md")

    @cached_property
    def card(self) -> Card:
        """Languages and pace: card.yaml of the directory, where there is one, over the card of its family."""
        return read_card(self.path / "card.yaml", self.family.card)

    @cached_property
    def language_model_config(self) -> LanguageModelConfig:
        """Sizes of the text-to-semantic network."""
        return self.family.read_config(self.path)

    def language_model_tensors(self) -> dict[str, Tensor]:
        """Weights of the text-to-semantic network as stored, by the names of `language_model_shapes`."""
        return self.family.read_tensors(self.path, self.language_model_config)

    def weights(self, ids: TokenIds) -> Weights:
        """The same by what they do; `ids` as the tokenizer has them."""
        return Weights.of(self.language_model_config, ids, self.language_model_tensors())

    def prompt_encoder(self) -> PromptEncoder:
        """An encoder of prompts for its network."""
        return PromptEncoder(self.family.prompt_format(self.path, self.language_model_config), self.family.text_rules)

    @cached_property
    def codec_config(self) -> CodecConfig:
        """Sizes of the codec, whose codebooks are those that the network speaks in."""
        path = self.path / "codec.yaml"
        codec = CodecConfig.read(path) if path.exists() else CodecConfig()
        language_model = self.language_model_config
        if codec.num_codebooks != language_model.num_codebooks:
            raise CheckpointError(
                f"{self.path}: the codec has {codec.num_codebooks} codebooks, "
                f"config.json says {language_model.num_codebooks}"
            )
        ours = codec.semantic_codebook_size, codec.codebook_size
        spoken = language_model.codebook_size, language_model.residual_codebook_size
        if ours != spoken:
            raise CheckpointError(f"{self.path}: the codec's codebooks have {ours} entries, config.json's {spoken}")
        return codec

    def verify(self) -> None:
        """Read all weights whole, to see that they are intact, and hold their shapes against the configs: about a
        second for S1-mini. Raises CheckpointError."""
        self.family.verify(self.path)
        verify_torch(self.path / _CODEC)
        self.language_model_tensors()
        self._codec()

    @property
    def longest_reference(self) -> float:
        """Seconds of a recording that leave room for its words and for speech: few with a high frame rate or a small
        transformer."""
        return _REFERENCE_SHARE * self.language_model_config.max_seq_len / self.codec_config.frame_rate

    @cached_property
    def codec_key(self) -> str:
        """A name for this codec, so that codes stored for a voice are never used with another one.

        The end of a torch file is a zip directory with the checksum of every tensor: no need to read gigabytes.
        """
        return hashlib.sha256(repr(self.codec_config).encode() + _tail(self.path / _CODEC)).hexdigest()[:16]

    def codec_tensors(self, half: Half) -> CodecTensors:
        """One half of codec.pth, weight norm folded into `<prefix>.weight`, mask and rope buffers dropped."""
        return CodecTensors(*self._codec(), half)

    def _codec(self) -> tuple[dict[str, Tensor], dict[str, tuple[Tensor, Tensor]]]:
        """All that codec.pth must hold (memory-mapped), and nothing else: tensors as they are used, and those under
        weight norm."""
        path = self.path / _CODEC
        found = load_torch(path, prefix="generator.")
        found = {name: t for name, t in found.items() if not name.endswith((".causal_mask", ".freqs_cis"))}
        pairs = _weight_norm_pairs(path, found)
        directions = {name: direction for name, (_, direction) in pairs.items()}
        match(path, codec_shapes(self.codec_config), shapes_of(directions | found))
        return found, pairs


class CodecTensors(Mapping[str, Tensor]):
    """Tensors of the codec in fp32, each made when it is asked for: a network that is built from them holds one of them
    beside its own layers, and not all."""

    def __init__(self, plain: Mapping[str, Tensor], pairs: Mapping[str, tuple[Tensor, Tensor]], half: Half) -> None:
        """`pairs`: magnitude and direction of the weights under weight norm."""
        self._plain, self._pairs = plain, pairs
        self._names = [name for name in (*pairs, *plain) if belongs(name, half)]
        self._untrimmed = 0

    def __getitem__(self, name: str) -> Tensor:
        """A copy; the pages of the mapped file are given back, and so are copies that are not used any more."""
        if self._untrimmed > _TRIM_EVERY:
            self._untrimmed = 0
            trim()
        whole = self._whole(name)
        self._untrimmed += whole.nbytes
        return whole

    def _whole(self, name: str) -> Tensor:
        if name in self._pairs:
            return _fold(*self._pairs[name])
        whole = self._plain[name].to(torch.float32, copy=True)
        page_out(self._plain[name])
        return whole

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _weight_norm_pairs(path: Path, found: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Take both spellings of weight norm out of `found`: {folded name: (magnitude g, direction v)}."""
    pairs = {}
    for g_suffix, v_suffix in (
        (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
        (".weight_g", ".weight_v"),
    ):
        for name in [name for name in found if name.endswith(g_suffix)]:
            prefix = name.removesuffix(g_suffix)
            g, v = found.pop(name), found.pop(prefix + v_suffix, None)
            if v is None:
                raise CheckpointError(f"{path}: missing tensor {prefix + v_suffix}")
            if tuple(g.shape) != (v.shape[0], 1, 1):
                raise CheckpointError(f"{path}: {name} has shape {tuple(g.shape)}, expected {(v.shape[0], 1, 1)}")
            pairs[prefix + ".weight"] = (g, v)
    return pairs


def _fold(g: Tensor, v: Tensor) -> Tensor:
    """The weight of a magnitude and a direction, whose pages are given back: each is read once."""
    weight = torch._weight_norm(v.float(), g.float(), 0)
    page_out(v)
    return weight


def _tail(path: Path, size: int = 1 << 16) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read()
