"""Linear layers behind one interface: call it with (..., in) activations, get (..., out)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Linear = Callable[[Tensor], Tensor]
Quantization = Literal["none", "int8"]


def make_linear(weight: Tensor, bias: Tensor | None, quantization: Quantization, like: Tensor) -> Linear:
    """A linear layer of `weight` (out, in), for activations of the dtype and device of `like`.

    "int8" is oneDNN's dynamic quantisation (VNNI where the CPU has it): weights per output row, activations per call.
    """
    if quantization == "int8":
        return _Int8Linear(weight, bias)
    weight = weight.to(like)
    bias = bias.to(like) if bias is not None else None
    return lambda x: F.linear(x, weight, bias)


class _Int8Linear:
    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        weight = weight.float()
        # Symmetric per row: oneDNN keeps no zero points for weights.
        scale = weight.abs().amax(dim=1).clamp(min=1e-8) / 127
        quantized = torch.quantize_per_channel(weight, scale, torch.zeros_like(scale, dtype=torch.int32), 0, torch.qint8)
        self._packed = torch.ops.quantized.linear_prepack(quantized, bias.float() if bias is not None else None)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.quantized.linear_dynamic(x, self._packed, False)
