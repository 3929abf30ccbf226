"""The codec's causal blocks over (batch, time, channels): residual units, resampling, ConvNeXt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from models.codec.ops import Activation, Conv, Linear, Snake, fold_strided, fold_transposed
from models.codec.state import Contexts, Step
from models.codec.transformer import WindowTransformer
from models.configs import TransformerConfig

# At S1-mini's widths one tensor is then about 3 MB in bf16; with 32 frames at once a decoder held 0.1 to 0.2 GB more
# and was no faster.
_FRAMES_AT_ONCE = 8

Layer = Callable[[Tensor, Step], Tensor]


class Builder:
    """Makes layers of a network from its checkpoint tensors (upstream's names, weight norm folded, fp32)."""

    def __init__(self, tensors: dict[str, Tensor], device: torch.device, dtype: torch.dtype) -> None:
        self.tensors, self.device, self.dtype = tensors, device, dtype
        self.contexts = Contexts(device, dtype)

    def conv(self, name: str, dilation: int = 1, groups: int = 1, dtype: torch.dtype | None = None) -> Conv:
        weight, bias = self.tensors[name + ".weight"], self.tensors[name + ".bias"]
        return Conv(weight, bias, self.device, dtype or self.dtype, dilation, groups)

    def linear(self, weight: Tensor, bias: Tensor, activation: Activation = "none") -> Linear:
        return Linear(weight, bias, self.device, self.dtype, activation)

    def snake(self, name: str) -> Snake:
        return Snake(self.tensors[name + ".alpha"], self.device, self.dtype)

    def snake_conv(self, snake: str, conv: str, dilation: int = 1, dtype: torch.dtype | None = None) -> SnakeConv:
        return SnakeConv(self, self.snake(snake), self.conv(conv, dilation, dtype=dtype))

    def snake_down(self, snake: str, conv: str, stride: int) -> SnakeConv:
        """Snake and a convolution of `stride`: (batch, stride * n, in) -> (batch, n, out)."""
        weight = fold_strided(self.tensors[conv + ".weight"], stride)
        folded = Conv(weight, self.tensors[conv + ".bias"], self.device, self.dtype)
        return SnakeConv(self, self.snake(snake), folded, rows_in=stride)

    def snake_up(self, snake: str, conv: str, stride: int) -> SnakeConv:
        """Snake and a transposed convolution of `stride`: (batch, n, in) -> (batch, stride * n, out)."""
        weight = fold_transposed(self.tensors[conv + ".weight"], stride)
        folded = Conv(weight, self.tensors[conv + ".bias"].repeat(stride), self.device, self.dtype)
        return SnakeConv(self, self.snake(snake), folded, rows_out=stride)

    def residual_units(self, prefix: str, first: int) -> list[Layer]:
        """The three residual units of a block, numbered from `first`."""
        return [ResidualUnit(self, f"{prefix}{first + i}.block.", dilation) for i, dilation in enumerate((1, 3, 9))]

    def transformer(self, prefix: str, config: TransformerConfig, per_frame: int = 1) -> WindowTransformer:
        return WindowTransformer(self.tensors, prefix, config, self.contexts, self.device, self.dtype, per_frame)

    def downsample(self, prefix: str, factor: int) -> list[Layer]:
        weight = fold_strided(self.tensors[prefix + "0.conv.weight"], factor)[:, :, 0]
        linear = self.linear(weight, self.tensors[prefix + "0.conv.bias"])
        return [lambda x, step: linear(_regroup(x, factor)), ConvNeXt(self, prefix + "1.")]

    def upsample(self, prefix: str, factor: int) -> list[Layer]:
        weight = fold_transposed(self.tensors[prefix + "0.conv.weight"], factor)[:, :, 0]
        linear = self.linear(weight, self.tensors[prefix + "0.conv.bias"].repeat(factor))
        return [lambda x, step: _regroup(linear(x), 1, factor), ConvNeXt(self, prefix + "1.")]


class CausalConv:
    """A causal convolution: (batch, n, in) -> (batch, n, out)."""

    def __init__(self, builder: Builder, name: str, dtype: torch.dtype | None = None) -> None:
        self._conv = builder.conv(name, dtype=dtype)
        self._tail = builder.contexts.reserve(self._conv.context, builder.tensors[name + ".weight"].shape[1], dtype)

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        return self._conv(step.prepend(self._tail, x))


class SnakeConv:
    """Snake, then a causal convolution; `rows_in` input rows are seen as one, one output row is given as `rows_out`."""

    def __init__(self, builder: Builder, snake: Snake, conv: Conv, rows_in: int = 1, rows_out: int = 1) -> None:
        self._snake, self._conv = snake, conv
        self._rows_in, self._rows_out = rows_in, rows_out
        self._tail = builder.contexts.reserve(conv.context * rows_in, snake.channels)

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        buffer, body = step.open(self._tail, x.shape[1])
        self._snake(x, out=body)
        step.keep(self._tail, buffer)
        return _regroup(self._conv(_regroup(buffer, self._rows_in)), 1, self._rows_out)


class ResidualUnit:
    """x + conv1(snake(conv7(snake(x)))) with the wide convolution dilated (upstream's ResidualUnit)."""

    def __init__(self, builder: Builder, prefix: str, dilation: int) -> None:
        self._wide = builder.snake_conv(prefix + "0", prefix + "1.conv", dilation)
        self._snake = builder.snake(prefix + "2")
        weight, bias = builder.tensors[prefix + "3.conv.weight"], builder.tensors[prefix + "3.conv.bias"]
        self._mix = builder.linear(weight[:, :, 0], bias)

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        y = self._wide(x, step)
        return self._mix.add(self._snake(y, out=y), x)


class ConvNeXt:
    """Depthwise causal convolution, layer norm, GELU bottleneck, residual (upstream's ConvNeXtBlock)."""

    def __init__(self, builder: Builder, prefix: str) -> None:
        tensors = builder.tensors
        channels = tensors[prefix + "norm.weight"].shape[0]
        self._depthwise = builder.conv(prefix + "dwconv.conv", groups=channels)
        self._tail = builder.contexts.reserve(self._depthwise.context, channels)
        # The norm's affine part and the layer scale are folded into the two linear layers.
        scale, shift = tensors[prefix + "norm.weight"], tensors[prefix + "norm.bias"]
        weight, bias = tensors[prefix + "pwconv1.weight"], tensors[prefix + "pwconv1.bias"]
        self._widen = builder.linear(weight * scale, bias + weight @ shift, activation="gelu")
        gamma = tensors[prefix + "gamma"]
        weight, bias = tensors[prefix + "pwconv2.weight"], tensors[prefix + "pwconv2.bias"]
        self._narrow = builder.linear(weight * gamma[:, None], bias * gamma)

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        y = self._depthwise(step.prepend(self._tail, x))
        y = F.layer_norm(y, y.shape[-1:], eps=1e-6)
        return self._narrow.add(self._widen(y), x)


class InPieces:
    """Layers run over a few frames of one stream at a time, which is exact because they are causal.

    It bounds the memory of a long block or a wide batch, and keeps tensors below the 32 MB beyond which glibc takes
    fresh pages from the kernel at every operation (a fifth of the time of four streams' blocks). Streams do not share
    a piece: oneDNN keeps kernels for every shape that it meets, 10 to 50 MB for each of S1-mini's, and so there are no
    more shapes than lengths of a piece. A GPU runs it whole.
    """

    def __init__(self, layers: list[Layer], rows_per_frame: int, device: torch.device) -> None:
        self._layers = layers
        self._rows_per_frame = rows_per_frame
        self._whole = device.type != "cpu"

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        if self._whole:
            return self._run(x, step)
        frames = x.shape[1] // self._rows_per_frame
        count = -(-frames // _FRAMES_AT_ONCE)
        edges = [i * frames // count for i in range(count + 1)]
        streams = [
            [
                self._run(
                    x[i : i + 1, start * self._rows_per_frame : end * self._rows_per_frame],
                    replace(alone, positions=alone.positions + start),
                )
                for start, end in pairwise(edges)
            ]
            for i, alone in enumerate(step.streams())
        ]
        return torch.cat([torch.cat(pieces, dim=1) for pieces in streams])

    def _run(self, x: Tensor, step: Step) -> Tensor:
        for layer in self._layers:
            x = layer(x, step)
        return x


def _regroup(x: Tensor, rows_in: int, rows_out: int = 1) -> Tensor:
    """(batch, n, channels) seen as `rows_in` rows in one, or one row as `rows_out`; nothing moves."""
    batch, n, channels = x.shape
    return x.view(batch, n // rows_in * rows_out, channels * rows_in // rows_out)
