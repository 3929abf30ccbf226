"""A bounded memory of what was encoded, in which simultaneous requests for the same thing share one encode."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class EncodeCache(Generic[T]):
    """The `capacity` most recently used values by content hash. For one event loop."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._values: OrderedDict[str, T] = OrderedDict()
        self._flights: dict[str, _Flight[T]] = {}
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._values)

    async def get(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        """The value of `key`, made at most once at a time; `hits` counts every call that started no `make`.

        What `make` raises reaches everyone waiting and is not kept. A caller that is cancelled leaves the work to the
        others; when the last one has left, the work is cancelled too.
        """
        if key in self._values:
            self.hits += 1
            self._values.move_to_end(key)
            return self._values[key]
        flight = self._flights.get(key)
        if flight is None:
            self.misses += 1
            flight = self._flights[key] = _Flight(asyncio.create_task(self._make(key, make)))
        else:
            self.hits += 1
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                if self._flights.get(key) is flight:
                    del self._flights[key]
                flight.task.cancel()

    async def _make(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        value = await make()
        self._values[key] = value
        self.shrink(self.capacity)
        return value

    def shrink(self, entries: int) -> None:
        """Drop the least recently used values until at most `entries` are left."""
        while len(self._values) > entries:
            self._values.popitem(last=False)
