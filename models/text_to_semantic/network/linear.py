"""Linear layers behind one interface: call it with (..., in) activations, get (..., out)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Linear = Callable[[Tensor], Tensor]
Quantization = Literal["none", "int8", "int4"]


@dataclass(frozen=True, slots=True, eq=False)
class PlainLinear:
    """A linear layer by torch's own product; an int8 `weight` comes with the `scale` of its rows."""

    weight: Tensor
    scale: Tensor | None
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        """x (..., in) -> (..., out)."""
        if self.scale is None:
            return F.linear(x, self.weight, self.bias)
        y = F.linear(x, self.weight.to(x.dtype)) * self.scale
        return y if self.bias is None else y + self.bias


def make_linear(weight: Tensor, bias: Tensor | None, quantization: Quantization, like: Tensor) -> Linear:
    """A linear layer of `weight` (out, in), for activations of the dtype and device of `like`.

    "int8" keeps weights as integers with a scale per output row. On a CPU oneDNN multiplies integers (VNNI where there
    is one), activations quantised per call; elsewhere the weights are widened at each use, which saves memory only.
    Raises ValueError for "int4", which only the native kernels have.
    """
    if quantization == "int4":
        raise ValueError("int4 is for the native kernels on a CPU: choose int8 or none")
    if quantization == "int8":
        quantized, scale = _quantize(weight)
        if like.device.type == "cpu":
            return _Int8Linear(quantized, scale, bias)
        return PlainLinear(quantized.to(like.device), scale.to(like), bias.to(like) if bias is not None else None)
    return PlainLinear(weight.to(like), None, bias.to(like) if bias is not None else None)


def _quantize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(int8 weights, fp32 scale per row), symmetric: oneDNN keeps no zero points for weights."""
    weight = weight.float()
    scale = weight.abs().amax(dim=1).clamp(min=1e-8) / 127
    return (weight / scale[:, None]).round().to(torch.int8), scale


class _Int8Linear:
    """A linear layer in oneDNN's integers.

    oneDNN quantises all activations of a call together, so a row's result would depend on its neighbours. Every row is
    scaled to [-1, 1] first, and one more row spans exactly that: then each row is quantised by its own range alone, and
    as integers add up exactly, a stream draws the same codes alone and in a batch.
    """

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        packed = torch._make_per_channel_quantized_tensor(weight, scale, torch.zeros(len(scale), dtype=torch.int32), 0)
        self._packed = torch.ops.quantized.linear_prepack(packed, None)
        self._bias = bias.float() if bias is not None else None
        self._range = torch.zeros(1, weight.shape[1])
        self._range[0, 0], self._range[0, -1] = -1.0, 1.0
        # Without VNNI, 8-bit products could overflow the 16-bit sums of AVX2.
        self._reduce_range = not torch.cpu._is_vnni_supported()

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        largest = rows.abs().amax(-1, keepdim=True).clamp_(min=1e-8)
        rows = torch.cat([rows / largest, self._range])
        y: Tensor = torch.ops.quantized.linear_dynamic(rows, self._packed, self._reduce_range)[:-1].mul_(largest)
        if self._bias is not None:
            y += self._bias
        return y.reshape(*x.shape[:-1], -1)
