"""Linear layers, convolutions and Snake over (batch, time, channels), in torch.

On a CPU with oneDNN, linear weights are packed once: torch's own `linear` repacks bf16 weights at every call and sends
fp32 to MKL, which is 2 to 5 times slower at the few rows of a streamed block. A convolution of heavy weights and few
rows is unfolded into such a linear layer; one of light weights and many rows is fastest as oneDNN's channels-last
convolution. (Packed *convolution* weights are a trap: another length may want another blocking, and then every call
spends up to 90 ms on reordering them.)

oneDNN makes and keeps kernels for every number of rows that it meets: 11 MB and a tenth of a second of some request,
for each of S1-mini's blocks and batches. So rows are padded to a few counts.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Activation = Literal["none", "gelu", "swish"]
_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {"none": lambda x: x, "gelu": F.gelu, "swish": F.silu}
# A convolution of more weights than this is unfolded: repacking them at every call would cost more.
_HEAVY = 1_500_000


def packs_weights(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN has kernels for this precision here."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Linear:
    """x (..., in) -> activation(x @ weight.T + bias) (..., out). `weight` is (out, in)."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        device: torch.device,
        dtype: torch.dtype,
        activation: Activation = "none",
    ) -> None:
        self._packed = packs_weights(device, dtype)
        self._activation: Activation = activation
        weight = weight.to(device, dtype).contiguous()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self._packed else weight
        self._bias = bias.to(device, dtype) if bias is not None else None

    def __call__(self, x: Tensor) -> Tensor:
        """x (..., in) -> (..., out)."""
        if self._packed:
            linear = torch.ops.mkldnn._linear_pointwise
            return _in_buckets(lambda x: linear(x, self._weight, self._bias, self._activation, [], "none"), x)
        return _ACTIVATIONS[self._activation](F.linear(x, self._weight, self._bias))

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        """other + self(x), the sum taken before rounding where the kernel can. Only without activation."""
        if self._packed:
            return self._packed_with(x, other, "add")
        return other + F.linear(x, self._weight, self._bias)

    def multiply(self, x: Tensor, other: Tensor) -> Tensor:
        """other * self(x). Only without activation."""
        if self._packed:
            return self._packed_with(x, other, "mul")
        return other * F.linear(x, self._weight, self._bias)

    def _packed_with(self, x: Tensor, other: Tensor, operation: str) -> Tensor:
        linear = torch.ops.mkldnn._linear_pointwise.binary
        return _in_buckets(lambda x, other: linear(x, other, self._weight, self._bias, operation), x, other)


def bucket(rows: int) -> int:
    """The count that `rows` is padded to: multiples of 8 up to 64, then four in every doubling."""
    step = max(8, 1 << max(0, (rows - 1).bit_length() - 3))
    return -(-rows // step) * step


def _in_buckets(kernel: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """`kernel` of inputs (..., channels) that agree in all but the last dimension; it must treat every row alike."""
    shape = inputs[0].shape[:-1]
    rows = prod(shape)
    if missing := bucket(rows) - rows:
        inputs = tuple(F.pad(x.reshape(rows, -1), (0, 0, 0, missing)) for x in inputs)
        return kernel(*inputs)[:rows].view(*shape, -1)
    return kernel(*inputs)


class Conv:
    """A convolution without padding: (batch, (kernel - 1) * dilation + n, in) -> (batch, n, out).

    `weight` is (out, in / groups, kernel), as torch stores it.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        device: torch.device,
        dtype: torch.dtype,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        self.kernel = weight.shape[2]
        self.dilation = dilation
        self.context = (self.kernel - 1) * dilation
        self._dtype = dtype
        self._groups = groups
        self._linear = None
        unfolds = weight.numel() > _HEAVY and packs_weights(device, dtype)
        if groups == 1 and (self.kernel == 1 or unfolds):
            self._linear = Linear(weight.transpose(1, 2).flatten(1), bias, device, dtype)
        else:
            weight = weight.to(device, dtype).unsqueeze(2)
            self._weight = weight.contiguous(memory_format=torch.channels_last)
            self._bias = bias.to(device, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """x (batch, context + n, in) -> (batch, n, out)."""
        x = x.to(self._dtype)
        if self._linear is None:
            x = x.unsqueeze(1).permute(0, 3, 1, 2)  # to torch (batch, in, 1, time), in memory channels-last
            y = F.conv2d(x, self._weight, self._bias, dilation=(1, self.dilation), groups=self._groups)
            return y.permute(0, 2, 3, 1).squeeze(1).contiguous()  # not every device returns channels-last
        if self.kernel == 1:
            return self._linear(x)
        batch, length, channels = x.shape
        shape = (batch, length - self.context, self.kernel, channels)
        windows = x.as_strided(shape, (x.stride(0), x.stride(1), self.dilation * x.stride(1), 1))
        return self._linear(windows.flatten(2))


class Snake:
    """x + sin(alpha x)^2 / alpha (BigVGAN; upstream's `snake`, with its 1e-9). `alpha` is (channels,)."""

    def __init__(self, alpha: Tensor, device: torch.device, dtype: torch.dtype) -> None:
        self._alpha = alpha.to(device, dtype)
        self._inverse = inverse_alpha(alpha).to(device, dtype)

    def __call__(self, x: Tensor, out: Tensor) -> Tensor:
        """The Snake of x (..., channels), written into `out`, which may be `x`."""
        wave = torch.mul(x, self._alpha).sin_()
        return torch.addcmul(x, wave.mul_(wave), self._inverse, out=out)


def inverse_alpha(alpha: Tensor) -> Tensor:
    """The factor of a Snake's squared sine."""
    return (alpha + 1e-9).reciprocal()


def regroup(x: Tensor, rows_in: int, rows_out: int = 1) -> Tensor:
    """(batch, n, channels) with every `rows_in` rows seen as one, or one row as `rows_out`; nothing is copied."""
    batch, n, channels = x.shape
    return x.view(batch, n // rows_in * rows_out, channels * rows_in // rows_out)
