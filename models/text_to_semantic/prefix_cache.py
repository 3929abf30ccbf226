"""Prompt prefixes of voices, kept encoded or as keys and values: the same voice is not prefilled twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PrefixCache(Generic[T]):
    """A least-recently-used cache of voices that have at most `capacity` positions in all: many short recordings take
    the room of a few long ones."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self.positions = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def get(self, key: str) -> T | None:
        """The prefix of a voice, or None."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry[0]

    def wants(self, key: str, positions: int) -> bool:
        """Whether a prefix is not kept but would fit."""
        return key not in self._entries and positions <= self.capacity

    def keep(self, key: str, positions: int, copy: Callable[[], T]) -> None:
        """Keep a prefix that is wanted; the least recently used ones go before `copy` takes memory for it."""
        self.shrink(self.capacity - positions)
        self._entries[key] = copy(), positions
        self.positions += positions

    def shrink(self, positions: int) -> None:
        """Drop the least recently used voices until at most `positions` are left."""
        while self.positions > positions:
            _, (_, dropped) = self._entries.popitem(last=False)
            self.positions -= dropped
