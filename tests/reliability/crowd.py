"""More clients than the server can serve: `python -m tests.reliability.crowd` prints how each crowd fares.

closed   clients that ask again as soon as they were served: what the server can do
polite   twelve times as many, that come back when they are told to
open     arrivals at ten times the rate of `closed`, whatever becomes of those before
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from tests.graph.server import local_ray, run
from tests.paths import RECORDINGS, ROOT

CLIENTS, POLITE, TIMES = 16, 192, 10
SECONDS = 30.0
PATIENCE = 60.0  # seconds until a client gives up
TRANSCRIPT = "Félicitations."


@dataclass(slots=True)
class Crowd:
    """Seconds to the first audio of those served, and to the refusal of the others; how many gave up or failed."""

    name: str
    first: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    timeouts: int = 0
    failed: int = 0
    health: list[float] = field(default_factory=list)

    def told(self, seconds: float) -> str:
        """A row of the table."""
        cells = [f"{len(self.first) / seconds:.1f}", _percentiles(self.first), f"{len(self.refused)}"]
        cells += [_percentiles(self.refused), f"{self.timeouts}", f"{self.failed}", _percentiles(self.health)]
        return f"| {self.name} | " + " | ".join(cells) + " |"


def _percentiles(values: list[float]) -> str:
    return "{:.2f} / {:.2f}".format(*np.percentile(values, (50, 95))) if values else "-"


async def ask(http: httpx.AsyncClient, crowd: Crowd, number: int) -> float:
    """One request; seconds after which to come back if it was refused, else 0."""
    body = {"text": f"The shoal turns as one, number {number}.", "reference_id": "sea", "streaming": True}
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE), http.stream("POST", "/v1/tts", json={**body, "seed": number}) as answer:
            if answer.status_code == 429:
                await answer.aread()
                crowd.refused.append(time.perf_counter() - began)
                return float(answer.headers["retry-after"])
            if answer.status_code != 200:
                crowd.failed += 1
                return 0.0
            first = 0.0
            async for _ in answer.aiter_raw():
                first = first or time.perf_counter() - began
            crowd.first.append(first)
    except TimeoutError:
        crowd.timeouts += 1
    except httpx.HTTPError:
        crowd.failed += 1
    return 0.0


async def looping(http: httpx.AsyncClient, crowd: Crowd, clients: int, seconds: float) -> float:
    """So many clients that ask again and again, for so long; gives the seconds that it took."""
    began, numbers = time.perf_counter(), itertools.count(1)

    async def client() -> None:
        while time.perf_counter() - began < seconds:
            back = await ask(http, crowd, next(numbers))
            await asyncio.sleep(min(back, max(0.0, seconds - (time.perf_counter() - began))))

    await asyncio.gather(*(client() for _ in range(clients)))
    return time.perf_counter() - began


async def arriving(http: httpx.AsyncClient, crowd: Crowd, rate: float, seconds: float) -> float:
    """Poisson arrivals at `rate` a second, for so long."""
    began, gaps = time.perf_counter(), random.Random(1)
    running: list[asyncio.Task[float]] = []
    due = began
    while due - began < seconds:
        due += gaps.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        running.append(asyncio.create_task(ask(http, crowd, 100_000 + len(running))))
    await asyncio.gather(*running)
    return time.perf_counter() - began


async def watched(http: httpx.AsyncClient, crowd: Crowd, load: Callable[[], Awaitable[float]]) -> float:
    """The load, with a look at /health every second."""

    async def look() -> None:
        while True:
            began = time.perf_counter()
            await http.get("/health")
            crowd.health.append(time.perf_counter() - began)
            await asyncio.sleep(1)

    looking = asyncio.create_task(look())
    try:
        return await load()
    finally:
        looking.cancel()


async def crowds(address: str) -> None:
    """Every crowd in turn; prints a table."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE, limits=limits) as http:
        voice = {
            "data": {"id": "sea", "text": TRANSCRIPT},
            "files": {"audio": (RECORDINGS / "june-fr.wav").read_bytes()},
        }
        (await http.post("/v1/references/add", **voice)).raise_for_status()
        await looping(http, Crowd("warm up"), CLIENTS, 5.0)
        print("| crowd | served/s | first audio, s | refused | refusal, s | timed out | failed | health, s |")
        print("|---|---|---|---|---|---|---|---|")
        closed, polite, arrivals = Crowd("closed"), Crowd("polite"), Crowd("open")
        took = await watched(http, closed, lambda: looping(http, closed, CLIENTS, SECONDS))
        print(closed.told(took), flush=True)
        rate = TIMES * len(closed.first) / took
        took = await watched(http, polite, lambda: looping(http, polite, POLITE, SECONDS))
        print(polite.told(took), flush=True)
        took = await watched(http, arrivals, lambda: arriving(http, arrivals, rate, SECONDS))
        print(arrivals.told(took), flush=True)


def main() -> None:
    """Serve the starter on this machine, and let the crowds come."""
    with tempfile.TemporaryDirectory() as voices, local_ray() as address:
        asyncio.run(crowds(run(address, "crowd", ROOT / "checkpoints" / "starter", Path(voices))))


if __name__ == "__main__":
    main()
