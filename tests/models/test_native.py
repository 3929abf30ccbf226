"""The native kernels against the torch network in fp32, and against themselves in every way of running a stream."""

from __future__ import annotations

import resource
import sys
from dataclasses import replace
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.configs import LanguageModelConfig
from models.native import build
from models.tensors import language_model_shapes
from models.text_to_semantic.native.network import NativeNetwork
from models.text_to_semantic.native.packing import GROUP, LANES, quantize
from models.text_to_semantic.network import Network, TokenIds
from models.types import Sampling

if reason := build.available():
    pytest.skip(reason, allow_module_level=True)

PORTABLE = ("-DSHOAL_PORTABLE",)
CODES, TEXT = 1030, 300  # neither is a multiple of what the kernels compute together
IDS = TokenIds(semantic_begin=TEXT, end=TEXT - 1)
SMALL = LanguageModelConfig(
    vocab_size=TEXT + CODES + 2,
    n_layer=3,
    n_head=6,
    n_local_heads=2,
    dim=200,
    head_dim=40,
    intermediate_size=300,
    max_seq_len=2048,
    rope_base=1e6,
    norm_eps=1e-6,
    codebook_size=CODES,
    num_codebooks=5,
    n_fast_layer=2,
    fast_head_dim=24,
    tie_word_embeddings=False,
    attention_qk_norm=True,
    fast_attention_qk_norm=False,
    scale_codebook_embeddings=True,
)
VARIANTS = {
    "plain": SMALL,
    "biases": replace(SMALL, attention_qkv_bias=True, attention_o_bias=True, attention_qk_norm=False),
    "other fast width": replace(SMALL, fast_dim=104, fast_n_head=3, fast_n_local_heads=3, tie_word_embeddings=True),
    "like S1-mini": replace(
        SMALL, dim=256, n_head=4, n_local_heads=2, head_dim=128, intermediate_size=768, fast_head_dim=64
    ),
}


def weights(config: LanguageModelConfig, dtype: torch.dtype = torch.bfloat16) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def tensor(name: str, shape: tuple[int, ...]) -> Tensor:
        noise = torch.randn(shape, generator=generator)
        if name.endswith("norm.weight"):
            return 1 + 0.1 * noise
        return noise * (0.03125 if "embeddings" in name else shape[-1] ** -0.5)

    return {name: tensor(name, shape).to(dtype) for name, shape in language_model_shapes(config).items()}


@cache
def small_weights() -> dict[str, Tensor]:
    return weights(SMALL)


def native(slots: int = 1, threads: int = 1, bits: int = 8) -> NativeNetwork:
    return NativeNetwork(SMALL, small_weights(), IDS, slots=slots, positions=1100, threads=threads, bits=bits)


def prompt(length: int, seed: int = 0, codebooks: int = 5) -> Tensor:
    """Text, then spoken codes, then text."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.zeros(1 + codebooks, length, dtype=torch.int32)
    values[0] = torch.randint(0, IDS.end, (length,), generator=generator)
    codes = torch.randint(0, 1024, (codebooks, length // 2), generator=generator)
    spoken = slice(length // 4, length // 4 + length // 2)
    values[1:, spoken], values[0, spoken] = codes, IDS.semantic_begin + codes[0]
    return values


def sampling(seed: int) -> Sampling:
    return Sampling(temperature=0.9, top_p=0.9, repetition_penalty=1.2, seed=seed)


def start(network: NativeNetwork, slot: int, length: int, seed: int, chunk: int = 10**6) -> list[int]:
    values = prompt(length, seed)
    network.reset(slot, sampling(seed))
    for begin in range(0, length, chunk):
        hidden = network.prefill(slot, values[:, begin : begin + chunk], begin)
    return network.first_frame(slot, hidden)[0].tolist()


@cache
def solo(bits: int) -> NativeNetwork:
    return native(bits=bits)


@cache
def alone(length: int, seed: int, frames: int = 24, bits: int = 8) -> list[list[int]]:
    network = solo(bits)
    return [start(network, 0, length, seed), *(network.decode_rows([0])[0].tolist() for _ in range(frames - 1))]


class Recorded:
    """A linear layer that keeps what it returned."""

    def __init__(self, linear: object, into: list[Tensor]) -> None:
        self._linear, self._into = linear, into

    def __call__(self, x: Tensor) -> Tensor:
        y = self._linear(x)
        self._into.append(y.clone())
        return y


@pytest.mark.parametrize("flags", [(), PORTABLE], ids=["native", "portable"])
@pytest.mark.parametrize("name", VARIANTS)
def test_logits_are_those_of_fp32(name: str, flags: tuple[str, ...]) -> None:
    config = VARIANTS[name]
    tensors = weights(config, torch.float32 if name == "biases" else torch.bfloat16)
    oracle = Network(config, tensors, IDS, slots=2, positions=128)
    network = NativeNetwork(config, tensors, IDS, slots=2, positions=128, flags=flags)
    logits: list[Tensor] = []
    oracle._head, oracle._fast_head = Recorded(oracle._head, logits), Recorded(oracle._fast_head, logits)
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


def as_quantized(tensors: dict[str, Tensor], bits: int) -> dict[str, Tensor]:
    """The weights that the kernels multiply by, in fp32."""

    def rounded(weight: Tensor) -> Tensor:
        groups = F.pad(weight.float(), (0, -weight.shape[1] % GROUP)).unflatten(1, (-1, GROUP))
        whole, scale = quantize(groups, bits)
        return (whole * scale.float()[..., None]).flatten(1)[:, : weight.shape[1]]

    linear = {name for name, tensor in tensors.items() if "layers." in name and tensor.dim() == 2}
    return {name: rounded(tensor) if name in linear else tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize("flags", [(), PORTABLE], ids=["native", "portable"])
@pytest.mark.parametrize("bits", [8, 4])
def test_layers_multiply_by_their_quantized_weights(bits: int, flags: tuple[str, ...]) -> None:
    """So closely that one misplaced weight would show."""
    oracle = Network(SMALL, as_quantized(small_weights(), bits), IDS, slots=1, positions=128)
    network = NativeNetwork(SMALL, small_weights(), IDS, slots=1, positions=128, bits=bits, flags=flags)
    for length in (1, 5, 50):
        wide, hidden = (each.prefill(0, prompt(length), 0) for each in (oracle, network))
        assert torch.cosine_similarity(hidden, wide, dim=-1) > 0.9999


def test_int4_scales_fit_their_groups() -> None:
    """Better than the largest weight alone would have them (9.5 %), and of any sign, of nothing, or of one weight."""
    normal = torch.randn(4096, GROUP, generator=torch.Generator().manual_seed(0))
    whole, scale = quantize(normal, 4)
    assert (whole * scale.float()[..., None] - normal).norm() / normal.norm() < 0.092
    edges = torch.zeros(3, GROUP)
    edges[1, 5], edges[2, 7] = -3.0, 1e-30
    whole, scale = quantize(edges, 4)
    torch.testing.assert_close(whole * scale.float()[..., None], edges, rtol=0.01, atol=0)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("chunk", [1, 7, 64, 300])
@pytest.mark.parametrize("threads", [1, 3])
def test_chunks_and_threads_change_no_bit(chunk: int, threads: int, bits: int) -> None:
    network, expected = native(threads=threads, bits=bits), alone(301, 3, bits=bits)
    assert start(network, 0, 301, 3, chunk) == expected[0]
    assert [network.decode_rows([0])[0].tolist() for _ in range(23)] == expected[1:]


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("rows", [8, 15, 16, 70])
def test_tiles_change_no_bit(rows: int, bits: int) -> None:
    """Where the machine has matrix tiles; elsewhere both are compiled to the same."""
    hidden = []
    for flags in ((), ("-DSHOAL_WITHOUT_TILES",)):
        network = NativeNetwork(SMALL, small_weights(), IDS, slots=1, positions=200, threads=2, bits=bits, flags=flags)
        network.reset(0, sampling(1))
        hidden.append(network.prefill(0, prompt(rows, 4), 0))
    assert torch.equal(*hidden)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_crowd_with_holes_and_pauses_changes_no_bit(threads: int) -> None:
    """Streams of unequal length start one by one in scattered slots, pause, go on; slots between them stay empty."""
    network = native(slots=16, threads=threads)
    places = {seed: slot for seed, slot in enumerate([3, 0, 15, 5, 6, 7, 8, 9, 10, 11, 12])}
    got: dict[int, list[list[int]]] = {}
    for step in range(50):
        if step % 2 == 0 and step // 2 in places:
            seed = step // 2
            got[seed] = [start(network, places[seed], 20 + 11 * seed, seed)]
        for seed in got:
            network.set_active(places[seed], (step + seed) % 5 != 0 and len(got[seed]) < 24)
        frames = network.decode(16, 0)
        for seed, slot in places.items():
            if network._active[slot]:
                got[seed].append(frames[slot].tolist())
    assert min(len(frames) for frames in got.values()) >= 15
    for seed, frames in got.items():
        assert frames == alone(20 + 11 * seed, seed)[: len(frames)]


def test_a_slot_taken_over_in_the_middle_is_as_new() -> None:
    network = native(slots=2)
    for length, seed in ((400, 0), (20, 1), (301, 3)):
        frames = [start(network, 1, length, seed)]
        frames += [network.decode(2, 0)[1].tolist() for _ in range(9)]
        assert frames == alone(length, seed)[:10]


@pytest.mark.parametrize("length", [16, 90, 97])
def test_a_restored_prefix_continues_as_a_whole_prefill(length: int) -> None:
    network = native(slots=3)
    whole = start(network, 0, 120, 5)
    prefix = network.copy_prefix(0, length)
    start(network, 2, 200, 6)  # leaves other keys behind
    network.reset(2, sampling(5))
    network.restore_prefix(2, prefix)
    hidden = network.prefill(2, prompt(120, 5)[:, length:], length)
    assert network.first_frame(2, hidden)[0].tolist() == whole


def test_slots_read_one_kept_prefix() -> None:
    network = native(slots=3)
    whole = start(network, 0, 120, 5)
    prefix = network.copy_prefix(0, 97)
    network.release(0)
    frames = []
    for slot in (1, 2):
        network.reset(slot, sampling(5))
        network.restore_prefix(slot, prefix)
        again = network.copy_prefix(slot, 97)
        assert torch.equal(again[1], prefix[1]), "a prefix can be kept anew from a slot that shares it"
        hidden = network.prefill(slot, prompt(120, 5)[:, 97:], 97)
        assert not network._slot_cache(slot)[: 97 // LANES].any(), "whole blocks are read where they are kept"
        frames.append([network.first_frame(slot, hidden)[0].tolist()])
    for _ in range(20):
        for rows, frame in zip(frames, network.decode(3, 0)[1:], strict=True):
            rows.append(frame.tolist())
    assert frames[0] == frames[1] == alone(120, 5)[:21] and frames[0][0] == whole
    network.reset(1, sampling(3))  # and a slot that shared is as new
    assert start(network, 1, 120, 3) == alone(120, 3)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes pages back")
def test_a_finished_utterance_gives_its_memory_back() -> None:
    network = native(slots=2)
    kept, gone = (start(network, slot, 300, 7) for slot in (0, 1))
    before = [network._slot_cache(slot).count_nonzero() for slot in (0, 1)]
    network.release(1)
    after = [network._slot_cache(slot).count_nonzero() for slot in (0, 1)]
    assert after[0] == before[0] and after[1] < before[1] / 2, "all but the pages shared with the other slot"
    assert start(network, 1, 300, 7) == gone == kept


def test_positions_outside_a_slot_are_refused() -> None:
    network = native()
    with pytest.raises(ValueError, match="no room"):
        network.prefill(0, prompt(10), 1095)
    with pytest.raises(ValueError, match="no room"):
        network.prefill(1, prompt(10), 0)


def test_memory_stays_flat_over_a_thousand_frames() -> None:
    network = native(slots=2, threads=2)

    def utterance() -> int:
        for slot in range(2):
            start(network, slot, 40, slot)
        for _ in range(1000):
            network.decode(2, 0)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert utterance() + 2048 > utterance()  # KB
