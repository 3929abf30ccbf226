"""Whole requests: in one process, and over HTTP on the real Ray graph; its memory, and what it costs."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil
from ray import serve

from cluster.planning.stages import STAGES
from deployments.app import build
from deployments.synthesis.pipeline import Pipeline, Pool
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from deployments.variables import VARIABLES
from models.checkpoint.configs import CodecConfig
from models.checkpoint.reader import Checkpoint
from tests.bench import codec, t2s
from tests.bench.isolate import Bench
from tests.bench.listening import VOICES, Speak, hear, in_process, over_http, register_voices
from tests.bench.local import LocalStages
from tests.bench.machine import plan
from tests.bench.report import Figure
from tests.graph.server import local_ray, run

UTTERANCE = codec.UTTERANCE
STREAMS = 8  # of the throughput comparison
DEPLOYMENTS = {"TextToSemantic": "memory-lm", "VQDecoder": "memory-decoder", "ReferenceEncoder": "memory-encoder"}


def request(bench: Bench) -> list[Figure]:
    ours, theirs = bench.measure(whole_request), _upstream(bench)
    return [Figure("request", ours["rtf"], theirs["rtf"], details={"ours": ours, "upstream": theirs})]


def ttfa(bench: Bench) -> list[Figure]:
    ours, theirs = bench.measure(http_request), _upstream(bench)
    details = {"ours": ours, "upstream": {**theirs, "note": "its first sound comes with its last"}}
    return [Figure("ttfa", ours["first_s"], theirs["seconds"], details=details)]


def memory(bench: Bench) -> list[Figure]:
    ours = bench.measure(graph_memory)
    replicas = [Figure(line, ours["replicas"][name]["rss"], details=ours) for name, line in DEPLOYMENTS.items()]
    grown = [
        Figure(line, ours[line], details={"totals": ours["totals"]}) for line in ("growth-frames", "growth-requests")
    ]
    return replicas + grown


def graph_overhead(bench: Bench) -> list[Figure]:
    ours = bench.measure(overhead)
    return [Figure(f"overhead-{name}", ours[name], details=ours) for name in ("ttfa", "throughput")]


def _upstream(bench: Bench) -> dict[str, Any]:
    """Upstream's time for a whole request, put together from its measured parts: it would take minutes."""
    lm, dac = bench.measure(t2s.upstream), bench.measure(codec.upstream_decode)
    seconds = lm["prefill_s"] + (dac["frames"] - 1) * lm["frame_s"] + dac["seconds"]
    composed = f"prefill + {dac['frames'] - 1} x a frame + decoding {dac['frames']} frames, each measured"
    return {"seconds": seconds, "rtf": seconds / (dac["seconds"] / dac["rtf"]), "composed": composed}


def whole_request(checkpoint: str, threads: int, repeats: int) -> dict[str, Any]:
    """A 5 s request through pipeline, engine and decoder in this process."""
    with bare(checkpoint, threads) as (speak, codec):
        return asyncio.run(_alone(speak, codec.sample_rate, repeats))


def http_request(checkpoint: str, threads: int, repeats: int, quantization: str | None = None) -> dict[str, Any]:
    """The same request over HTTP on the real graph; `quantization` is text-to-semantic's."""

    async def listen(address: str, sample_rate: int) -> dict[str, Any]:
        async with client(address) as http:
            return await _alone(over_http(http), sample_rate, repeats)

    with graph(checkpoint, threads, quantization=quantization) as (address, codec):
        return asyncio.run(listen(address, codec.sample_rate))


async def _alone(speak: Speak, rate: int, repeats: int) -> dict[str, Any]:
    await warm_up(speak, rate)
    heard = [await hear(speak, rate, 100 + i, UTTERANCE) for i in range(repeats)]
    medians = {"first_s": median(each.first for each in heard), "rtf": median(each.rtf for each in heard)}
    runs = [{"first_s": each.first, "total_s": each.total, "audio_s": each.audio, "late": each.late} for each in heard]
    return medians | {"runs": runs}


def graph_memory(checkpoint: str, threads: int, repeats: int) -> dict[str, Any]:
    """Every replica's resident memory after its first requests, and how it grows."""
    with graph(checkpoint, threads) as (address, codec):
        return asyncio.run(growth(address, codec))


async def growth(address: str, codec: CodecConfig, frames: int = 1020, requests: int = 200) -> dict[str, Any]:
    """Resident GB of this process's Serve replicas: after warm-up, what `frames` frames add, what as many more add (the
    first time they also claim what was only reserved), and what `requests` tiny requests add."""
    async with client(address) as http:
        speak, rate, numbers = over_http(http), codec.sample_rate, itertools.count(1000)
        await warm_up(speak, rate)
        await hear(speak, rate, next(numbers), 100)
        steps = {"warm": replicas()}
        longest = 0.0
        for step in ("frames", "frames again"):
            spoken = 0.0
            while spoken < frames:  # random weights may end an utterance early
                heard = await hear(speak, rate, next(numbers), frames)
                spoken += heard.audio * codec.frame_rate
                longest = max(longest, heard.audio * codec.frame_rate)
            steps[step] = replicas()
        for quarter in range(1, 5):
            for _ in range(requests // 4):
                await hear(speak, rate, next(numbers), 4)
            steps[f"{quarter * requests // 4} requests"] = replicas()
    totals = [sum(each["rss"] for each in found.values()) for found in steps.values()]
    return {
        "replicas": steps["warm"],
        "growth-frames": totals[1] - totals[0],
        "growth-requests": totals[-1] - totals[2],
        "steps": steps,
        "totals": dict(zip(steps, totals, strict=True)),
        "longest_utterance_frames": longest,
    }


def overhead(checkpoint: str, threads: int, repeats: int) -> dict[str, Any]:
    """The graph against the same stages in one process, turn by turn, so that a busy moment hits both."""
    with graph(checkpoint, threads) as (address, codec), bare(checkpoint, threads) as (speak, _):
        return asyncio.run(compare(address, speak, codec.sample_rate, repeats))


async def compare(address: str, bare_speak: Speak, rate: int, repeats: int) -> dict[str, Any]:
    """Milliseconds that the graph adds to the first audio, and the share of throughput that it costs in percent."""
    async with client(address) as http:
        sides = {"graph": over_http(http), "bare": bare_speak}
        first: dict[str, list[float]] = {side: [] for side in sides}
        speed: dict[str, list[float]] = {side: [] for side in sides}
        for speak in sides.values():
            await warm_up(speak, rate)
        for i in range(2 * repeats):
            for side, speak in sides.items():
                first[side].append((await hear(speak, rate, 100 + i, 4)).first)
        for i in range(min(repeats, 3)):
            for side, speak in sides.items():
                speed[side].append(await throughput(speak, rate, 1000 * (i + 1)))
    added = median(graph - bare for graph, bare in zip(first["graph"], first["bare"], strict=True))
    lost = median(1 - graph / bare for graph, bare in zip(speed["graph"], speed["bare"], strict=True))
    return {"ttfa": 1e3 * added, "throughput": 100 * lost, "first_s": first, "audio_seconds_a_second": speed}


async def throughput(speak: Speak, rate: int, number: int, streams: int = STREAMS, frames: int = 29) -> float:
    """Seconds of audio a second of `streams` requests at once."""
    began = time.perf_counter()
    heard = await asyncio.gather(*(hear(speak, rate, number + i, frames) for i in range(streams)))
    return sum(each.audio for each in heard) / (time.perf_counter() - began)


async def warm_up(speak: Speak, rate: int) -> None:
    """Every voice once, two blocks each, so that its prefix is kept and every kernel has run."""
    for number in range(VOICES):
        await hear(speak, rate, number, 12)


def client(address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=address, timeout=600, limits=httpx.Limits(max_connections=None))


def replicas() -> dict[str, dict[str, float]]:
    """Resident GB of the Serve replicas that this process started, by deployment, and the part of it that is not mapped
    from files."""
    found: dict[str, dict[str, float]] = {}
    for process in psutil.Process().children(recursive=True):
        try:
            title, used = process.cmdline()[:1], process.memory_info()
        except psutil.Error:
            continue
        if title and title[0].startswith("ray::ServeReplica:"):
            name = title[0].split(":")[-1].partition(".")[0]
            sizes = {"rss": used.rss / 1e9, "anonymous": (used.rss - getattr(used, "shared", 0)) / 1e9}
            held = found.setdefault(name, dict.fromkeys(sizes, 0.0))
            found[name] = {size: held[size] + value for size, value in sizes.items()}
    return found


@contextmanager
def graph(
    checkpoint: str, threads: int, device: str = "cpu", quantization: str | None = None
) -> Iterator[tuple[str, CodecConfig]]:
    """The real graph with registered voices, on this machine's CPU (text-to-semantic in `quantization`, or as planned)
    or as planned for its GPU: its address."""
    for name in VARIABLES:  # they would win over what is measured
        os.environ.pop(name, None)
    source = Checkpoint(checkpoint)
    with tempfile.TemporaryDirectory() as folder, local_ray() as address:
        register_voices(Path(folder), source)
        settings = {"checkpoint": str(source.path.resolve()), "voices": folder, "device": device}
        if device == "cpu":
            stages: dict[str, dict[str, Any]] = {stage: {"threads": threads} for stage in STAGES}
            stages["text_to_semantic"]["quantization"] = quantization
            run(address, "bench", stages=stages, **settings)
        else:
            serve.run(build(settings), name="bench")
        yield address, source.codec_config


@contextmanager
def bare(checkpoint: str, threads: int) -> Iterator[tuple[Speak, CodecConfig]]:
    """The pipeline over engine and decoder in this process, with registered voices."""
    source = Checkpoint(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        register_voices(Path(folder), source)
        stages = LocalStages(source, plan(threads))
        limits = Limits()
        pool = Pool("cpu", "cpu", stages, limits.tier, limits.tier_text_chars)
        pipeline = Pipeline(stages, VoiceLibrary(folder), limits, lambda device: [pool])
        yield in_process(pipeline), source.codec_config
        stages.close()
