"""The torch network of a checkpoint, as the tests and benchmarks want it, and what they compare with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from models.checkpoint.reader import Checkpoint
from models.text_to_semantic.native.packing import GROUP, quantize
from models.text_to_semantic.network.torch_network import TorchNetwork


def network(path: Path, **options: object) -> TorchNetwork:
    checkpoint = Checkpoint(path)
    return TorchNetwork(checkpoint.weights(checkpoint.prompt_encoder().ids), **options)


def rounded(weight: Tensor, bits: int) -> Tensor:
    """A layer's weight (out, in) as the native kernels multiply by it, in fp32."""
    groups = F.pad(weight.float(), (0, -weight.shape[1] % GROUP)).unflatten(1, (-1, GROUP))
    whole, scale = quantize(groups, bits)
    return (whole * scale.float()[..., None]).flatten(1)[:, : weight.shape[1]]


def kept(linear: Callable[[Tensor], Tensor], into: list[Tensor]) -> Callable[[Tensor], Tensor]:
    """The layer, which also puts aside what it returns."""

    def call(x: Tensor) -> Tensor:
        into.append((y := linear(x)).clone())  # the caller may mask it in place
        return y

    return call
