"""CUDA graphs of the work for a stream: the host launches a frame or a prompt with one call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from models.runtime.buckets import at_least, doublings

if TYPE_CHECKING:
    from torch.cuda.graphs import _POOL_HANDLE as PoolHandle  # type: ignore[attr-defined]  # torch exports no name

CONTEXTS = (256, 512, 1024)  # buckets of a prompt's cached positions, beside the one that holds all of a slot
CHUNKS = (64, 128)  # buckets of new positions: a text after a registered voice is short, other prompts come in chunks


class Replay:
    """A function captured once as a CUDA graph that reads `inputs`. A result is valid until the next call."""

    def __init__(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...], pool: PoolHandle) -> None:
        self._inputs = inputs
        self._function = function  # kept, because the graph goes on using its buffers
        function(*inputs)  # the choices and allocations of a first call are not captured
        torch.cuda.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        # The outer block restores the stream: a capture that fails leaves its own as the current one.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(self._graph, pool=pool):
            self._result = function(*inputs)

    def __call__(self, *values: Tensor) -> Tensor:
        """The function of `values`, each shaped like its input."""
        for buffer, value in zip(self._inputs, values, strict=True):
            # Pinned anew each time, because an earlier copy may still be under way.
            value = value if value.device == buffer.device else value.pin_memory()
            buffer.copy_(value, non_blocking=True)
        self._graph.replay()
        return self._result


class StepGraphs:
    """A step captured once for every bucket of rows. A result is valid until the next call.

    All graphs share one memory pool, as only one runs at a time.
    """

    def __init__(self, step: Callable[[int], Tensor], slots: int) -> None:
        """step(rows) gives the next frames of the first `rows` slots. No slot is active."""
        self._rows = doublings(1, slots)
        pool = torch.cuda.graph_pool_handle()
        # The largest is captured first: the pool need not grow for the others.
        self._graphs = {rows: Replay(partial(step, rows), (), pool) for rows in reversed(self._rows)}

    def __call__(self, rows: int) -> Tensor:
        """The next frames of the first `rows` slots."""
        return self._graphs[at_least(rows, self._rows)]()[:rows]


class PromptGraphs:
    """Graphs of a prompt and of the frame after it, for any slot: two calls of the host instead of thousands of
    launches."""

    def __init__(
        self,
        prefill: Callable[[Tensor, Tensor, int], Tensor],
        first_frame: Callable[[Tensor, Tensor], Tensor],
        rows: int,
        hidden: Tensor,
        positions: int,
    ) -> None:
        """prefill(values (`rows`, T), at (3,): slot, start and true length, context) gives the last true hidden state;
        first_frame(slot (1,), hidden) the frame. `hidden` is room for one such state."""

        def numbers(*values: int) -> Tensor:
            return torch.tensor(values, dtype=torch.int64).to(hidden.device)

        self._contexts = context_buckets(positions)
        pool = torch.cuda.graph_pool_handle()
        at = numbers(0, 0, 1)
        self._prefill: dict[tuple[int, int], Replay] = {}
        for chunk in reversed(CHUNKS):  # the largest first, as above
            values = at.new_zeros(rows, chunk)
            for context in reversed(self._contexts):
                run = _with_context(prefill, context)
                self._prefill[chunk, context] = Replay(run, (values, at), pool)
        self._first_frame = Replay(first_frame, (numbers(0), hidden), pool)

    def prefill(self, slot: int, values: Tensor, start: int) -> Tensor:
        """As `FusedNetwork.prefill`."""
        for part in values.to(torch.int64).split(CHUNKS[-1], dim=1):
            length = part.shape[1]
            chunk = at_least(length, CHUNKS)
            run = self._prefill[chunk, at_least(start + length, self._contexts)]
            hidden = run(F.pad(part, (0, chunk - length)), torch.tensor([slot, start, length]))
            start += length
        return hidden

    def first_frame(self, slot: int, hidden: Tensor) -> Tensor:
        """As `FusedNetwork.first_frame`."""
        return self._first_frame(torch.tensor([slot]), hidden)


def _with_context(prefill: Callable[[Tensor, Tensor, int], Tensor], context: int) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda values, at: prefill(values, at, context)


def context_buckets(positions: int) -> list[int]:
    """Numbers of cached positions that prompts are captured for."""
    return [context for context in CONTEXTS if context < positions] + [positions]
