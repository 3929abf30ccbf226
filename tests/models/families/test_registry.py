"""Which family a directory is of, what an error says of one that is of none, and what it takes to add another."""

from __future__ import annotations

import json
import queue
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from checkpoints.build import TINY
from models.checkpoint.card import Card
from models.checkpoint.configs import LanguageModelConfig, SamplingRules
from models.checkpoint.reader import Checkpoint
from models.families import registry
from models.families.family import Family
from models.families.s1.family import S1
from models.text.rules import TextRules
from models.text_to_semantic.load import load_engine
from models.text_to_semantic.network.interface import TokenIds
from models.types import CheckpointError, EncodedReference, Finished, Prompt, Sampling


def test_s1_is_recognised(tiny: Path) -> None:
    assert Checkpoint(tiny).family is S1


DUAL_AR = {"config.json": '{"model_type": "dual_ar"}', "model.pth": ""}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds nothing, but no config.json; the families are s1 .model_type 'dual_ar' in config.json, and model"),
        ({f"{i:02}.bin": "" for i in range(20)}, r"holds 00.bin, .*, 11.bin, …, but no config.json"),
        ({"config.json": "{"}, "config.json cannot be read"),
        ({"config.json": "[]"}, "config.json must hold a mapping"),
        ({"config.json": "{}"}, "model_type is None, which is of no family"),
        ({"config.json": '{"model_type": "x"}'}, "model_type is 'x', which is of no family; the families are s1"),
        (DUAL_AR, "lacks tokenizer.tiktoken, special_tokens.json, which s1 needs"),
    ],
)
def test_what_was_found_and_what_was_wanted_is_said(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(CheckpointError, match=message):
        Checkpoint(tmp_path)


class Bytes:
    """Prompts of another family: bytes, a newline between turns, and the voice first."""

    ids = TokenIds(semantic_begin=288, end=10)

    def __init__(self, path: Path, config: LanguageModelConfig) -> None:
        self._rows = 1 + config.num_codebooks

    def prefix(self, references: Sequence[EncodedReference]) -> Tensor:
        spoken = [torch.zeros(self._rows, 0, dtype=torch.int32)]
        for reference in references:
            codes = torch.from_numpy(reference.codes.astype(np.int32))
            spoken += [torch.cat([codes[:1] + self.ids.semantic_begin, codes]), self.text(reference.text)]
        return torch.cat(spoken, dim=1)

    def text(self, text: str) -> Tensor:
        values = torch.zeros(self._rows, len(text.encode()) + 1, dtype=torch.int32)
        values[0] = torch.tensor([*text.encode(), self.ids.end])
        return values


NETWORK = TINY.language_model.network
TOY = Family(
    name="toy",
    model_type="toy",
    files=("weights.pt",),
    read_config=lambda path: replace(NETWORK, sampling=SamplingRules(penalty_window=4)),
    read_tensors=lambda path, config: torch.load(path / "weights.pt", mmap=True),
    verify=lambda path: None,
    prompt_format=Bytes,
    text_rules=TextRules(mood=r"\[[a-z]+\]", sound=r"\[laugh\]", span="_", tag="_"),
    card=Card(("eo",), "eo"),
)


@pytest.fixture
def toy(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkpoint]:
    """A checkpoint of a second family, which has other files, prompts and sampling, and S1's codec."""
    monkeypatch.setattr(registry, "FAMILIES", (S1, TOY))
    torch.save(Checkpoint(tiny).language_model_tensors(), tmp_path / "weights.pt")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "toy"}))
    for name in ("codec.pth", "codec.yaml"):
        shutil.copy(tiny / name, tmp_path)
    return Checkpoint(tmp_path)


@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_one_entry_is_all_that_a_second_family_takes(toy: Checkpoint, quantization: str) -> None:
    """In int8 the kernels decline its sampling, and torch speaks."""
    toy.verify()
    assert (toy.family.name, toy.card.languages) == ("toy", ("eo",))
    encoder, engine = load_engine(
        toy, device="cpu", dtype=torch.float32, quantization=quantization, compiled=False, slots=2, threads=1,
        voices=2, lead=100,
    )  # fmt: skip
    try:
        codes = np.random.default_rng(0).integers(0, 1024, (4, 20)).astype(np.int16)
        spoken = []
        for references in ((), (EncodedReference(codes, "Said."),)):
            encoded = encoder.encode(Prompt("Parolu.", references))
            assert (encoded.prefix_length, encoded.prefix_key is None) == ((26, False) if references else (0, True))
            events: queue.Queue = queue.Queue()
            engine.submit("a", encoded, Sampling(seed=1, max_new_tokens=12), events.put)
            while not isinstance(event := events.get(timeout=60), Finished):
                assert isinstance(event, np.ndarray), event
            spoken.append(event.frames)
        assert all(spoken)
    finally:
        engine.stop()
