"""The codec's building blocks against torch's own layers, on both paths: packed by oneDNN, and plain."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.codec import ops
from models.codec.convolutions import Convolution, Reader, TorchConvolutions
from models.codec.state import Contexts, Step

CPU = torch.device("cpu")


@pytest.fixture(params=["packed", "plain"], autouse=True)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(ops, "packs_weights", lambda device, dtype: False)
    elif not ops.packs_weights(CPU, torch.float32):
        pytest.skip("this torch has no oneDNN")


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("dilation", [1, 3, 9])
@pytest.mark.parametrize("channels", [24, 512])  # 512 x 512 x 7 weights are heavy enough to be unfolded
def test_conv_is_torchs(channels: int, dilation: int) -> None:
    weight, bias = torch.randn(channels, channels, 7) / (7 * channels) ** 0.5, torch.randn(channels)
    x = torch.randn(2, 6 * dilation + 5, channels)
    y = ops.Conv(weight, bias, CPU, torch.float32, dilation)(x)
    close(y, F.conv1d(x.mT, weight, bias, dilation=dilation).mT)


def test_depthwise_conv_is_torchs() -> None:
    weight, bias, x = torch.randn(32, 1, 7), torch.randn(32), torch.randn(3, 20, 32)
    close(ops.Conv(weight, bias, CPU, torch.float32, groups=32)(x), F.conv1d(x.mT, weight, bias, groups=32).mT)


def through(convolution: Convolution, x: torch.Tensor) -> torch.Tensor:
    """The convolution's results for x, after nothing but silence."""
    contexts = Contexts(CPU, torch.float32)
    layer = TorchConvolutions([convolution], contexts, CPU, torch.float32)
    return layer(x, Step(contexts.allocate(len(x)), slice(0, len(x)), torch.zeros(len(x))))


@pytest.mark.parametrize("taps", [1, 2])
def test_a_strided_conv_is_torchs(taps: int) -> None:
    tensors = {"a.weight": torch.randn(6, 4, 3 * taps), "a.bias": torch.randn(6)}
    x = torch.randn(2, 3 * 7, 4)
    padded = F.pad(x.mT, (3 * (taps - 1), 0))
    expected = F.conv1d(padded, tensors["a.weight"], tensors["a.bias"], stride=3).mT
    close(through(Reader(tensors).conv("a", stride=3), x), expected)


@pytest.mark.parametrize("taps", [1, 2])
def test_a_transposed_conv_is_torchs_cut_to_be_causal(taps: int) -> None:
    tensors = {"a.weight": torch.randn(4, 6, 3 * taps), "a.bias": torch.randn(6), "b.alpha": torch.full((1, 4, 1), 1e9)}
    x = torch.randn(2, 7, 4)
    expected = F.conv_transpose1d(x.mT, tensors["a.weight"], tensors["a.bias"], stride=3).mT[:, :21]
    close(through(Reader(tensors).transposed("a", "b", 3), x), expected)  # such a Snake changes nothing


@pytest.mark.parametrize(("activation", "function"), [("none", lambda x: x), ("gelu", F.gelu), ("swish", F.silu)])
def test_linear_is_torchs(activation: ops.Activation, function: object) -> None:
    weight, bias, x = torch.randn(48, 32), torch.randn(48), torch.randn(2, 5, 32)
    close(ops.Linear(weight, bias, CPU, torch.float32, activation)(x), function(F.linear(x, weight, bias)))


def test_linear_adds_and_multiplies() -> None:
    weight, x, other = torch.randn(48, 32), torch.randn(2, 5, 32), torch.randn(2, 5, 48)
    linear = ops.Linear(weight, None, CPU, torch.float32)
    close(linear.add(x, other), other + x @ weight.T)
    close(linear.multiply(x, other), other * (x @ weight.T))


def test_snake_writes_in_place() -> None:
    alpha, x = torch.rand(8) + 0.1, torch.randn(2, 5, 8)
    expected = x + torch.sin(alpha * x).square() / alpha
    ops.Snake(alpha, CPU, torch.float32)(x, out=x)
    close(x, expected)


def test_rows_are_padded_to_few_counts() -> None:
    counts = {ops.bucket(rows) for rows in range(1, 8 * 25 * 4 + 1)}
    assert len(counts) <= 23
    for rows in range(1, 5000):
        padded = ops.bucket(rows)
        assert rows <= padded < max(rows + 8, 1.25 * rows) and ops.bucket(padded) == padded


@pytest.mark.parametrize("rows", [1, 8, 67])
def test_padding_reaches_no_result(rows: int) -> None:
    weight, bias = torch.randn(24, 16), torch.randn(24)
    x, other = torch.randn(2, rows, 16), torch.randn(2, rows, 24)
    linear, expected = ops.Linear(weight, bias, CPU, torch.float32), F.linear(x, weight, bias)
    for result, wanted in (
        (linear(x), expected),
        (linear.add(x, other), other + expected),
        (linear.multiply(x, other), other * expected),
    ):
        torch.testing.assert_close(result, wanted)
