"""The codec's causal convolutions: what each computes, and their form in torch. `native` has the other form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.codec.ops import Conv, Linear, Snake, regroup
from models.codec.state import Contexts, Step


@dataclass(frozen=True)
class Convolution:
    """(batch, stride * n, in) -> (batch, repeat * n, out / repeat), with a Snake on either side where alphas are given.

    Result r is the sum over segments s of weight[:, s] (out, in) times row r * stride + s * dilation, where row 0 is
    the oldest of those remembered; one result is seen as `repeat` rows. An `exact` one computes in the exact precision
    of the kernels (fp32 in torch), whatever the network does. The convolution that follows a Snake `after` is the only
    reader of its results; with `residual`, its own results are added to what went into both.
    """

    weight: Tensor  # (out, segments, in)
    bias: Tensor  # (out,)
    before: Tensor | None = None  # (in,)
    after: Tensor | None = None  # (out,)
    stride: int = 1
    dilation: int = 1
    repeat: int = 1
    residual: bool = False
    exact: bool = False

    @property
    def context(self) -> int:
        """Rows remembered: those that the oldest segment reads before the first new row."""
        return (self.weight.shape[1] - self.stride) * self.dilation


class Reader:
    """Reads convolutions from a checkpoint's tensors by upstream's names."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def conv(self, name: str, snake: str | None = None, stride: int = 1, dilation: int = 1) -> Convolution:
        """A convolution, after the Snake called `snake`."""
        weight, bias = self._tensors[name + ".weight"], self._tensors[name + ".bias"]
        return Convolution(weight.mT, bias, self._alpha(snake), stride=stride, dilation=dilation)

    def transposed(self, name: str, snake: str, stride: int) -> Convolution:
        """A transposed convolution, which makes `stride` rows of each, after the Snake called `snake`."""
        weight, bias = self._tensors[name + ".weight"], self._tensors[name + ".bias"]
        return Convolution(fold_transposed(weight, stride), bias.repeat(stride), self._alpha(snake), repeat=stride)

    def residual_units(self, prefix: str, first: int) -> list[Convolution]:
        """The three residual units of a block, numbered from `first`: x + conv1(snake(conv7(snake(x)))), the wide
        convolution dilated (upstream's ResidualUnit)."""
        found = []
        for i, dilation in enumerate((1, 3, 9)):
            unit = f"{prefix}{first + i}.block."
            wide = self.conv(unit + "1.conv", unit + "0", dilation=dilation)
            found += [replace(wide, after=self._alpha(unit + "2")), replace(self.conv(unit + "3.conv"), residual=True)]
        return found

    def _alpha(self, name: str | None) -> Tensor | None:
        return None if name is None else self._tensors[name + ".alpha"].flatten()


def fold_transposed(weight: Tensor, stride: int) -> Tensor:
    """A transposed convolution as an ordinary one: (in, out, s * taps) -> (s * out, taps, in).

    Sample t * s + j of the output is the sum over taps i of x[t - i] @ weight[:, :, i * s + j]: a causal convolution
    whose result (batch, n, s * out) is viewed as (batch, s * n, out).
    """
    channels, out, kernel = weight.shape
    taps = kernel // stride
    weight = weight.reshape(channels, out, taps, stride).flip(2)  # the oldest input meets the last tap
    return weight.permute(3, 1, 2, 0).reshape(stride * out, taps, channels)


class TorchConvolutions:
    """Convolutions one after the other, in torch."""

    def __init__(
        self, convolutions: list[Convolution], contexts: Contexts, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._layers = [_Layer(convolution, contexts, device, dtype) for convolution in convolutions]

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        """(batch, n, in) -> (batch, m, out)."""
        ready = None
        for layer in self._layers:
            y = layer(x if ready is None else ready, x, step)
            ready, x = (y, x) if layer.after else (None, y)
        return x


class _Layer:
    def __init__(self, convolution: Convolution, contexts: Contexts, device: torch.device, dtype: torch.dtype) -> None:
        c, computed = convolution, torch.float32 if convolution.exact else dtype
        out, segments, channels = c.weight.shape
        self._stride, self._repeat = c.stride, c.repeat
        self._before = None if c.before is None else Snake(c.before, device, dtype)
        self.after = None if c.after is None else Snake(c.after, device, dtype)
        self._read = computed if c.before is None else dtype
        self._mix = Linear(c.weight[:, 0], c.bias, device, computed) if c.residual else None
        if not c.residual:
            taps = c.weight.reshape(out, segments // c.stride, c.stride * channels).mT
            self._conv = Conv(taps, c.bias, device, computed, c.dilation)
            self._tail = contexts.reserve(c.context, channels, self._read)

    def __call__(self, x: Tensor, residual: Tensor, step: Step) -> Tensor:
        if self._mix:
            return self._mix.add(x, residual)
        x = x.to(self._read)
        if self._before:
            buffer, body = step.open(self._tail, x.shape[1])
            self._before(x, out=body)
            step.keep(self._tail, buffer)
        else:
            buffer = step.prepend(self._tail, x)
        y = regroup(self._conv(regroup(buffer, self._stride)), 1, self._repeat)
        return self.after(y, out=y) if self.after else y
