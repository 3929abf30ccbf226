"""How near the native kernels come to the torch network in fp32, and to their own weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.native import build
from models.text_to_semantic.native.network import NativeNetwork
from models.text_to_semantic.native.packing import GROUP
from models.text_to_semantic.network.torch_network import TorchNetwork
from models.text_to_semantic.network.weights import Weights
from tests.models.text_to_semantic.network.networks import kept, rounded
from tests.models.text_to_semantic.network.small_network import (
    IDS,
    SMALL,
    prompt,
    sampling,
    small_weights,
    tensors,
    weights,
)

if reason := build.available():
    pytest.skip(reason, allow_module_level=True)

PORTABLE = ("-DSHOAL_PORTABLE",)
VARIANTS = {
    "plain": SMALL,
    "biases": replace(SMALL, attention_qkv_bias=True, attention_o_bias=True, attention_qk_norm=False),
    "other fast width": replace(SMALL, fast_dim=104, fast_n_head=3, fast_n_local_heads=3, tie_word_embeddings=True),
    "like S1-mini": replace(
        SMALL, dim=256, n_head=4, n_local_heads=2, head_dim=128, intermediate_size=768, fast_head_dim=64
    ),
}
VARIANTS |= {f"normed, {name}": VARIANTS[name] for name in ("plain", "other fast width")}


@pytest.mark.parametrize("flags", [(), PORTABLE], ids=["native", "portable"])
@pytest.mark.parametrize("name", VARIANTS)
def test_logits_are_those_of_fp32(name: str, flags: tuple[str, ...]) -> None:
    loaded = weights(VARIANTS[name], torch.float32 if name == "biases" else torch.bfloat16)
    if name.startswith("normed"):
        loaded = replace(loaded, config=replace(loaded.config, fast_input="normed"))
    oracle = TorchNetwork(loaded, slots=2, positions=128)
    network = NativeNetwork(loaded, slots=2, positions=128, flags=flags)
    logits: list[Tensor] = []
    oracle.slow.head, oracle.fast.head = kept(oracle.slow.head, logits), kept(oracle.fast.head, logits)
    compared = 0
    for seed in range(3):
        values = prompt(50, seed)
        for each in (oracle, network):
            each.reset(1, sampling(seed))
        wide, hidden = oracle.prefill(1, values, 0), network.prefill(1, values, 0)
        assert torch.cosine_similarity(hidden, wide, dim=-1) > 0.9995
        for frame in range(6):
            logits.clear()
            trace = torch.empty(1, network.trace_size())
            if frame == 0:
                expected, got = oracle.first_frame(1, wide), network.first_frame(1, hidden, trace)
            else:
                expected, got = oracle.decode(2, 50 + frame)[1:], network.decode_rows([1], trace)
            begin = 0
            for codebook, wanted in enumerate(logits):
                row = trace[0, begin : begin + wanted.shape[-1]]
                assert torch.cosine_similarity(row, wanted[-1].flatten(), dim=0) > (0.998 if codebook else 0.999)
                begin += wanted.shape[-1]
                compared += 1
                if expected[0, codebook + 1] != got[0, codebook + 1]:  # other codes lead to other logits
                    break
            if not torch.equal(expected, got):
                break
    assert compared > 20


def as_quantized(bits: int) -> Weights:
    """The small network with the weights of its layers as the kernels multiply by them."""
    stored = tensors(SMALL)
    linear = {name for name, tensor in stored.items() if "layers." in name and tensor.dim() == 2}
    as_read = {name: rounded(tensor, bits) if name in linear else tensor for name, tensor in stored.items()}
    return Weights.of(SMALL.network, IDS, as_read)


@pytest.mark.parametrize("flags", [(), PORTABLE], ids=["native", "portable"])
@pytest.mark.parametrize("bits", [8, 4])
def test_layers_multiply_by_their_quantized_weights(bits: int, flags: tuple[str, ...]) -> None:
    """So closely that one misplaced weight would show."""
    oracle = TorchNetwork(as_quantized(bits), slots=1, positions=128)
    network = NativeNetwork(small_weights(), slots=1, positions=128, bits=bits, flags=flags)
    for length in (1, 5, 50):
        wide, hidden = (each.prefill(0, prompt(length), 0) for each in (oracle, network))
        assert torch.cosine_similarity(hidden, wide, dim=-1) > 0.9999


def test_int4_scales_fit_their_groups() -> None:
    """Better than the largest weight alone would have them (9.5 %), and of any sign, of nothing, or of one weight."""
    normal = torch.randn(4096, GROUP, generator=torch.Generator().manual_seed(0))
    assert (rounded(normal, 4) - normal).norm() / normal.norm() < 0.092
    edges = torch.zeros(3, GROUP)
    edges[1, 5], edges[2, 7] = -3.0, 1e-30
    torch.testing.assert_close(rounded(edges, 4), edges, rtol=0.01, atol=0)
