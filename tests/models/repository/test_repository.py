"""The config.yaml files: what they say, what is refused, and what the checkpoint decides."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.repository.served import ROOT, CodecFigures, load
from models.types import SettingsError

S1_MINI = CodecFigures(codebooks=10, frame_length=2048, sample_rate=44_100)
STARTER = CodecFigures(codebooks=8, frame_length=320, sample_rate=16_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ROOT.glob("*/config.yaml"):
        (tmp_path / path.parent.name).mkdir()
        shutil.copy(path, tmp_path / path.parent.name)
    return tmp_path


def test_the_repository_is_whole() -> None:
    assert set(load(S1_MINI)) == {"reference_encoder", "text_to_semantic", "vq_decoder", "fish_speech"}


@pytest.mark.parametrize("codec", [S1_MINI, STARTER], ids=["S1-mini", "starter"])
def test_dims_and_frames_are_the_checkpoints(codec: CodecFigures) -> None:
    models = load(codec)
    codes = {"name": "CODES", "datatype": "INT16", "shape": [-1, codec.codebooks, -1]}
    assert models["vq_decoder"].metadata()["inputs"] == models["text_to_semantic"].metadata()["outputs"] == [codes]
    assert models["fish_speech"].metadata()["outputs"] == [{"name": "PCM", "datatype": "FP32", "shape": [-1]}]
    for model in models.values():
        told = model.triton()["parameters"]
        figures = {name: int(told[name]["string_value"]) for name in CodecFigures.model_fields}
        assert figures == codec.model_dump()
        dims = [dim for side in ("input", "output") for tensor in model.triton()[side] for dim in tensor["dims"]]
        assert all(isinstance(dim, int) for dim in dims)


# Each is one edit of one file: (model, what is written there, what instead, what the error says).
REFUSED = [
    ("vq_decoder", "max_batch_size:", "max_batchsize:", "did you mean 'max_batch_size'"),
    ("vq_decoder", "dims:", "dim:", "did you mean 'dims'"),
    ("vq_decoder", "max_queue_delay_microseconds", "max_queue_delay_ms", "max_queue_delay_microseconds"),
    ("vq_decoder", "datatype: FP32", "datatype: FP23", "outputs.0.datatype"),
    ("vq_decoder", "max_batch_size: 32", "max_batch_size: many", "max_batch_size"),
    ("vq_decoder", "max_batch_size: 32", "max_batch_size: true", "max_batch_size"),
    ("vq_decoder", "max_batch_size: 32", "max_batch_size: 0", "max_batch_size: at least 1"),
    ("vq_decoder", "name: vq_decoder", "name: decoder", "folder"),
    ("vq_decoder", "name: vq_decoder", "name: [", "YAML"),
    ("vq_decoder", "platform: pytorch", "platform: onnx", "platform"),
    ("vq_decoder", "platform: pytorch", "platform: ensemble", "max_batch_size: 0, the ensemble's"),
    ("vq_decoder", "decoupled: true", "decoupled: false", "decoupled: the stage streams"),
    ("reference_encoder", "platform:", "decoupled: true\nplatform:", "decoupled: the stage gives whole"),
    ("vq_decoder", "microseconds: 0", "microseconds: 100", "no batch waits to be filled: set it to 0"),
    ("vq_decoder", "dynamic_batching:\n  max_queue_delay_microseconds: 0\n", "", "dynamic_batching: the stage batches"),
    (
        "text_to_semantic",
        "decoupled: true",
        "decoupled: true\ndynamic_batching: {max_queue_delay_microseconds: 0}",
        "batches continuously",
    ),
    ("vq_decoder", "KIND_AUTO", "KIND_TPU", "instance_group.kind"),
    ("vq_decoder", "{kind: KIND_AUTO}", "{count: 0}", "instance_group.count"),
    ("vq_decoder", "{kind: KIND_AUTO}", "{gpus: [0]}", "instance_group.gpus"),
    ("vq_decoder", "[codebooks, -1]", "[10, -1]", "codes is not as vq_decoder takes its CODES"),
    ("vq_decoder", "[codebooks, -1]", "[books, -1]", "inputs.0.dims"),
    ("vq_decoder", "datatype: INT16", "datatype: INT32", "codes is not as vq_decoder takes its CODES"),
    ("vq_decoder", "name: PCM", "name: SOUND", "vq_decoder has no 'PCM'"),
    ("text_to_semantic", "name: SEED", "name: SALT", "text_to_semantic is not given its SALT"),
    ("text_to_semantic", "TEMPERATURE, datatype: FP32", "TEMPERATURE, datatype: INT32", "TEMPERATURE is not as"),
    (
        "text_to_semantic",
        "{name: TEXT, datatype: BYTES, dims: [1]",
        "{name: TEXT, datatype: BYTES, dims: [2]",
        "TEXT is",
    ),
    (
        "text_to_semantic",
        "{name: TEXT, datatype: BYTES, dims: [1]}",
        "{name: TEXT, datatype: BYTES, dims: [1], optional: true}",
        "TEXT is optional",
    ),
    ("fish_speech", "max_batch_size: 0", "max_batch_size: 4", "max_batch_size: 0, the ensemble's"),
    ("fish_speech", "decoupled: true", "decoupled: false", "streams its outputs as its steps do"),
    ("fish_speech", "platform: ensemble", "platform: pytorch", "there is no stage 'fish_speech'"),
    ("fish_speech", "decoupled:", "instance_group: {count: 2}\ndecoupled:", "the ensemble has none"),
    ("fish_speech", "model_name: vq_decoder", "model_name: vq_decode", "did you mean 'vq_decoder'"),
    (
        "fish_speech",
        "{CODES: codes}\n    output_map: {PCM: PCM}",
        "{CODE: codes}\n    output_map: {PCM: PCM}",
        "'CODES'",
    ),
    ("fish_speech", "input_map: {CODES: codes}", "input_map: {CODES: coeds}", "did you mean 'codes'"),
    ("fish_speech", "output_map: {PCM: PCM}", "output_map: {PCM: SOUND}", "no step gives 'PCM'"),
    ("fish_speech", "{name: TEXT,", "{name: TXT,", "did you mean 'TXT'"),
    ("fish_speech", "{name: VOICE,", "{name: SPEAKER,", "but for VOICE"),
    ("fish_speech", "name: SEED, datatype: INT64", "name: SEED, datatype: INT32", "SEED is not as"),
    (
        "fish_speech",
        "INT64, dims: [1], optional: true}",
        "INT64, dims: [1]}",
        "SEED is optional for what the steps give",
    ),
    ("fish_speech", "name: PCM, datatype: FP32", "name: PCM, datatype: INT16", "PCM comes as FP32"),
]


@pytest.mark.parametrize(("model", "old", "new", "says"), REFUSED)
def test_what_is_not_so_is_refused_with_its_file(root: Path, model: str, old: str, new: str, says: str) -> None:
    path = root / model / "config.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SettingsError) as raised:
        load(S1_MINI, root)
    assert says in str(raised.value)
    assert "config.yaml" in str(raised.value)


def test_a_file_that_is_missing_is_named(root: Path) -> None:
    (root / "vq_decoder" / "config.yaml").unlink()
    with pytest.raises(SettingsError, match=r"models/vq_decoder/config\.yaml is missing"):
        load(S1_MINI, root)
