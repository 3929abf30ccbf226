"""Copies between the host and a GPU that wait for no other work of the GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Readback = Callable[[], list[list[int]]]


def start_readback(frames: Tensor) -> Readback:
    """Begin to copy frames to the host. Calling the result waits for this copy alone, not for work queued after it."""
    if frames.device.type != "cuda":
        return frames.tolist
    host = torch.empty(frames.shape, dtype=frames.dtype, pin_memory=True)
    host.copy_(frames, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def read() -> list[list[int]]:
        copied.synchronize()
        return host.tolist()

    return read


def send(values: Tensor, device: torch.device) -> Tensor:
    """`values` on `device`, without waiting for the work that a GPU has under way."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
