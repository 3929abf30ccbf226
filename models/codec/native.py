"""The codec's convolutions and linear layers on the native kernels, for CPUs with matrix tiles."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import weakref
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_int64, c_void_p
from math import prod
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from models.codec.convolutions import Convolution
from models.codec.ops import Activation, inverse_alpha
from models.codec.state import Contexts, Step
from models.memory import lazy_zeros
from models.native.build import CannotBuild, declare, load

logger = logging.getLogger(__name__)

_PANEL, _LANES = 32, 16  # kPanel and kInputs, kLanes of the kernels
_STORE, _ADD, _MULTIPLY, _SILU = range(4)  # their Ending


class _Convolution(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("weight", "bias", "before", "before_inverse", "after", "after_inverse")),
        *((name, c_int64) for name in ("inputs", "channels", "results", "outputs", "segments", "stride", "dilation")),
        *((name, c_int64) for name in ("context", "repeat", "residual", "planes")),
    ]


@functools.cache
def library() -> ctypes.CDLL | None:
    """The kernels, where this machine has the tiles that they need, and they can be compiled and used."""
    with contextlib.suppress(OSError):  # or all of them would be compiled to learn as much
        if "amx_bf16" not in Path("/proc/cpuinfo").read_text():
            return None
    try:
        library = load()
    except CannotBuild as error:
        logger.warning("the codec runs on torch, slower than on the native kernels: %s", error)
        return None
    if not library.shoal_tiles():
        return None
    signatures = {
        "workspace": (c_void_p, [c_int64]),
        "drop_workspace": (None, [c_void_p]),
        "chain": (c_void_p, [c_void_p, POINTER(_Convolution), c_int64]),
        "drop_chain": (None, [c_void_p]),
        "linear": (None, [c_void_p, POINTER(_Convolution), c_void_p, c_int64, c_int64, c_void_p, c_void_p]),
        "run_chain": (None, [c_void_p, c_void_p, c_int64, POINTER(c_void_p), c_void_p]),
    }
    return declare(library, signatures)


class Workspace:
    """Threads and memory of chains that never run at the same time."""

    def __init__(self, threads: int) -> None:
        self.pointer = c_void_p(library().shoal_workspace(threads))
        # At the interpreter's exit a chain may still run, and what it reads must stay.
        weakref.finalize(self, library().shoal_drop_workspace, self.pointer).atexit = False


class _Packer:
    """Describes layers to the kernels, and keeps what the descriptions point to."""

    def __init__(self, layers: Sequence[Convolution], dtype: torch.dtype) -> None:
        self._planes = [2 if c.exact or dtype == torch.float32 else 1 for c in layers]
        sizes = [
            n * prod(_padded(size) for size in c.weight[:, 0].shape) * c.weight.shape[1]
            for c, n in zip(layers, self._planes, strict=True)
        ]
        self._weights = lazy_zeros(2 * sum(sizes)).view(torch.bfloat16)
        self._used = 0
        self._vectors: list[Tensor] = []
        self.layers = (_Convolution * len(layers))(*map(self._describe, layers, self._planes))

    def _describe(self, c: Convolution, planes: int) -> _Convolution:
        out, segments, channels = c.weight.shape
        return _Convolution(
            self._pack(c.weight, planes),
            self._vector(c.bias),
            *self._snake(c.before),
            *self._snake(c.after),
            inputs=channels,
            channels=_padded(channels),
            results=out,
            outputs=_padded(out),
            segments=segments,
            stride=c.stride,
            dilation=c.dilation,
            context=c.context,
            repeat=c.repeat,
            residual=c.residual,
            planes=planes,
        )

    def _pack(self, weight: Tensor, planes: int) -> int:
        """The address of (out, segments, in) in the kernels' order; a second plane is what the first rounded off."""
        out, segments, channels = weight.shape
        wide = F.pad(weight.float(), (0, -channels % _PANEL, 0, 0, 0, -out % _PANEL))
        upper = wide.bfloat16()
        parts = torch.stack([upper, (wide - upper.float()).bfloat16()][:planes])
        parts = parts.view(planes, -1, 2, _LANES, segments, _padded(channels) // _PANEL, _LANES, 2)
        ordered = parts.permute(1, 4, 5, 0, 2, 6, 3, 7)
        place = self._weights[self._used : self._used + ordered.numel()]
        place.view(ordered.shape).copy_(ordered)
        self._used += ordered.numel()
        return place.data_ptr()

    def _snake(self, alpha: Tensor | None) -> tuple[int | None, int | None]:
        return (None, None) if alpha is None else (self._vector(alpha), self._vector(inverse_alpha(alpha)))

    def _vector(self, values: Tensor) -> int:
        """The address of fp32 values, padded with zeros."""
        padded = F.pad(values.float(), (0, -len(values) % _PANEL)).clone()
        self._vectors.append(padded)
        return padded.data_ptr()


class Chain:
    """Convolutions one after the other: (batch, n, in) -> (batch, m, out) in `dtype`, fp32 where the last one is exact.

    bf16 is computed as such, fp32 in bf16x3: three products of the upper and lower halves of both sides, added up in
    fp32. Activations between convolutions are fp32 in either.
    """

    def __init__(
        self, convolutions: Sequence[Convolution], contexts: Contexts, dtype: torch.dtype, workspace: Workspace
    ) -> None:
        self._workspace = workspace
        self._dtype = torch.float32 if convolutions[-1].exact else dtype
        self._packed = _Packer(convolutions, dtype)
        self._steps = [(c.stride, c.repeat) for c in convolutions]
        self._results = len(convolutions[-1].weight) // convolutions[-1].repeat
        layers = self._packed.layers
        self._tails = [contexts.reserve(c.context, c.planes * c.channels, torch.bfloat16) for c in layers]
        self._chain = c_void_p(library().shoal_chain(workspace.pointer, layers, len(layers)))
        weakref.finalize(self, library().shoal_drop_chain, self._chain).atexit = False

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        x = x.float().contiguous()
        rows = x.shape[1]
        for stride, repeat in self._steps:
            rows = rows // stride * repeat
        out = torch.empty(len(x), rows, self._results)
        for i, alone in enumerate(step.streams()):
            tails = (c_void_p * len(self._tails))(*(alone.tails[tail][alone.rows].data_ptr() for tail in self._tails))
            library().shoal_run_chain(self._chain, x[i].data_ptr(), x.shape[1], tails, out[i].data_ptr())
        return out.to(self._dtype)


class NativeLinear:
    """`ops.Linear` on the kernels."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, activation: Activation, workspace: Workspace
    ) -> None:
        self._workspace, self._dtype = workspace, dtype
        bias = weight.new_zeros(len(weight)) if bias is None else bias
        self._packed = _Packer([Convolution(weight[:, None], bias)], dtype)
        self._results = len(weight)
        self._gelu = activation == "gelu"
        self._ending = _SILU if activation == "swish" else _STORE

    def __call__(self, x: Tensor) -> Tensor:
        y = self._run(x, self._ending)
        return F.gelu(y) if self._gelu else y

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        return self._run(x, _ADD, other)

    def multiply(self, x: Tensor, other: Tensor) -> Tensor:
        return self._run(x, _MULTIPLY, other)

    def _run(self, x: Tensor, ending: int, other: Tensor | None = None) -> Tensor:
        x = x.float().contiguous()
        out = torch.empty(*x.shape[:-1], self._results)
        other = None if other is None else other.float().contiguous()
        address = None if other is None else other.data_ptr()
        rows = x.numel() // x.shape[-1]
        arguments = (self._packed.layers, x.data_ptr(), rows, ending, address, out.data_ptr())
        library().shoal_linear(self._workspace.pointer, *arguments)
        return out.to(self._dtype)


def _padded(size: int) -> int:
    """Channels as the kernels lay them out: panels of results and inputs of a tile are equally wide."""
    return -(-size // _PANEL) * _PANEL
