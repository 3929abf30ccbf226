"""Streaming state: the rows that each causal layer must remember, and one forward step over some of the streams.

A causal layer that looks back `length` rows gets them prepended to what is new, and keeps the last ones for next time:

      tail (length)        new (n)
    [ . . . . . . . | x x x x x x x ]     buffer = step.prepend(index, new)
                [ . . . . . . . ]         becomes the tail of the next step

A fresh tail is zero, which is upstream's left padding. All tails are allocated once, so a stream of any length costs
the same memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


class Contexts:
    """Collects, while a network is built, how much each of its layers looks back."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._shapes: list[tuple[int, int, torch.dtype]] = []

    def reserve(self, length: int, channels: int, dtype: torch.dtype | None = None) -> int:
        """Reserve room for `length` rows of `channels`; returns the index that the layer passes to `Step`."""
        self._shapes.append((length, channels, dtype or self._dtype))
        return len(self._shapes) - 1

    def allocate(self, streams: int) -> list[Tensor]:
        """Zero tails for `streams` streams, one (streams, length, channels) tensor per layer."""
        return [
            torch.zeros(streams, length, channels, dtype=dtype, device=self._device)
            for length, channels, dtype in self._shapes
        ]


@dataclass(frozen=True, slots=True)
class Step:
    """One forward call: which rows of the tails it continues, and at which frame each of those streams stands.

    `rows` is a slice or an int64 tensor of stream numbers; `positions` is int64 (batch,), frames already seen. Streams
    of different `lengths`, int64 (batch,), are padded to `frames`: a stream forgets the rows after its length.
    """

    tails: list[Tensor]
    rows: slice | Tensor
    positions: Tensor
    lengths: Tensor | None = None
    frames: int = 0

    def streams(self) -> list[Step]:
        """A step for each stream alone."""
        rows = range(*self.rows.indices(len(self.tails[0]))) if isinstance(self.rows, slice) else self.rows.tolist()
        return [
            replace(self, rows=slice(row, row + 1), positions=self.positions[i : i + 1]) for i, row in enumerate(rows)
        ]

    def open(self, index: int, length: int) -> tuple[Tensor, Tensor]:
        """A buffer (batch, tail + length, channels) that starts with the tail, and its part to be written."""
        old = self.tails[index][self.rows]
        batch, kept, channels = old.shape
        buffer = old.new_empty(batch, kept + length, channels)
        buffer[:, :kept] = old
        return buffer, buffer[:, kept:]

    def keep(self, index: int, buffer: Tensor) -> None:
        """Remember the last rows of a filled buffer."""
        tail = self.tails[index]
        kept = tail.shape[1]
        if self.lengths is None:
            tail[self.rows] = buffer[:, buffer.shape[1] - kept :]
            return
        rate = (buffer.shape[1] - kept) // self.frames  # rows of a frame
        last = self.lengths[:, None] * rate + torch.arange(kept, device=buffer.device)
        tail[self.rows] = buffer[torch.arange(len(buffer), device=buffer.device)[:, None], last]

    def prepend(self, index: int, new: Tensor) -> Tensor:
        """The tail followed by `new` (batch, n, channels); its last rows are remembered."""
        buffer, body = self.open(index, new.shape[1])
        body.copy_(new)
        self.keep(index, buffer)
        return buffer
