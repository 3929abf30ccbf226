"""The kernels of a frame against the torch network, on the same weights and noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from checkpoints.build import TINY, build
from models.checkpoint.reader import Checkpoint
from models.text_to_semantic.network.linear import Quantization
from models.text_to_semantic.network.torch_network import TorchNetwork
from models.types import Prompt, Sampling
from tests.models.text_to_semantic.network import networks
from tests.models.text_to_semantic.network.fused import few_programs, frame  # noqa: F401

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
POSITIONS = 320
TILE = frame._tile  # as it is where programs are many

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_programs")]


def speak(network: TorchNetwork, prompt: Tensor, fused: bool, slots: list[int], steps: int) -> list[list[int]]:
    """Frames of `slots`, whose prompts differ in length; those between them are never active."""
    by_kernels = frame.FusedFrame(network)
    drawn, rows = [], max(slots) + 1
    with torch.no_grad():
        for slot in slots:
            network.reset(slot, Sampling(seed=slot, top_p=0.6 + 0.1 * (slot % 4), temperature=0.5 + 0.1 * slot))
            hidden = network.prefill(slot, prompt[:, : prompt.shape[1] - 7 * slot], 0)
            at = torch.tensor([slot], device=DEVICE)
            first = by_kernels.first_frame(at, hidden) if fused else network.first_frame(slot, hidden)
            drawn.append(first[0].tolist())
        for step in range(steps):
            frames = by_kernels.step(rows) if fused else network.decode(rows, prompt.shape[1] + step + 1)
            drawn += frames[slots].tolist()
        network.set_active(slots[0], False)  # it keeps its state
        drawn += (by_kernels.step(rows) if fused else network.decode(rows, prompt.shape[1] + steps + 1))[slots].tolist()
    state = network.state
    kept = [state.frame, state.history, state.position, state.step, state.active]
    return drawn + [each[slots].tolist() for each in kept]


@pytest.mark.parametrize(("slots", "fast_input"), [([0], "hidden"), ([1, 2, 5], "hidden"), ([1, 2], "normed")])
def test_the_kernels_draw_the_networks_frames(tiny: Path, slots: list[int], fast_input: str) -> None:
    prompt = (
        Checkpoint(tiny)
        .prompt_encoder()
        .encode(Prompt("Seventy positions and some more are what this text takes, word by word."))
        .values
    )
    assert prompt.shape[1] > frame.POSITIONS  # more than a program reads at a time
    speaks = []
    for fused in (False, True):
        network = networks.network(tiny, slots=6, positions=POSITIONS, device=DEVICE)
        network.config = replace(network.config, fast_input=fast_input)
        speaks.append(speak(network, prompt, fused, slots, steps=2))
    assert speaks[1] == speaks[0]


@pytest.mark.parametrize("inputs", [256, 1024, 3072, 9728])
def test_a_program_of_few_rows_has_registers_for_its_weights(inputs: int) -> None:
    tile = TILE(1, inputs, 2)
    assert tile["BLOCK_K"] >= inputs and tile["BLOCK_N"] * tile["BLOCK_K"] <= 16384


@pytest.mark.parametrize(
    ("quantization", "slots", "fast_input"), [("none", [0, 3], "normed"), ("int8", [0, 5], "hidden")]
)
def test_other_shapes_of_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantization: Quantization, slots: list[int], fast_input: str
) -> None:
    """No power of two, biases, other widths of the two transformers and so a projection between them; six rows as many
    are run, in several tiles and without parts of the cached positions."""
    monkeypatch.setattr(frame, "SPLIT_BELOW", 5)
    monkeypatch.setattr(frame, "TILE_ROWS", 8)
    model = replace(
        TINY.language_model, dim=96, n_head=3, n_local_heads=1, head_dim=24, intermediate_size=72, fast_dim=80,
        fast_n_head=5, fast_n_local_heads=5, fast_head_dim=8, fast_intermediate_size=56, fast_attention_qk_norm=True,
        attention_qkv_bias=True, attention_o_bias=True, attention_qk_norm=False, scale_codebook_embeddings=False,
    )  # fmt: skip
    build(replace(TINY, language_model=model), tmp_path, 0)
    encoder = Checkpoint(tmp_path).prompt_encoder()
    prompt = encoder.encode(Prompt("Three heads share one.")).values
    speaks = []
    for fused in (False, True):
        network = networks.network(tmp_path, slots=6, positions=POSITIONS, device=DEVICE)
        network.config = replace(network.config, fast_input=fast_input)
        if quantization == "int8":
            widen(network)
        speaks.append(speak(network, prompt, fused, slots, steps=1))
    assert speaks[1] == speaks[0]


def widen(network: TorchNetwork) -> None:
    """Weights as an accelerator keeps them in int8."""
    for layer in network.slow.blocks + network.fast.blocks:
        for name in ("wqkv", "wo", "w13", "w2"):
            plain = getattr(layer, name)
            scale = plain.weight.abs().amax(1) / 127
            weight = (plain.weight / scale[:, None]).round().to(torch.int8)
            setattr(layer, name, replace(plain, weight=weight, scale=scale))
