"""The codec on the native kernels against its torch form, which is tested against upstream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.checkpoint import Checkpoint
from models.codec import layers
from models.codec.convolutions import Convolution, TorchConvolutions
from models.codec.native import Chain, NativeLinear, Workspace, library
from models.codec.ops import Linear
from models.codec.state import Contexts, Step
from models.reference_encoder.audio import load
from models.reference_encoder.encoder import ReferenceEncoder
from models.vq_decoder.decoder import VQDecoder

if library() is None:
    pytest.skip("needs a CPU with matrix tiles (Intel AMX) and a C++ compiler", allow_module_level=True)

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
PRECISE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}  # relative errors: of bf16x3 and of bf16
BLOCKS = (1, 3, 33, 8, 150)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def convolution(out: int, segments: int, channels: int, **more: object) -> Convolution:
    weight = torch.randn(out, segments, channels) / (segments * channels) ** 0.5
    return Convolution(weight, torch.randn(out), **more)


def alpha(channels: int) -> Tensor:
    return torch.rand(channels) + 0.3


def unit(channels: int, dilation: int) -> list[Convolution]:
    wide = convolution(channels, 7, channels, before=alpha(channels), after=alpha(channels), dilation=dilation)
    return [wide, convolution(channels, 1, channels, residual=True)]


STACKS: dict[str, Callable[[], list[Convolution]]] = {
    "samples in": lambda: [convolution(24, 7, 1, exact=True)],
    "samples out": lambda: [convolution(40, 7, 24), convolution(1, 7, 40, before=alpha(40), exact=True)],
    "residual units": lambda: [c for dilation in (1, 3, 9) for c in unit(48, dilation)],
    "down": lambda: [*unit(16, 1), convolution(64, 6, 16, before=alpha(16), stride=3), *unit(64, 9)],
    "up": lambda: [convolution(3 * 40, 2, 100, before=alpha(100), repeat=3), *unit(40, 3)],
    "heavy": lambda: [convolution(512, 7, 512), *unit(512, 1)],
}


def run(layer: layers.Layer, contexts: Contexts, x: Tensor, stride: int, blocks: tuple[int, ...]) -> Tensor:
    """All blocks of two streams, the second one's row before the first one's."""
    tails, found, at = contexts.allocate(3), [], 0
    for n in blocks:
        step = Step(tails, torch.tensor([2, 0]), torch.tensor([at, at]))
        found.append(layer(x[:, at * stride : (at + n) * stride], step))
        at += n
    return torch.cat(found, dim=1)


@pytest.mark.parametrize("dtype", PRECISE)
@pytest.mark.parametrize("stack", STACKS)
def test_a_chain_in_blocks_is_torchs_convolutions(stack: str, dtype: torch.dtype) -> None:
    convolutions = STACKS[stack]()
    stride = max(c.stride for c in convolutions)
    x = torch.randn(2, sum(BLOCKS) * stride, convolutions[0].weight.shape[2])
    exact = Contexts(CPU, torch.float32)
    expected = run(TorchConvolutions(convolutions, exact, CPU, torch.float32), exact, x, stride, BLOCKS)
    first = None
    for threads in (1, 2):
        contexts = Contexts(CPU, dtype)
        chain = Chain(convolutions, contexts, dtype, Workspace(threads))
        found = run(chain, contexts, x, stride, BLOCKS)
        assert found.dtype == (torch.float32 if convolutions[-1].exact else dtype)
        assert (found.float() - expected).norm() < PRECISE[dtype] * expected.norm()
        assert torch.equal(found, run(chain, contexts, x, stride, (40, 60, 95)))  # blocks change no bit, nor do threads
        first = found if first is None else first
        assert torch.equal(found, first)


@pytest.mark.parametrize("dtype", PRECISE)
@pytest.mark.parametrize("rows", [1, 15, 16, 17, 33, 130])
def test_linear_is_torchs(rows: int, dtype: torch.dtype) -> None:
    weight, bias = torch.randn(72, 40) / 40**0.5, torch.randn(72)
    x, other = torch.randn(2, rows, 40), torch.randn(2, rows, 72)
    for activation in ("none", "gelu", "swish"):
        exact = Linear(weight, bias, CPU, torch.float32, activation)
        linear = NativeLinear(weight, bias, dtype, activation, Workspace(2))
        found = {"alone": (linear(x.to(dtype)), exact(x))}
        if activation == "none":
            found["add"] = linear.add(x.to(dtype), other.to(dtype)), exact.add(x, other)
            found["multiply"] = linear.multiply(x.to(dtype), other.to(dtype)), exact.multiply(x, other)
        for got, expected in found.values():
            assert got.dtype == dtype and (got.float() - expected).norm() < PRECISE[dtype] * expected.norm()


def test_snake_of_large_and_small_values_is_torchs() -> None:
    x = torch.cat([torch.linspace(-3, 3, 999), torch.tensor([-900.0, 0.0, 1e-30, 55.5, 3000.0])])[None, :, None]
    identity = Convolution(torch.ones(1, 1, 1), torch.zeros(1), before=torch.ones(1), exact=True)
    contexts = Contexts(CPU, torch.float32)
    chain = Chain([identity], contexts, torch.float32, Workspace(1))
    found = chain(x, Step(contexts.allocate(1), slice(0, 1), torch.zeros(1)))
    torch.testing.assert_close(found, x + x.double().sin().square().float(), atol=2e-5, rtol=2e-5)


def test_the_starters_codes_and_sound_are_those_of_fp32() -> None:
    checkpoint = Checkpoint(ROOT / "checkpoints" / "starter")
    config = checkpoint.codec_config

    def made(dtype: torch.dtype, bf16x3: bool) -> tuple[ReferenceEncoder, VQDecoder]:
        encoder, decoder = (checkpoint.codec_tensors(half) for half in ("encoder", "decoder"))
        return (
            ReferenceEncoder(config, encoder, "cpu", dtype, bf16x3),
            VQDecoder(config, decoder, "cpu", dtype, max_streams=1, bf16x3=bf16x3),
        )

    recording = load((ROOT / "tests" / "voices" / "allison-en.wav").read_bytes(), config.sample_rate).waveform
    encoder, decoder = made(torch.float32, bf16x3=False)
    codes = encoder.encode([recording])[0]
    sound = decoder.decode([(decoder.open(), codes)])[0]
    for dtype, decibels in ((torch.float32, 80), (torch.bfloat16, 25)):
        encoder, decoder = made(dtype, bf16x3=True)
        if dtype == torch.float32:
            assert (encoder.encode([recording])[0] == codes).mean() > 0.999
        noise = decoder.decode([(decoder.open(), codes)])[0] - sound
        assert 10 * np.log10(np.square(sound).mean() / np.square(noise).mean()) > decibels
