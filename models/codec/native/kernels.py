"""The codec's convolutions and linear layers on the native kernels."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import weakref
from collections.abc import Container, Sequence
from ctypes import POINTER, c_int64, c_void_p
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from models.codec.convolutions import Convolution
from models.codec.native.packing import Layer, Packer
from models.codec.ops import Activation
from models.codec.state import Contexts, Step
from models.native.build import CannotBuild, Signatures, declare, load
from models.runtime.precision import BY_AMX, BY_AVX2, DTYPES

logger = logging.getLogger(__name__)

_AMX = 1  # what shoal_convolutions returns on a CPU with matrix tiles; with AVX2 alone, 2
_STORE, _ADD, _MULTIPLY, _SILU = range(4)  # Ending of convolutions.cpp


def suitable(flags: Container[str]) -> tuple[str, ...]:
    """The precisions that there are kernels for on a CPU with these flags of /proc/cpuinfo, the fast and the exact one.

    With AVX-512 and no AMX, torch's own are as fast.
    """
    if "amx_bf16" in flags:
        return BY_AMX
    return BY_AVX2 if "avx2" in flags and "avx512f" not in flags else ()


@functools.cache
def library() -> ctypes.CDLL | None:
    """The kernels, where there are some for this machine, and they can be compiled and used."""
    with contextlib.suppress(OSError):  # looked up first: else all kernels would be compiled to find that none fits
        if not suitable(Path("/proc/cpuinfo").read_text().split()):
            return None
    try:
        library = load()
    except CannotBuild as error:
        logger.warning("the codec runs on torch, slower than on the native kernels: %s", error)
        return None
    if not library.shoal_convolutions():
        return None
    signatures: Signatures = {
        "convolutions": (c_int64, []),
        "width": (c_int64, [POINTER(Layer)]),
        "workspace": (c_void_p, [c_int64]),
        "drop_workspace": (None, [c_void_p]),
        "chain": (c_void_p, [c_void_p, POINTER(Layer), c_int64]),
        "drop_chain": (None, [c_void_p]),
        "linear": (None, [c_void_p, POINTER(Layer), c_void_p, c_int64, c_int64, c_void_p, c_void_p]),
        "run_chain": (None, [c_void_p, c_void_p, c_int64, POINTER(c_void_p), c_void_p]),
    }
    return declare(library, signatures)


def kernels() -> ctypes.CDLL:
    """The kernels, where `precisions` says that there are some."""
    found = library()
    assert found is not None
    return found


def precisions() -> tuple[str, ...]:
    """The precisions that the kernels of this machine compute in, the fast and the exact one; none without kernels."""
    if library() is None:
        return ()
    return BY_AMX if _amx() else BY_AVX2


def _amx() -> bool:
    return bool(kernels().shoal_convolutions() == _AMX)


class Workspace:
    """Threads and memory for chains that never run at the same time."""

    def __init__(self, threads: int) -> None:
        self.pointer = c_void_p(kernels().shoal_workspace(threads))
        # Not at the interpreter's exit: a chain may still run then, and its memory must stay.
        weakref.finalize(self, kernels().shoal_drop_workspace, self.pointer).atexit = False


class Chain:
    """Convolutions one after the other: (batch, n, in) -> (batch, m, out) in the precision's dtype, fp32 where the last
    one is exact. Activations between them are fp32."""

    def __init__(
        self,
        convolutions: Sequence[Convolution],
        contexts: Contexts,
        precision: str,
        workspace: Workspace,
        per_frame: int,
    ) -> None:
        """`precision` is one of `precisions()`; in int16 some wide convolutions are in fp32, by Winograd's method. Rows
        come in multiples of `per_frame`, else a call raises ValueError."""
        self._workspace, self._per_frame = workspace, per_frame
        self._dtype = torch.float32 if convolutions[-1].exact else DTYPES[precision]
        self._packed = Packer(convolutions, precision == precisions()[1], _amx(), per_frame)
        self._steps = [(c.stride, c.repeat) for c in convolutions]
        self._results = len(convolutions[-1].weight) // convolutions[-1].repeat
        layers = self._packed.layers
        self._tails = [contexts.reserve(c.context, kernels().shoal_width(c), torch.int16) for c in layers]
        self._chain = c_void_p(kernels().shoal_chain(workspace.pointer, layers, len(layers)))
        weakref.finalize(self, kernels().shoal_drop_chain, self._chain).atexit = False

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        """(batch, n, in) -> (batch, m, out)."""
        x = x.float().contiguous()
        rows = x.shape[1]
        if rows % self._per_frame:
            raise ValueError(f"{rows} rows are not whole frames of {self._per_frame}")
        for stride, repeat in self._steps:
            rows = rows // stride * repeat
        out = torch.empty(len(x), rows, self._results)
        for i, alone in enumerate(step.streams()):
            tails = (c_void_p * len(self._tails))(*(alone.tails[tail][alone.rows].data_ptr() for tail in self._tails))
            kernels().shoal_run_chain(self._chain, x[i].data_ptr(), x.shape[1], tails, out[i].data_ptr())
        return out.to(self._dtype)


class NativeLinear:
    """`ops.Linear` on the native kernels."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, precision: str, activation: Activation, workspace: Workspace
    ) -> None:
        """`precision` is one of `precisions()`."""
        self._workspace, self._dtype = workspace, DTYPES[precision]
        bias = weight.new_zeros(len(weight)) if bias is None else bias
        self._packed = Packer([Convolution(weight[:, None], bias)], precision == precisions()[1], _amx())
        self._results = len(weight)
        self._gelu = activation == "gelu"
        self._ending = _SILU if activation == "swish" else _STORE

    def __call__(self, x: Tensor) -> Tensor:
        """x (..., in) -> activation(x @ weight.T + bias) (..., out)."""
        y = self._run(x, self._ending)
        return F.gelu(y) if self._gelu else y

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        """other + self(x), where there is no activation."""
        return self._run(x, _ADD, other)

    def multiply(self, x: Tensor, other: Tensor) -> Tensor:
        """other * self(x), where there is no activation."""
        return self._run(x, _MULTIPLY, other)

    def _run(self, x: Tensor, ending: int, other: Tensor | None = None) -> Tensor:
        x = x.float().contiguous()
        out = torch.empty(*x.shape[:-1], self._results)
        other = None if other is None else other.float().contiguous()
        address = None if other is None else other.data_ptr()
        rows = x.numel() // x.shape[-1]
        arguments = (self._packed.layers, x.data_ptr(), rows, ending, address, out.data_ptr())
        kernels().shoal_linear(self._workspace.pointer, *arguments)
        return out.to(self._dtype)
