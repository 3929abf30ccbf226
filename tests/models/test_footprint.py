"""A checkpoint's sizes are those of what is loaded, and S1-mini's are the planner's defaults."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from checkpoints.build import S1_MINI, TINY, build
from cluster.planning.footprints import Footprints
from models.checkpoint.reader import Checkpoint
from models.checkpoint.tensors import Half
from models.footprint import sizes
from models.text_to_semantic.network.torch_network import TorchNetwork
from models.vq_decoder.decoder import VQDecoder


def test_a_plan_without_a_checkpoint_is_for_s1_mini() -> None:
    usual, found = Footprints(), sizes(S1_MINI.language_model.network, S1_MINI.codec)
    assert {name: getattr(usual, name) for name in found} == pytest.approx(found, rel=1e-3)
    others = {each.name for each in fields(Footprints)} - found.keys()
    assert others == {"runtime_gb", "tokenizer_gb", "cuda_context_gb", "cuda_host_gb"}, "what no checkpoint decides"


@pytest.mark.parametrize("tied", [False, True])
def test_weights_of_the_network_are_counted(tmp_path: Path, tied: bool) -> None:
    recipe = replace(TINY, stop=0, language_model=replace(TINY.language_model, tie_word_embeddings=tied))
    checkpoint = Checkpoint(build(recipe, tmp_path))
    config = checkpoint.language_model_config
    tensors = checkpoint.language_model_tensors()
    output = tensors.pop("output.weight").numel() * (config.codebook_size + 1) // config.vocab_size if not tied else 0
    found = sizes(config, checkpoint.codec_config)
    assert found["text_to_semantic_params"] == output + sum(tensor.numel() for tensor in tensors.values())


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_weights_of_the_codec_are_counted(tiny: Path, half: Half) -> None:
    checkpoint = Checkpoint(tiny)
    loaded = checkpoint.codec_tensors(half).values()
    counted = sizes(checkpoint.language_model_config, checkpoint.codec_config)[f"codec_{half}_params"]
    assert counted == sum(tensor.numel() for tensor in loaded)


def test_what_slots_and_streams_hold_is_counted(tiny: Path) -> None:
    checkpoint = Checkpoint(tiny)
    found = sizes(checkpoint.language_model_config, checkpoint.codec_config)
    weights = checkpoint.weights(checkpoint.prompt_encoder().ids)
    network = TorchNetwork(weights, slots=1, positions=TINY.language_model.max_seq_len)
    assert network.kv_bytes_per_position == found["kv_values_per_token"] * torch.float32.itemsize
    decoder = VQDecoder(checkpoint.codec_config, checkpoint.codec_tensors("decoder"), "cpu", "fp32", 1)
    assert found["decoder_state_values"] * torch.float32.itemsize == pytest.approx(decoder.state_bytes, rel=0.4)
