"""One encode for simultaneous requests, whatever becomes of those who asked."""

from __future__ import annotations

import asyncio

import pytest

from deployments.synthesis.encode_cache import EncodeCache
from models.types import NotAudio


class Encoder:
    """An encode that waits until it is let go, and counts its starts and its cancellations."""

    def __init__(self, error: Exception | None = None) -> None:
        self.started = self.cancelled = 0
        self.gate = asyncio.Event()
        self._error = error

    async def __call__(self) -> str:
        self.started += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self._error:
            raise self._error
        return "codes"


async def waiting(cache: EncodeCache, encoder: Encoder, count: int) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(cache.get("key", encoder)) for _ in range(count)]
    while not encoder.started:
        await asyncio.sleep(0)
    return tasks


def test_simultaneous_requests_share_one_encode_and_later_ones_find_it():
    async def run() -> None:
        cache, encoder = EncodeCache(4), Encoder()
        tasks = await waiting(cache, encoder, 8)
        encoder.gate.set()
        assert await asyncio.gather(*tasks) == ["codes"] * 8
        assert await cache.get("key", encoder) == "codes"
        assert (encoder.started, cache.misses, cache.hits, len(cache)) == (1, 1, 8, 1)

    asyncio.run(run())


def test_an_error_reaches_everyone_and_is_not_kept():
    async def run() -> None:
        cache, encoder = EncodeCache(4), Encoder(NotAudio("broken"))
        tasks = await waiting(cache, encoder, 3)
        encoder.gate.set()
        assert [str(error) for error in await asyncio.gather(*tasks, return_exceptions=True)] == ["broken"] * 3
        with pytest.raises(NotAudio):
            await cache.get("key", encoder)
        assert encoder.started == 2 and len(cache) == 0

    asyncio.run(run())


def test_a_cancelled_first_caller_leaves_the_work_to_the_others():
    async def run() -> None:
        cache, encoder = EncodeCache(4), Encoder()
        first, *others = await waiting(cache, encoder, 3)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        encoder.gate.set()
        assert await asyncio.gather(*others) == ["codes"] * 2
        assert (encoder.started, encoder.cancelled) == (1, 0)

    asyncio.run(run())


def test_work_that_nobody_waits_for_any_more_is_cancelled_and_can_start_anew():
    async def run() -> None:
        cache, encoder = EncodeCache(4), Encoder()
        tasks = await waiting(cache, encoder, 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        again = asyncio.create_task(cache.get("key", encoder))
        while encoder.started < 2:
            await asyncio.sleep(0)
        assert encoder.cancelled == 1
        encoder.gate.set()
        assert await again == "codes"

    asyncio.run(run())


def test_the_least_recently_used_leaves_first():
    async def run() -> None:
        cache, made = EncodeCache(2), []

        async def get(key: str) -> str:
            async def make() -> str:
                made.append(key)
                return key.upper()

            return await cache.get(key, make)

        assert [await get(key) for key in "abacab"] == list("ABACAB")
        assert made == list("abcb") and len(cache) == 2

    asyncio.run(run())
