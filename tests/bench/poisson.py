"""Open-loop Poisson arrivals on the real graph at rising rates: unique texts, several voices, and no request waits
for another."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from matplotlib.figure import Figure as Canvas

from tests.bench.isolate import Bench
from tests.bench.listening import Heard, Speak, hear, over_http
from tests.bench.report import LINES, Figure
from tests.bench.serving import STREAMS, client, graph, throughput, warm_up

FRAMES = 54  # of a request: 2.5 s of S1-mini's speech
LOADS = (0.25, 0.5, 0.75, 1.0, 1.25)  # of what the graph manages with many requests at once
ARRIVALS, WINDOW = 24, 75.0  # at a rate, at most: requests, and seconds
IN_TIME = LINES["ttfa"].must


def poisson(bench: Bench) -> list[Figure]:
    ours = bench.measure(arrivals)
    drawn = {"plot": str(bench.plot)} if bench.plot else {}
    if bench.plot:
        draw(ours["rates"], bench.plot)
    best = max(each["goodput"] for each in ours["rates"])
    return [Figure("poisson", best, details={**ours, **drawn, "in_time": f"first audio in {IN_TIME} s, no block late"})]


def arrivals(checkpoint: str, threads: int, repeats: int) -> dict[str, Any]:
    with graph(checkpoint, threads) as (address, codec):
        return asyncio.run(rising(address, codec.sample_rate))


async def rising(address: str, sample_rate: int, limit: int = ARRIVALS, streams: int = STREAMS) -> dict[str, Any]:
    """One measurement a load, at most `limit` requests each; loads are of what `streams` at once get through."""
    async with client(address) as http:
        speak = over_http(http)
        await warm_up(speak, sample_rate)
        capacity = await throughput(speak, sample_rate, 5000, streams, FRAMES)
        length = (await hear(speak, sample_rate, 6000, FRAMES)).audio
        rates = []
        for i, load in enumerate(LOADS):
            per_second = load * capacity / length
            count = max(2, min(limit, round(per_second * WINDOW)))
            rates.append({"load": load} | await _at(speak, sample_rate, per_second, count, 10_000 * (i + 1)))
    return {"capacity_audio_s_a_second": capacity, "seconds_of_audio": length, "rates": rates}


async def _at(speak: Speak, sample_rate: int, per_second: float, count: int, number: int) -> dict[str, Any]:
    """`count` requests with exponential gaps, whatever becomes of those before."""
    gaps = random.Random(number)
    began = time.perf_counter()
    running = []
    for i in range(count):
        running.append(asyncio.create_task(hear(speak, sample_rate, number + i, FRAMES)))
        await asyncio.sleep(gaps.expovariate(per_second))
    results = await asyncio.gather(*running, return_exceptions=True)
    seconds = time.perf_counter() - began
    heard = [each for each in results if isinstance(each, Heard)]
    refused = [each for each in results if isinstance(each, httpx.HTTPError)]
    if others := [each for each in results if not isinstance(each, (Heard, httpx.HTTPError))]:
        raise others[0]
    good = [each for each in heard if each.first <= IN_TIME and not each.late]
    return {
        "requests_per_second": per_second,
        "requests": count,
        "refused": len(refused),
        "ttfa_p50": _percentile([each.first for each in heard], 50),
        "ttfa_p95": _percentile([each.first for each in heard], 95),
        "rtf_p50": _percentile([each.rtf for each in heard], 50),
        "rtf_p95": _percentile([each.rtf for each in heard], 95),
        "with_underruns": sum(each.late > 0 for each in heard),
        "late_blocks": sum(each.late for each in heard),
        "in_time": len(good),
        "goodput": sum(each.audio for each in good) / seconds,
        "throughput": sum(each.audio for each in heard) / seconds,
    }


def _percentile(values: list[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None


def draw(rates: list[dict[str, Any]], path: Path) -> None:
    """Plot first-audio times and goodput over the rate."""
    canvas = Canvas(figsize=(9, 3.5), layout="constrained")
    left, right = canvas.subplots(1, 2)
    offered = [each["requests_per_second"] for each in rates]
    for axes, curves, label in (
        (left, ("ttfa_p50", "ttfa_p95"), "time to first audio, s"),
        (right, ("throughput", "goodput"), "seconds of audio a second"),
    ):
        for curve in curves:
            axes.plot(offered, [each[curve] for each in rates], marker="o", label=curve.replace("_", " "))
        axes.set(xlabel="requests a second (Poisson)", ylabel=label, xlim=(0, None), ylim=(0, None))
        axes.legend()
        axes.grid(alpha=0.3)
    left.axhline(IN_TIME, linestyle="--", color="grey")
    canvas.savefig(path, dpi=150)
