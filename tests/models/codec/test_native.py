"""The codec on the native kernels against its torch form, which is tested against upstream."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from models.checkpoint.reader import Checkpoint
from models.codec import layers
from models.codec.convolutions import Convolution, TorchConvolutions
from models.codec.native import kernels, winograd
from models.codec.native.kernels import Chain, NativeLinear, Workspace, precisions
from models.codec.ops import Linear
from models.codec.state import Contexts, Step
from models.reference_encoder.audio import load
from models.reference_encoder.encoder import ReferenceEncoder
from models.runtime.precision import DTYPES
from models.vq_decoder.decoder import VQDecoder
from tests.paths import ROOT

if not precisions():
    pytest.skip("needs a CPU with AMX, or with AVX2 and no AVX-512, and a C++ compiler", allow_module_level=True)

CPU = torch.device("cpu")
PRECISE = {"bf16": 2e-2, "bf16x3": 1e-4, "int16": 2e-3, "fp32": 1e-5}  # relative errors
DECIBELS = {"bf16": 25, "bf16x3": 80, "int16": 55, "fp32": 100}  # of noise below the starter's sound
APART = {"bf16": 0.014, "bf16x3": 1e-4, "int16": 1e-3, "fp32": 1e-5}  # of samples, by how they were cut
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


def check(convolutions: list[Convolution], precision: str, blocks: tuple[int, ...], frame: int = 1) -> list[bool]:
    """That a chain is torch's convolutions, and neither blocks, of so many frames, nor threads change a bit. Returns
    which of them go by Winograd's method."""
    stride = frame * max(c.stride for c in convolutions)
    x = torch.randn(2, sum(blocks) * stride, convolutions[0].weight.shape[2])
    exact = Contexts(CPU, torch.float32)
    expected = run(TorchConvolutions(convolutions, exact, CPU, torch.float32), exact, x, stride, blocks)
    first, dtype = None, DTYPES[precision]
    for threads in (1, 2):
        contexts = Contexts(CPU, dtype)
        chain = Chain(convolutions, contexts, precision, Workspace(threads), frame)
        found = run(chain, contexts, x, stride, blocks)
        assert found.dtype == (torch.float32 if convolutions[-1].exact else dtype)
        assert (found.float() - expected).norm() < PRECISE[precision] * expected.norm()
        assert torch.equal(found, run(chain, contexts, x, stride, blocks[::-1]))
        first = found if first is None else first
        assert torch.equal(found, first)
    return [layer.input_transform is not None for layer in chain._packed.layers]


@pytest.mark.parametrize("precision", precisions())
@pytest.mark.parametrize("stack", STACKS)
def test_a_chain_in_blocks_is_torchs_convolutions(stack: str, precision: str) -> None:
    check(STACKS[stack](), precision, BLOCKS)


@pytest.mark.parametrize("precision", precisions())
@pytest.mark.parametrize(("channels", "frame"), [(64, 36), (80, 40), (256, 16)])
def test_residual_units_in_frames_are_torchs_convolutions(channels: int, frame: int, precision: str) -> None:
    """By Winograd's method where it pays: in the last case, of heavy weights, not where rows are 9 apart."""
    units = [c for dilation in (1, 3, 9) for c in unit(channels, dilation)]
    minimal = check(units, precision, (1, 3, 8, 2), frame)
    if "int16" in precisions():
        assert minimal[::2] == [frame >= 4 * dilation for dilation in (1, 3, 9)] and not any(minimal[1::2])


def test_winograd_gives_what_a_convolution_gives() -> None:
    rows, weight = torch.randn(10, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    found = winograd.output_transform() @ ((winograd.weight_transform() @ weight) * (winograd.input_transform() @ rows))
    torch.testing.assert_close(found, rows.unfold(0, 7, 1) @ weight)


@pytest.mark.parametrize("precision", precisions())
@pytest.mark.parametrize("rows", [1, 15, 16, 17, 33, 130])
def test_linear_is_torchs(rows: int, precision: str) -> None:
    dtype = DTYPES[precision]
    weight, bias = torch.randn(72, 40) / 40**0.5, torch.randn(72)
    x, other = torch.randn(2, rows, 40), torch.randn(2, rows, 72)
    for activation in ("none", "gelu", "swish"):
        exact = Linear(weight, bias, CPU, torch.float32, activation)
        linear = NativeLinear(weight, bias, precision, activation, Workspace(2))
        found = {"alone": (linear(x.to(dtype)), exact(x))}
        if activation == "none":
            found["add"] = linear.add(x.to(dtype), other.to(dtype)), exact.add(x, other)
            found["multiply"] = linear.multiply(x.to(dtype), other.to(dtype)), exact.multiply(x, other)
        for got, expected in found.values():
            assert got.dtype == dtype and (got.float() - expected).norm() < PRECISE[precision] * expected.norm()


def test_snake_of_large_and_small_values_is_torchs() -> None:
    x = torch.cat([torch.linspace(-3, 3, 999), torch.tensor([-900.0, 0.0, 1e-30, 55.5, 3000.0])])[None, :, None]
    identity = Convolution(torch.ones(1, 1, 1), torch.zeros(1), before=torch.ones(1), exact=True)
    contexts = Contexts(CPU, torch.float32)
    chain = Chain([identity], contexts, precisions()[1], Workspace(1), 1)
    found = chain(x, Step(contexts.allocate(1), slice(0, 1), torch.zeros(1)))
    torch.testing.assert_close(found, x + x.double().sin().square().float(), atol=2e-5, rtol=2e-5)


def test_the_starters_codes_and_sound_are_those_of_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(ROOT / "checkpoints" / "starter")
    config = checkpoint.codec_config

    def made(precision: str) -> tuple[ReferenceEncoder, VQDecoder]:
        encoder, decoder = (checkpoint.codec_tensors(half) for half in ("encoder", "decoder"))
        return ReferenceEncoder(config, encoder, "cpu", precision), VQDecoder(config, decoder, "cpu", precision, 2)

    recording = load((ROOT / "tests" / "voices" / "allison-en.wav").read_bytes(), config.sample_rate).waveform
    with monkeypatch.context() as torchs:
        torchs.setattr(kernels, "precisions", lambda: ())
        encoder, decoder = made("fp32")
    codes = encoder.encode([recording])[0]
    sound = decoder.decode([(decoder.open(), codes)])[0]
    for precision in precisions():
        encoder, decoder = made(precision)
        if precision == precisions()[1]:
            assert (encoder.encode([recording])[0] == codes).mean() > 0.999
        whole, stream = decoder.decode([(decoder.open(), codes)])[0], decoder.open()
        noise = whole - sound
        assert 10 * np.log10(np.square(sound).mean() / np.square(noise).mean()) > DECIBELS[precision]
        blocks = [decoder.decode([(stream, block)])[0] for block in np.split(codes, [1, 5, 30, 38], axis=1)]
        assert np.abs(np.concatenate(blocks) - whole).max() < APART[precision]
        chain = next(layer for each in decoder._layers if isinstance(each, layers.InPieces) for layer in each._layers)
        assert any(layer.input_transform is not None for layer in chain._packed.layers) == ("int16" in precisions())


def test_the_largest_sums_in_int16_do_not_overflow() -> None:
    """All weights and values of one sign, as large as they are written."""
    if "int16" not in precisions():
        pytest.skip("int16 is computed on CPUs with AVX2 and no AVX-512")
    for channels in (16, 256, 1536):
        weight = torch.ones(16, channels)
        linear = NativeLinear(weight, None, "int16", "none", Workspace(1))
        found = linear(torch.ones(2, channels))
        torch.testing.assert_close(found, torch.full((2, 16), float(channels)), rtol=1e-3, atol=0)
    x = torch.ones(1, channels)
    x[0, 3] = torch.nan  # counts as nothing, and spoils no other value
    torch.testing.assert_close(linear(x), torch.full((1, 16), channels - 1.0), rtol=1e-3, atol=0)
