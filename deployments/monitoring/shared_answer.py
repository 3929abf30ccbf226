"""One answer shared by all callers: asked for once at a time, however many wait for it or give up waiting."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedAnswer(Generic[T]):
    """The answer of `ask`, at most `every` seconds old. Ray's questions block a thread until the head is back, and each
    replica has few threads: one that is not answered is waited for, not asked again."""

    def __init__(self, ask: Callable[[], Awaitable[T]], every: float, within: float) -> None:
        self._ask, self._every, self._within = ask, every, within
        self._asking: asyncio.Future[T] | None = None
        self._began = -math.inf

    async def get(self) -> T:
        """Raises what `ask` raised, and TimeoutError without an answer `within` so many seconds."""
        old = time.monotonic() - self._began >= self._every
        if self._asking is None or (self._asking.done() and (old or self._asking.exception())):
            self._began, self._asking = time.monotonic(), asyncio.ensure_future(self._ask())
        await asyncio.wait({self._asking}, timeout=self._within)
        if not self._asking.done():
            raise TimeoutError
        return self._asking.result()
