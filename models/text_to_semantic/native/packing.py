"""Weights in the layout and memory of the native kernels: panels in int8 or int4, padded vectors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.runtime.memory import lazy_zeros, page_out
from models.text_to_semantic.native import abi

PANEL, GROUP, LANES = 32, 64, 16  # kPanel, kGroup, kLanes of the kernels
MAX_HEAD_DIM = 256  # kMaxHeadDim: the kernels' buffers hold no wider head
PENALTY_WINDOW = 16  # kWindow
NIBBLE = (4, 12, 0, 8)  # kNibble
PIECE = 4096  # groups quantised at once, as many as the L2 cache holds: S1-mini in int4 takes 6 s, in whole layers 14
TRIED = (0.8, 0.87, 0.93, 1.0)  # fractions of a group's range, tried in int4: more of them gain little


def padded(size: int, to: int) -> int:
    """`size` rounded up to a multiple of `to`."""
    return -(-size // to) * to


def block_bytes(bits: int) -> int:
    """kBlock: the bytes of 64 inputs of 32 outputs, with their scales."""
    return bits * GROUP * PANEL // 8 + 2 * PANEL


def quantize(groups: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Groups (..., GROUP) of fp32 weights that share a scale -> integers of so many bits as int8 (..., GROUP), and bf16
    scales (...)."""
    rows = groups.reshape(-1, groups.shape[-1])
    parts = [(quantize_int4 if bits == 4 else quantize_int8)(part) for part in rows.split(PIECE)]
    whole, scale = (torch.cat(each) for each in zip(*parts, strict=True))
    return whole.view(groups.shape), scale.view(groups.shape[:-1])


def quantize_int4(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Groups (rows, GROUP) -> integers from -8 to 7 and scales (rows,).

    The largest weight of a group becomes -8 (a positive one by a negative scale), or is clipped where that makes the
    squared error smaller; then the scale is fitted to the integers. Normally distributed weights keep an error of 9.1 %
    (unclipped 9.5 %, by the best of thirty scales 9.0 %).
    """
    at = groups.abs().argmax(-1, keepdim=True)
    scale = groups.gather(-1, at) / -8
    scale[scale == 0] = 1
    best, least = groups, groups.new_full(scale.shape, torch.inf)
    for part in TRIED:
        tried = part * scale
        whole = (groups / tried).round_().clamp_(-8, 7)
        error = (whole * tried - groups).square_().sum(-1, keepdim=True)
        best, least = torch.where(error < least, whole, best), torch.minimum(error, least)
    fitting = (best * groups).sum(-1) / best.square().sum(-1).clamp_(min=1)
    return best.to(torch.int8), fitting.bfloat16()


def quantize_int8(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Groups (rows, GROUP) -> integers from -127 to 127, which the largest weight of each becomes, and scales
    (rows,)."""
    scale = (groups.abs().amax(dim=-1) / 127).bfloat16()
    whole = (groups / scale.float().clamp(min=1e-30)[..., None]).round_().clamp_(-127, 127).to(torch.int8)
    return whole, scale


class Packer:
    """Packs tensors one after the other into one region of memory, which must outlive the structures that it
    returns."""

    def __init__(self, size: int) -> None:
        """`size` in bytes may be generous: bytes that are never written take no memory."""
        self._memory = lazy_zeros(size)
        self._used = 0

    def linear(self, weight: Tensor, bias: Tensor | None = None, bits: int = 8) -> abi.Linear:
        """A layer of `weight` (out, in): integers with a scale per 64 inputs of an output, as in linear_weights.h."""
        outputs, inputs = (padded(size, to) for size, to in zip(weight.shape, (PANEL, GROUP), strict=True))
        wide = F.pad(weight.float(), (0, inputs - weight.shape[1], 0, outputs - weight.shape[0]))
        page_out(weight)
        whole, scale = quantize(wide.view(outputs // PANEL, PANEL, inputs // GROUP, GROUP), bits)
        block = block_bytes(bits)
        blocks = self._take(outputs // PANEL * inputs // GROUP * block).view(torch.int16)
        blocks = blocks.view(outputs // PANEL, inputs // GROUP, block // 2)
        if bits == 4:
            eights = whole.unflatten(-1, (GROUP // 8, 4, 2)).to(torch.int16) & 15
            nibbles = sum(eights[..., pair, :] << NIBBLE[pair] for pair in range(4))
            laid = nibbles.permute(0, 2, 3, 1, 4)  # [panel][group][eight inputs][output][2]
        else:
            laid = whole.view(torch.int16).permute(0, 2, 3, 1)  # [panel][group][pair of inputs][output]
        blocks[..., :-PANEL].view(laid.shape).copy_(laid)
        blocks[..., -PANEL:].copy_(scale.view(torch.int16).transpose(1, 2))
        pointer = None if bias is None else self.vector(bias, PANEL)
        return abi.Linear(blocks.data_ptr(), pointer, inputs, outputs, bits)

    def gated(self, w1: Tensor, w3: Tensor, bits: int) -> abi.Linear:
        """w1 and w3 (hidden, in) as one layer: each panel holds 16 rows of w1, then the same 16 of w3."""
        halves = [F.pad(w, (0, 0, 0, padded(len(w), LANES) - len(w))).view(-1, LANES, w.shape[1]) for w in (w1, w3)]
        together = torch.stack(halves, dim=1).flatten(0, 2)
        page_out(w1)
        page_out(w3)
        return self.linear(together, bits=bits)

    def vector(self, values: Tensor, to: int = LANES) -> int:
        """The address of fp32 values, padded with zeros to a multiple of `to`."""
        place = self._take(4 * padded(values.numel(), to)).view(torch.float32)
        place[: values.numel()] = values.flatten()
        return place.data_ptr()

    def _take(self, size: int) -> Tensor:
        start, self._used = self._used, self._used + padded(size, 64)
        return self._memory[start : start + size]


def table(rows: Tensor) -> tuple[abi.Table, Tensor]:
    """A structure for an embedding that is read where it lies, and the tensor that must outlive it."""
    rows = (rows if rows.dtype in (torch.bfloat16, torch.float32) else rows.float()).contiguous()
    return abi.Table(rows.data_ptr(), *rows.shape, rows.dtype == torch.bfloat16), rows
