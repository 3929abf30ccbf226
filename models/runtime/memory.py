"""Memory of the system: huge pages for data that are read at its speed, and ways to give memory back."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_DONTNEED, _PAGEOUT = 4, 21  # MADV_…; older kernels refuse the second, which does no harm


def lazy_zeros(size: int) -> Tensor:
    """(size,) bytes that take memory only where they are written, in huge pages where the kernel gives them.

    Weights and cache are streamed at memory speed: with pages of 4 KB much of the time would go into page walks.
    """
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    memory = mmap.mmap(-1, max(size, mmap.PAGESIZE), flags=flags)
    if _huge_pages_are_small():
        with contextlib.suppress(OSError):  # not every kernel takes the advice
            memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.from_numpy(np.frombuffer(memory, dtype=np.uint8)[:size])


@functools.cache
def _huge_pages_are_small() -> bool:
    """Kernels with pages of 64 KB have huge ones of 512 MB: a slot's first position would take one."""
    try:
        return int(Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size").read_text()) <= 2**21
    except (OSError, ValueError):
        return False


def page_out(tensor: Tensor) -> None:
    """Give back the memory of a tensor that was read for the last time, where it is a view of a mapped file.

    The contents stay valid: they would be read from the file again. Memory that is no file's stays, or goes to the swap
    where there is one.
    """
    _advise(tensor, _PAGEOUT)


def discard(tensor: Tensor) -> None:
    """Give back the memory of a tensor in a mapping of its own, whose contents are not needed any more: afterwards they
    are arbitrary. Takes 0.4 ms for 35 MB, and as long again when the memory is next written."""
    _advise(tensor, _DONTNEED)


def _advise(tensor: Tensor, advice: int) -> None:
    """Advise the kernel about the whole pages of a tensor."""
    first = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (tensor.data_ptr() + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if sys.platform == "linux" and last > first:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), advice)


def trim() -> None:
    """Let the allocator return the memory that building a network took: glibc keeps freed memory for itself, some
    0.1 GB after loading S1-mini's codec."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
