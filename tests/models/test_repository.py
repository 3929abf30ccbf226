from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models import repository
from models.types import SettingsError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in repository.ROOT.glob("*/config.yaml"):
        (tmp_path / path.parent.name).mkdir()
        shutil.copy(path, tmp_path / path.parent.name)
    return tmp_path


def test_the_repository_is_whole():
    configs = repository.load()
    assert set(configs) == {"reference_encoder", "text_to_semantic", "vq_decoder", "fish_speech"}
    ensemble = configs["fish_speech"]
    known = {tensor.name for tensor in ensemble.inputs}
    for step in ensemble.ensemble:
        assert set(step.input_map.values()) <= known, f"{step.model_name} needs what nothing before it makes"
        model = configs[step.model_name]
        assert {tensor.name for tensor in model.inputs} == set(step.input_map)
        known |= set(step.output_map.values())
    assert {tensor.name for tensor in ensemble.outputs} <= known


def test_shapes_begin_with_the_batch_where_there_is_one():
    configs = repository.load()
    assert configs["vq_decoder"].metadata()["inputs"] == [{"name": "CODES", "datatype": "INT16", "shape": [-1, 10, -1]}]
    assert configs["fish_speech"].metadata()["outputs"] == [{"name": "PCM", "datatype": "FP32", "shape": [-1]}]


@pytest.mark.parametrize(
    ("model", "old", "new", "says"),
    [
        ("vq_decoder", "max_batch_size:", "max_batchsize:", "did you mean 'max_batch_size'"),
        ("vq_decoder", "dims:", "dim:", "did you mean 'dims'"),
        ("vq_decoder", "max_queue_delay_microseconds", "max_queue_delay_ms", "max_queue_delay_microseconds"),
        ("vq_decoder", "datatype: FP32", "datatype: FP23", "outputs.0.datatype"),
        ("vq_decoder", "max_batch_size: 16", "max_batch_size: many", "max_batch_size"),
        ("vq_decoder", "max_batch_size: 16", "max_batch_size: true", "max_batch_size"),
        ("vq_decoder", "name: vq_decoder", "name: decoder", "folder"),
        ("vq_decoder", "name: vq_decoder", "name: [", "YAML"),
        ("fish_speech", "model_name: vq_decoder", "model_name: vq_decode", "did you mean 'vq_decoder'"),
        (
            "fish_speech",
            "{CODES: codes}\n    output_map: {PCM: PCM}",
            "{CODE: codes}\n    output_map: {PCM: PCM}",
            "'CODES'",
        ),
    ],
)
def test_a_mistake_is_named_with_its_file(root: Path, model: str, old: str, new: str, says: str):
    path = root / model / "config.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SettingsError) as raised:
        repository.load(root)
    assert says in str(raised.value)
    assert model in str(raised.value)
