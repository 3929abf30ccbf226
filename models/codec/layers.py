"""The codec's layers over (batch, time, channels), made from a checkpoint: convolutions, resampling, ConvNeXt."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint.configs import TransformerConfig
from models.codec.convolutions import Convolution, Reader, TorchConvolutions, fold_transposed
from models.codec.native import kernels
from models.codec.native.kernels import Chain, NativeLinear, Workspace
from models.codec.ops import Activation, Conv, Linear, regroup
from models.codec.state import Contexts, Step
from models.codec.transformer import WindowTransformer
from models.runtime.precision import DTYPES, KERNELS_ONLY

# At S1-mini's widths this makes tensors of about 3 MB in bf16, 6 MB in a chain; with 32 frames at once a decoder held
# 0.1 to 0.2 GB more and was no faster.
_FRAMES_AT_ONCE = 8

logger = logging.getLogger(__name__)

Layer = Callable[[Tensor, Step], Tensor]


class Builder:
    """Makes layers of a network from its checkpoint tensors (upstream's names, weight norm folded, fp32)."""

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device, precision: str) -> None:
        """`precision` is one of `DTYPES`. A CPU runs it on the native kernels where it has some for that precision."""
        self.tensors, self.device, self._precision = tensors, device, precision
        self.dtype = DTYPES[precision]
        self.contexts = Contexts(device, self.dtype)
        self.read = Reader(tensors)

    def convolutions(self, convolutions: list[Convolution], per_frame: int) -> Layer:
        """Convolutions one after the other. Rows come in multiples of `per_frame`."""
        if self._workspace:
            return Chain(convolutions, self.contexts, self._precision, self._workspace, per_frame)
        return TorchConvolutions(convolutions, self.contexts, self.device, self.dtype)

    def linear(
        self, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none"
    ) -> Linear | NativeLinear:
        """A linear layer; weight (out, in), bias (out,)."""
        if self._workspace:
            return NativeLinear(weight, bias, self._precision, activation, self._workspace)
        return Linear(weight, bias, self.device, self.dtype, activation)

    def transformer(self, prefix: str, config: TransformerConfig, per_frame: int = 1) -> WindowTransformer:
        """A transformer, of which `per_frame` positions make one frame."""
        return WindowTransformer(
            self.tensors, prefix, config, self.contexts, self.linear, self.device, self.dtype, per_frame
        )

    def downsample(self, prefix: str, factor: int) -> list[Layer]:
        """Layers that make one row of `factor`."""
        linear = self.linear(self.read.conv(prefix + "0.conv").weight.flatten(1), self.tensors[prefix + "0.conv.bias"])
        return [lambda x, step: linear(regroup(x, factor)), ConvNeXt(self, prefix + "1.")]

    def upsample(self, prefix: str, factor: int) -> list[Layer]:
        """Layers that make `factor` rows of one."""
        weight = fold_transposed(self.tensors[prefix + "0.conv.weight"], factor)[:, 0]
        linear = self.linear(weight, self.tensors[prefix + "0.conv.bias"].repeat(factor))
        return [lambda x, step: regroup(linear(x), 1, factor), ConvNeXt(self, prefix + "1.")]

    @functools.cached_property
    def _workspace(self) -> Workspace | None:
        if self.device.type == "cpu" and self._precision in kernels.precisions():
            return Workspace(torch.get_num_threads())
        if self._precision in KERNELS_ONLY:
            logger.warning("the codec runs in fp32 on torch, slower: there are no kernels for %s here", self._precision)
        return None


class ConvNeXt:
    """Depthwise causal convolution, layer norm, GELU bottleneck, residual (upstream's ConvNeXtBlock)."""

    def __init__(self, builder: Builder, prefix: str) -> None:
        tensors = builder.tensors
        channels = tensors[prefix + "norm.weight"].shape[0]
        weight, bias = tensors[prefix + "dwconv.conv.weight"], tensors[prefix + "dwconv.conv.bias"]
        self._depthwise = Conv(weight, bias, builder.device, builder.dtype, groups=channels)
        self._tail = builder.contexts.reserve(self._depthwise.context, channels)
        # The norm's affine part and the layer scale are folded into the two linear layers.
        scale, shift = tensors[prefix + "norm.weight"], tensors[prefix + "norm.bias"]
        weight, bias = tensors[prefix + "pwconv1.weight"], tensors[prefix + "pwconv1.bias"]
        self._widen = builder.linear(weight * scale, bias + weight @ shift, activation="gelu")
        gamma = tensors[prefix + "gamma"]
        weight, bias = tensors[prefix + "pwconv2.weight"], tensors[prefix + "pwconv2.bias"]
        self._narrow = builder.linear(weight * gamma[:, None], bias * gamma)

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        """(batch, n, channels) -> the same."""
        y = self._depthwise(step.prepend(self._tail, x))
        y = F.layer_norm(y, y.shape[-1:], eps=1e-6)
        return self._narrow.add(self._widen(y), x)


class InPieces:
    """Layers run over a few frames of one stream at a time, which is exact because they are causal.

    This bounds the memory of a long block or a wide batch, and keeps tensors below the 32 MB beyond which glibc takes
    fresh pages from the kernel at every operation (a fifth of the time of four streams' blocks). Streams do not share
    a piece: oneDNN keeps kernels for every shape that it meets, 10 to 50 MB for each of S1-mini's, and this way there
    are no more shapes than lengths of a piece. A GPU runs everything at once.
    """

    def __init__(self, layers: list[Layer], rows_per_frame: int, device: torch.device) -> None:
        self._layers = layers
        self._rows_per_frame = rows_per_frame
        self._whole = device.type != "cpu"

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        """As the layers, one after the other."""
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
