"""The keys and values of voices' prompt prefixes: the same voice is not prefilled twice."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

Prefix = Any  # whatever a network's copy_prefix gives and its restore_prefix takes


class PrefixCache:
    """A least-recently-used cache of at most `capacity` voices."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[str, Prefix] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def get(self, key: str) -> Prefix | None:
        """The prefix of a voice, or None."""
        prefix = self._entries.get(key)
        if prefix is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return prefix

    def put(self, key: str, prefix: Prefix) -> None:
        """Keep a prefix, dropping the least recently used beyond the capacity."""
        self._entries[key] = prefix
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
