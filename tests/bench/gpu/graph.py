"""The whole graph as planned for an NVIDIA GPU, and its codec, beside upstream on the same GPU."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import Any

import torch

from tests.bench import codec, poisson, t2s
from tests.bench.gpu.engine import STREAMS
from tests.bench.isolate import Bench
from tests.bench.listening import hear, over_http
from tests.bench.report import LINES, Figure
from tests.bench.serving import UTTERANCE, client, graph, throughput, warm_up

ARRIVALS = 300  # requests at a rate, at most


def gpu_graph(bench: Bench) -> list[Figure]:
    if not torch.cuda.is_available():
        lines = [name for name, line in LINES.items() if line.row == "gpu-graph"]
        return [Figure(name, None, skipped="torch finds no CUDA GPU") for name in lines]
    graph = bench.measure(over_the_graph)
    decode, encode = bench.measure(codec.streaming, device="cuda"), bench.measure(codec.encoding, device="cuda")
    lm = bench.measure(t2s.upstream, device="cuda")
    dac = bench.measure(codec.upstream_decode, device="cuda")
    their_encode = bench.measure(codec.upstream_encode, device="cuda")
    seconds = lm["prefill_s"] + (dac["frames"] - 1) * lm["frame_s"] + dac["seconds"]
    note = {"upstream": {"lm": lm, "dac": dac, "note": "eager; its first sound comes with its last"}}
    return [
        Figure("gpu-decode", decode["rtf"], dac["rtf"], details=decode | note),
        Figure("gpu-first-block", decode["first_block_ms"], 1e3 * dac["seconds"], details=decode | note),
        Figure("gpu-encode", encode["rtf"], their_encode["rtf"], details=encode | {"upstream": their_encode}),
        Figure("gpu-http-rtf", graph["rtf"], seconds / (dac["seconds"] / dac["rtf"]), details=graph | note),
        Figure("gpu-http-ttfa", 1e3 * graph["first_s"], 1e3 * seconds, details=graph | note),
        Figure("gpu-http-64", graph["many"], details=graph),
        Figure("gpu-poisson", max(each["goodput"] for each in graph["poisson"]["rates"]), details=graph),
    ]


def over_the_graph(checkpoint: str, threads: int, repeats: int) -> dict[str, Any]:
    with graph(checkpoint, threads, "cuda") as (address, config):
        return asyncio.run(listen(address, config.sample_rate, repeats))


async def listen(
    address: str, rate: int, repeats: int, streams: int = STREAMS, arrivals: int = ARRIVALS
) -> dict[str, Any]:
    """One request after the other, `streams` at once, and Poisson arrivals."""
    async with client(address) as http:
        speak, health = over_http(http), (await http.get("/health")).json()
        await warm_up(speak, rate)
        alone = [await hear(speak, rate, 100 + i, UTTERANCE) for i in range(2 * repeats)]
        many = [await throughput(speak, rate, 1000 * (i + 1), streams, UTTERANCE) for i in range(repeats)]
    return {
        "health": health,
        "first_s": median(each.first for each in alone),
        "rtf": median(each.rtf for each in alone),
        "runs": [{"first_s": each.first, "total_s": each.total, "audio_s": each.audio} for each in alone],
        "many": median(many),
        "many_runs": many,
        "poisson": await poisson.rising(address, rate, arrivals, streams),
    }
