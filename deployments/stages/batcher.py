"""Items that arrive while the networks are busy share the next call: batching without a waiting window."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from models.runtime.health import Health

Item = TypeVar("Item")
Result = TypeVar("Result")
T = TypeVar("T")

STALLED_AFTER = 600.0  # seconds; the longest recordings take minutes on the slowest machines


class Batcher(Generic[Item, Result]):
    """Runs `work` on one thread of its own, over at most `limit` items a call, in order of arrival.

    The thread is the only one that touches the network, so that whatever `run` is given is safe there too.
    """

    def __init__(self, name: str, work: Callable[[list[Item]], Sequence[Result]], limit: int) -> None:
        self._work, self._limit = work, limit
        self._health = Health(name, STALLED_AFTER)
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._thread = ThreadPoolExecutor(1)
        self._task: asyncio.Task[None] | None = None
        self.widest_batch = self.working = 0

    @property
    def waiting(self) -> int:
        """Items that wait for the next call."""
        return len(self._waiting)

    async def __call__(self, item: Item) -> Result:
        """The result for one item. Raises what `work` raised; a cancelled caller's item is left out."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await future

    def load(self, function: Callable[[], T]) -> T:
        """Run something on the batcher's thread before its first call, and wait. A network is made there: glibc keeps
        what a thread freed for that thread, and another one's calls would claim it once more (0.3 GB of a decoder)."""
        return self._thread.submit(function).result()

    def check_health(self) -> None:
        """Raise NotReady if a call is stuck, or calls only fail: Ray then replaces the replica."""
        self._health.check()

    async def run(self, function: Callable[[], T]) -> T:
        """Run anything on the batcher's thread, after the call under way."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def later(self, function: Callable[[], object]) -> None:
        """As `run`, without waiting for it."""
        self._thread.submit(function)

    async def _drain(self) -> None:
        while self._waiting:
            batch: list[tuple[Item, asyncio.Future[Result]]] = []
            while self._waiting and len(batch) < self._limit:
                item, future = self._waiting.popleft()
                if not future.done():
                    batch.append((item, future))
            if batch:
                await self._finish(batch)

    async def _finish(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        self.widest_batch = max(self.widest_batch, len(batch))
        self.working = len(batch)
        self._health.begin()
        try:
            results = await self.run(lambda: self._work([item for item, _ in batch]))
            self._health.succeed()
        except Exception as error:
            self._health.fail(error)
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        finally:
            self.working = 0
            self._health.rest()
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
