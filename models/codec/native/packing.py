"""The codec's convolutions as its kernels read them: weights in their order, vectors padded."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from itertools import accumulate
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from models.codec.convolutions import Convolution
from models.codec.native import winograd
from models.codec.ops import inverse_alpha
from models.runtime.memory import lazy_zeros

_AMX_PANEL, _AMX_INPUTS = 32, 32  # kPanel and kInputs of products_amx.h
_LANES = 16  # kLanes of simd.h
_GROUP, _LARGEST = 256, 8191  # kChannels and kLargest of microkernels_avx2.h


class Layer(ctypes.Structure):
    """`Convolution` of convolution.h."""

    _fields_ = [
        *((name, c_void_p) for name in ("weight", "bias", "scale", "input_transform", "output_transform")),
        *((name, c_void_p) for name in ("before", "before_inverse", "after", "after_inverse")),
        *((name, c_int64) for name in ("inputs", "channels", "results", "outputs", "segments", "stride", "dilation")),
        *((name, c_int64) for name in ("context", "repeat", "residual", "exact", "unit")),
    ]


class Packer:
    """Describes convolutions to the kernels, and keeps what the descriptions point to."""

    def __init__(self, convolutions: Sequence[Convolution], exact: bool, amx: bool, per_frame: int = 1) -> None:
        """`exact` packs all of them as exact ones, `amx` for the kernels on matrix tiles. Rows come in multiples of
        `per_frame`."""
        self._amx = amx
        self._panel = _AMX_PANEL if amx else _LANES  # channels are padded to a multiple of it
        # How many rows of a frame each of them reads.
        units = list(accumulate(convolutions[:-1], lambda rows, c: rows // c.stride * c.repeat, initial=per_frame))
        minimal = [not amx and _worth_winograd(c, unit) for c, unit in zip(convolutions, units, strict=True)]
        precise = [c.exact or exact or is_minimal for c, is_minimal in zip(convolutions, minimal, strict=True)]
        self._weights = lazy_zeros(sum(map(self._bytes, convolutions, precise, minimal)))
        self._used = 0
        self._vectors: list[Tensor] = []
        transforms = (winograd.input_transform, winograd.output_transform)
        self._matrices = [transform().float() for transform in transforms] if any(minimal) else []
        self.layers = (Layer * len(convolutions))(*map(self._describe, convolutions, precise, minimal, units))

    def _bytes(self, c: Convolution, exact: bool, minimal: bool) -> int:
        out, segments, channels = c.weight.shape
        segments = len(winograd.weight_transform()) if minimal else segments
        return (4 if exact else 2) * segments * prod(size + -size % self._panel for size in (out, channels))

    def _describe(self, c: Convolution, exact: bool, minimal: bool, unit: int) -> Layer:
        out, segments, channels = c.weight.shape
        weight = F.pad(c.weight.float(), (0, -channels % self._panel, 0, 0, 0, -out % self._panel))
        if minimal:
            weight = torch.einsum("ps,osc->opc", winograd.weight_transform(), weight.double()).float()
        ordered, scale = (_for_amx(weight, exact), None) if self._amx else _for_avx2(weight, exact)
        return Layer(
            self._keep(ordered),
            self._vector(c.bias),
            None if scale is None else self._vector(scale),
            *([matrix.data_ptr() for matrix in self._matrices] if minimal else [None, None]),
            *self._snake(c.before),
            *self._snake(c.after),
            inputs=channels,
            channels=weight.shape[2],
            results=out,
            outputs=len(weight),
            segments=segments,
            stride=c.stride,
            dilation=c.dilation,
            context=c.context,
            repeat=c.repeat,
            residual=c.residual,
            exact=exact,
            unit=unit,
        )

    def _keep(self, ordered: Tensor) -> int:
        """The address of a copy among the weights."""
        place = self._weights[self._used : self._used + ordered.nbytes].view(ordered.dtype)
        place.view(ordered.shape).copy_(ordered)
        self._used += ordered.nbytes
        return place.data_ptr()

    def _snake(self, alpha: Tensor | None) -> tuple[int | None, int | None]:
        return (None, None) if alpha is None else (self._vector(alpha), self._vector(inverse_alpha(alpha)))

    def _vector(self, values: Tensor) -> int:
        """The address of fp32 values, padded with zeros."""
        padded = F.pad(values.float(), (0, -len(values) % self._panel)).clone()
        self._vectors.append(padded)
        return padded.data_ptr()


def _worth_winograd(c: Convolution, unit: int) -> bool:
    """Whether Winograd's minimal filtering saves time, for the memory that its weights take: in a residual unit's wide
    convolution, which has few weights for its rows. With few channels, more time would go into the transforms than into
    products."""
    out, segments, channels = c.weight.shape
    fits = segments == winograd.TAPS and c.stride == 1 and unit >= winograd.RESULTS * c.dilation
    return fits and c.after is not None and min(out, channels) >= 64


def _for_amx(weight: Tensor, exact: bool) -> Tensor:
    """(out, segments, in) as products_amx.h says; a second plane holds the rounding errors of the first."""
    upper = weight.bfloat16()
    parts = torch.stack([upper, (weight - upper.float()).bfloat16()][: 2 if exact else 1])
    _, segments, channels = weight.shape
    parts = parts.view(len(parts), -1, 2, _LANES, segments, channels // _AMX_INPUTS, _LANES, 2)
    return parts.permute(1, 4, 5, 0, 2, 6, 3, 7)


def _for_avx2(weight: Tensor, exact: bool) -> tuple[Tensor, Tensor | None]:
    """(out, segments, in) as microkernels_avx2.h says, and in int16 the scale of each output."""
    panels = weight.unflatten(0, (-1, _LANES))
    if exact:
        return panels.permute(0, 2, 3, 1), None
    # The sum of a group is at most the sum of its weights' absolute values, times the largest value of a row.
    sums = torch.stack([group.abs().sum(dim=2) for group in weight.split(_GROUP, dim=2)]).amax(dim=(0, 2))
    scale = (weight.abs().amax(dim=(1, 2)) / 32767).maximum(sums * _LARGEST / (2**31 - 2**22)).clamp_min(1e-30)
    whole = (panels / scale.view(-1, _LANES, 1, 1)).round().to(torch.int16)
    return whole.unflatten(3, (-1, 2)).permute(0, 2, 3, 1, 4), scale
