"""Weights in the kernels' own layout and memory: int8 panels, padded vectors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.memory import lazy_zeros, page_out
from models.text_to_semantic.native import abi

PANEL, GROUP, LANES = 32, 64, 16  # kPanel, kGroup, kLanes of the kernels
MAX_HEAD_DIM = 256  # kMaxHeadDim: their buffers hold no wider head
BLOCK = GROUP * PANEL + 2 * PANEL  # kBlock, in bytes


def padded(size: int, to: int) -> int:
    return -(-size // to) * to


def quantize(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Groups (..., GROUP) of weights that share a scale -> int8 (..., GROUP), bf16 scales (...)."""
    scale = (groups.abs().amax(dim=-1) / 127).bfloat16()
    whole = (groups / scale.float().clamp(min=1e-30)[..., None]).round_().clamp_(-127, 127).to(torch.int8)
    return whole, scale


class Packer:
    """Packs tensors one after the other into one region, which must outlive the structures it returns."""

    def __init__(self, size: int) -> None:
        """`size` in bytes may be generous: what is not used takes no memory."""
        self._memory = lazy_zeros(size)
        self._used = 0

    def linear(self, weight: Tensor, bias: Tensor | None = None) -> abi.Linear:
        """A layer of `weight` (out, in): int8, a scale for every 64 inputs of an output, laid out as in linear.h."""
        outputs, inputs = (padded(size, to) for size, to in zip(weight.shape, (PANEL, GROUP), strict=True))
        wide = F.pad(weight.float(), (0, inputs - weight.shape[1], 0, outputs - weight.shape[0]))
        page_out(weight)
        whole, scale = quantize(wide.view(outputs // PANEL, PANEL, inputs // GROUP, GROUP))
        blocks = self._take(outputs // PANEL * inputs // GROUP * BLOCK).view(torch.int16)
        blocks = blocks.view(outputs // PANEL, inputs // GROUP, BLOCK // 2)
        pairs = whole.view(torch.int16).permute(0, 2, 3, 1)  # [panel][group][pair of inputs][output]
        blocks[..., : PANEL * GROUP // 2].view(pairs.shape).copy_(pairs)
        blocks[..., PANEL * GROUP // 2 :].copy_(scale.view(torch.int16).transpose(1, 2))
        pointer = None if bias is None else self.vector(bias, PANEL)
        return abi.Linear(blocks.data_ptr(), pointer, inputs, outputs)

    def gated(self, w1: Tensor, w3: Tensor) -> abi.Linear:
        """w1 and w3 (hidden, in) as one layer: each panel holds 16 rows of w1, then the same 16 of w3."""
        halves = [F.pad(w, (0, 0, 0, padded(len(w), LANES) - len(w))).view(-1, LANES, w.shape[1]) for w in (w1, w3)]
        together = torch.stack(halves, dim=1).flatten(0, 2)
        page_out(w1)
        page_out(w3)
        return self.linear(together)

    def vector(self, values: Tensor, to: int = LANES) -> int:
        """The address of fp32 values, padded with zeros to a multiple of `to`."""
        place = self._take(4 * padded(values.numel(), to)).view(torch.float32)
        place[: values.numel()] = values.flatten()
        return place.data_ptr()

    def _take(self, size: int) -> Tensor:
        start, self._used = self._used, self._used + padded(size, 64)
        return self._memory[start : start + size]


def table(rows: Tensor) -> tuple[abi.Table, Tensor]:
    """An embedding read where it lies, and the tensor that must outlive the structure."""
    rows = (rows if rows.dtype in (torch.bfloat16, torch.float32) else rows.float()).contiguous()
    return abi.Table(rows.data_ptr(), *rows.shape, rows.dtype == torch.bfloat16), rows
