"""Requests that come at a rate, whatever becomes of those before them, as people's do."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from shoal.bench.figures import Heard, playback

PATH = "/v1/audio/speech"
SAMPLE_BYTES = 2  # 16 bits, mono


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked, of whom. `pcm_rate` is in Hz; `timeout` in seconds, for a whole response."""

    url: str
    key: str | None
    model: str
    voice: str
    pcm_rate: int
    timeout: float


async def phase(
    target: Target, texts: Sequence[str], rate: float, seconds: float, seed: int, done: Callable[[], None]
) -> list[Heard]:
    """Every request of a phase, once the last is over. They arrive as a Poisson process; `done` is called after
    each."""
    chance = random.Random(f"{seed}:{rate}")
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(base_url=target.url, headers=headers, timeout=target.timeout, limits=limits) as client:
        tasks: list[asyncio.Task[Heard]] = []
        began = time.monotonic()
        comes = chance.expovariate(rate)
        while comes < seconds or not tasks:
            await asyncio.sleep(max(0.0, began + comes - time.monotonic()))
            task = asyncio.create_task(listen(client, target, chance.choice(texts)))
            task.add_done_callback(lambda _: done())
            tasks.append(task)
            comes += chance.expovariate(rate)
        return list(await asyncio.gather(*tasks))


async def listen(client: httpx.AsyncClient, target: Target, text: str) -> Heard:
    """One request, its audio timed block by block."""
    body = {"model": target.model, "voice": target.voice, "input": text, "response_format": "pcm"}
    began = time.monotonic()
    arrivals: list[tuple[float, float]] = []
    status = None
    try:
        async with asyncio.timeout(target.timeout), client.stream("POST", PATH, json=body) as response:
            status = response.status_code
            if not response.is_success:
                return Heard(status, seconds=time.monotonic() - began, error=(await response.aread())[:300].decode())
            async for data in response.aiter_raw():
                arrivals.append((time.monotonic() - began, len(data) / SAMPLE_BYTES / target.pcm_rate))
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        return _heard(status, arrivals, time.monotonic() - began, str(error) or type(error).__name__)
    return _heard(status, arrivals, time.monotonic() - began, None if arrivals else "no audio came")


def _heard(status: int | None, arrivals: list[tuple[float, float]], seconds: float, error: str | None) -> Heard:
    stalled, underruns = playback(arrivals)
    return Heard(
        status,
        first_audio=arrivals[0][0] if arrivals else None,
        seconds=seconds,
        audio=sum(audio for _, audio in arrivals),
        stalled=stalled,
        underruns=underruns,
        whole=error is None,
        error=error,
    )
