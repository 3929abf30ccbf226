"""The strict reader: what upstream's own modules hold is what it expects, and every departure is named."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from checkpoints.build import S1_MINI, TINY, build_tiny
from models.checkpoint.configs import CodecConfig
from models.checkpoint.reader import Checkpoint
from models.checkpoint.tensors import codec_shapes, language_model_shapes
from models.types import CheckpointError
from tests.paths import ROOT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fish_speech
    import hydra
    from fish_speech.models.text2semantic.llama import DualARModelArgs, DualARTransformer
    from fish_speech.tokenizer import FishTokenizer
    from omegaconf import OmegaConf


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def change(path: Path, edit: Callable[[dict], object]) -> None:
    state = torch.load(path, weights_only=True)
    edited = edit(state)
    torch.save(edited if isinstance(edited, dict) else state, path)


def folded(state: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """Upstream's state dict as shapes with weight norm folded and buffers dropped."""
    shapes = {}
    for name, tensor in state.items():
        if name.endswith((".original0", ".weight_g", ".causal_mask", ".freqs_cis")):
            continue
        name = name.replace(".parametrizations.weight.original1", ".weight").replace(".weight_v", ".weight")
        shapes[name] = tuple(tensor.shape)
    return shapes


@pytest.mark.parametrize("recipe", [TINY, S1_MINI], ids=["tiny", "s1-mini"])
def test_language_model_tensors_are_those_of_upstreams_module(recipe, tiny: Path) -> None:
    config = recipe.language_model
    given = {name: value for name, value in json.loads((tiny / "config.json").read_text()).items()}
    given = {key: getattr(config, key, given[key]) for key in given} | {"max_seq_len": 64}
    with torch.device("meta"):
        module = DualARTransformer(DualARModelArgs(**given), tokenizer=FishTokenizer.from_pretrained(str(tiny)))
    assert {name: tuple(t.shape) for name, t in module.state_dict().items()} == language_model_shapes(config.network)


def test_codec_tensors_are_those_of_upstreams_module(tiny: Path) -> None:
    OmegaConf.register_new_resolver("eval", eval, replace=True)
    real = Path(fish_speech.__path__[0]) / "configs" / "modded_dac_vq.yaml"
    for path, config in ((tiny / "codec.yaml", Checkpoint(tiny).codec_config), (real, CodecConfig())):
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = hydra.utils.instantiate(OmegaConf.load(path))
        assert folded(module.state_dict()) == codec_shapes(config)


def test_s1_minis_numbers() -> None:
    config = CodecConfig()
    assert (config.frame_length, config.num_codebooks, round(config.frame_rate, 3)) == (2048, 10, 21.533)
    parameters = sum(
        torch.Size(shape).numel() for shape in language_model_shapes(S1_MINI.language_model.network).values()
    )
    assert round(parameters / 1e6, 1) == 860.2


def test_upstreams_wrappings_are_taken_off(copy: Path) -> None:
    plain = {name: tensor.clone() for name, tensor in Checkpoint(copy).language_model_tensors().items()}
    more = {"loss": torch.ones(1)}
    change(copy / "model.pth", lambda s: {"state_dict": {f"model.{k}": v for k, v in s.items()} | more})
    change(copy / "codec.pth", lambda s: {"state_dict": {f"generator.{k}": v for k, v in s.items()}})
    wrapped = Checkpoint(copy)
    assert all(torch.equal(plain[name], tensor) for name, tensor in wrapped.language_model_tensors().items())
    wrapped.codec_tensors("encoder")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s.pop("layers.1.feed_forward.w2.weight"), "missing tensor layers.1.feed_forward.w2.weight"),
        (lambda s: s.update(extra=s["norm.weight"]), "unexpected tensor extra"),
        (lambda s: s.update({"norm.weight": torch.ones(3)}), r"norm.weight has shape \(3,\), expected \(64,\)"),
    ],
)
def test_a_tensor_out_of_place_is_named(copy: Path, edit: Callable[[dict], object], message: str) -> None:
    change(copy / "model.pth", edit)
    with pytest.raises(CheckpointError, match=message):
        Checkpoint(copy).language_model_tensors()


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_either_half_checks_the_whole_codec(copy: Path, half: str) -> None:
    change(copy / "codec.pth", lambda s: s.pop("decoder.model.0.conv.parametrizations.weight.original1"))
    with pytest.raises(CheckpointError, match=r"missing tensor decoder\.model\.0\.conv\.param.*\.original1"):
        Checkpoint(copy).codec_tensors(half)
    with pytest.raises(CheckpointError, match="missing tensor"):
        Checkpoint(copy).verify()


def test_config_keys(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"torch_dtype": "bfloat16"}))
    assert Checkpoint(copy).language_model_config == TINY.language_model.network
    for faulty, message in (
        (config | {"n_layers": 2}, "unknown key 'n_layers'; did you mean 'n_layer'"),
        ({k: v for k, v in config.items() if k != "dim"}, "missing dim"),
        (config | {"num_codebooks": 10}, "the codec has 4 codebooks, config.json says 10"),
        (config | {"codebook_size": 1000}, r"the codec's codebooks have \(1088, 1024\) entries, config.json's"),
    ):
        (copy / "config.json").write_text(json.dumps(faulty))
        with pytest.raises(CheckpointError, match=message):
            _ = Checkpoint(copy).codec_config


def test_upstream_writes_small_numbers_as_yaml_1_1_does_not_read_them(copy: Path) -> None:
    path = copy / "codec.yaml"
    path.write_text(re.sub(r"norm_eps: \S+", "norm_eps: 1e-5", path.read_text()))
    codec = CodecConfig.read(path)
    assert codec.transformer.norm_eps == codec.encoder_norm_eps == 1e-5
    path.write_text(path.read_text().replace("1e-5", "small"))
    with pytest.raises(CheckpointError, match="small"):
        CodecConfig.read(path)


def test_codec_yaml_must_describe_a_codec_that_upstream_could_build(copy: Path) -> None:
    config = yaml.safe_load((copy / "codec.yaml").read_text())
    for key, value in (("decoder_rates", [5, 4]), ("encoder_dim", 16)):
        (copy / "codec.yaml").write_text(yaml.safe_dump(config | {key: value}))
        with pytest.raises(CheckpointError):
            _ = Checkpoint(copy).codec_config


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ((), {"sampel_rate": 1}, "unknown key 'sampel_rate'; did you mean 'sample_rate'"),
        ((), {"causal": False}, "causal must be true"),
        (("quantizer",), {"codebooks": 1}, "unknown key 'codebooks'"),
        (("quantizer", "post_module"), {"causal": False}, "causal must be true"),
        (("quantizer", "post_module", "config"), {"n_layers": 1}, "did you mean 'n_layer'"),
        (("transformer_general_config",), {"heads": 1}, "unknown key 'heads'"),
    ],
)
def test_codec_yaml_says_nothing_that_is_not_understood(
    copy: Path, section: tuple[str, ...], change: dict, message: str
) -> None:
    path = copy / "codec.yaml"
    config = yaml.safe_load(path.read_text())
    inner = config
    for key in section:
        inner = inner[key]
    inner |= change
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(CheckpointError, match=message):
        CodecConfig.read(path)


@pytest.mark.parametrize("name", ["model.pth", "codec.pth"])
def test_damaged_weights_are_named(copy: Path, name: str) -> None:
    Checkpoint(copy).verify()
    path = copy / name
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 4096] = bytes(4096)
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match=f"{name} is damaged at .*data/"):
        Checkpoint(copy).verify()


def test_files(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoints/README\.md"):
        Checkpoint(tmp_path / "nowhere")
    (copy / "special_tokens.json").unlink()
    with pytest.raises(CheckpointError, match=r"lacks special_tokens\.json"):
        Checkpoint(copy)


def test_a_broken_file_is_a_clear_error(copy: Path) -> None:
    (copy / "model.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"model\.pth is not a readable torch file"):
        Checkpoint(copy).language_model_tensors()


def test_voices_stored_for_the_starter_are_still_its_own() -> None:
    """The key names the codec of stored codes: were it another, every voice would be encoded anew."""
    assert Checkpoint(ROOT / "checkpoints" / "starter").codec_key == "77646344b94a7699"


def test_the_codec_key_follows_the_weights(copy: Path) -> None:
    before = Checkpoint(copy).codec_key
    change(copy / "codec.pth", lambda s: s["decoder.model.0.conv.bias"].add_(1))
    assert Checkpoint(copy).codec_key != before


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads Linux's map of the process")
def test_weights_stay_in_the_file(tiny: Path) -> None:
    """Memory-mapped tensors share the file's pages: loading S1-mini needs no second copy."""
    tensors = Checkpoint(tiny).language_model_tensors()
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("model.pth")]
    ranges = [tuple(int(edge, 16) for edge in fields[0].split("-")) for fields in lines]
    for name, tensor in tensors.items():
        assert any(start <= tensor.data_ptr() < end for start, end in ranges), name


def test_a_reference_leaves_room_for_speech(tmp_path: Path) -> None:
    assert Checkpoint(build_tiny(tmp_path / "short", max_seq_len=512)).longest_reference == 192 / 50


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_codec_tensors_are_made_when_they_are_asked_for(tiny: Path, half: str) -> None:
    """So that loading holds one of them beside the network's own weights, and not all."""
    tensors = Checkpoint(tiny).codec_tensors(half)
    assert len(tensors) == len(set(tensors)) > 10
    for name in tensors:
        first, second = tensors[name], tensors[name]
        assert first.dtype == torch.float32 and torch.equal(first, second)
        assert first.data_ptr() != second.data_ptr(), f"{name} is kept"
