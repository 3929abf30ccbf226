"""A few sizes that work is padded to, where a device must prepare for every size that it meets."""

from __future__ import annotations

from collections.abc import Sequence


def doublings(first: int, largest: int) -> list[int]:
    """`first`, twice that, and so on below `largest`, then `largest`."""
    sizes = []
    while first < largest:
        sizes.append(first)
        first *= 2
    return [*sizes, largest]


def at_least(value: int, buckets: Sequence[int]) -> int:
    """The smallest bucket that holds `value`; `value` itself where none does."""
    return next((bucket for bucket in buckets if bucket >= value), value)
