"""The decode step as its device runs it fastest: compiled as one graph, and on NVIDIA replayed as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[int, int], Tensor]  # (rows, context: cached positions to look at) -> next frames

CONTEXTS = (256, 512, 1024)  # buckets of a CUDA graph's context below all positions: attention is a small part there


def step(eager: Step, slots: int, positions: int, device: torch.device) -> Step:
    """`eager` compiled, as one graph without breaks, and warmed up.

    It must keep its state in tensors, and while no slot is active a call must not change what a slot later reads.
    Raises what torch.compile raises.
    """
    fused = torch.compile(eager, fullgraph=True)
    # Its two arguments are symbolic from the start, or each would be only after a compilation that did without.
    # `dynamic=True` would make weights symbolic too, which takes five times as long to compile.
    with torch.compiler.config.patch(dynamic_sources="L['rows'],L['context']"):
        if device.type == "cuda":
            return CudaGraphs(fused, slots, positions)
        for rows in (slots, 1):  # a single row is compiled apart
            fused(rows, positions)
    return fused


class CudaGraphs:
    """A step captured once for every bucket of rows and of context: the host launches a frame with one call.

    A result is valid until the next call. All graphs share one memory pool, as only one runs at a time.
    """

    def __init__(self, step: Step, slots: int, positions: int) -> None:
        self._rows, self._contexts = row_buckets(slots), context_buckets(positions)
        self._graphs: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        pool = torch.cuda.graph_pool_handle()
        for rows in reversed(self._rows):  # the largest first: the pool need not grow for the others
            for context in self._contexts:
                step(rows, context)  # what a first call compiles, chooses and allocates is not captured
                torch.cuda.synchronize()
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, pool=pool):
                    drawn = step(rows, context)
                self._graphs[rows, context] = graph, drawn

    def __call__(self, rows: int, context: int) -> Tensor:
        graph, drawn = self._graphs[at_least(rows, self._rows), at_least(context, self._contexts)]
        graph.replay()
        return drawn[:rows]


def row_buckets(slots: int) -> list[int]:
    """Powers of two below `slots`, and `slots`. From two on: a single row would be compiled apart."""
    return [1 << i for i in range(1, (slots - 1).bit_length())] + [slots]


def context_buckets(positions: int) -> list[int]:
    return [context for context in CONTEXTS if context < positions] + [positions]


def at_least(value: int, buckets: list[int]) -> int:
    """The smallest bucket that holds `value`."""
    return next(bucket for bucket in buckets if bucket >= value)
