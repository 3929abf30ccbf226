"""Text-to-semantic on an NVIDIA GPU: the decode step compiled and replayed as CUDA graphs, as the plan has it."""

from __future__ import annotations

import sys
import time
from typing import Any

import torch

from models.text_to_semantic.network import Network
from models.types import Sampling
from tests.bench.isolate import Bench
from tests.bench.report import Figure
from tests.bench.t2s import FRAME_RATE, FRAMES, first_frames_of, network_of, prompt_of, throughput_of

STREAMS = 64


def gpu(bench: Bench) -> list[Figure]:
    if not torch.cuda.is_available():
        return [Figure(f"gpu-{name}", None, skipped="torch finds no CUDA GPU") for name in ("1", "64", "ttfa")]
    found = bench.measure(everything)
    one, many, first = (found.pop(name) for name in ("one", "many", "first"))
    return [
        Figure("gpu-1", one["frames_per_second"], details=found | one),
        Figure("gpu-64", many["frames_per_second"] / FRAME_RATE, details=found | many),
        Figure("gpu-ttfa", 1e3 * first["four_frames_s"], details=found | first),
    ]


def everything(checkpoint: str, threads: int, repeats: int, device: str = "cuda") -> dict[str, Any]:
    """All figures of one network, compiled once; a line of each as soon as it is there, should the machine go."""
    began = time.perf_counter()

    def tell(name: str, value: object) -> None:
        found[name] = value
        print(f"gpu, {time.perf_counter() - began:.0f} s: {name} {value}", file=sys.stderr, flush=True)

    found: dict[str, Any] = {}
    tell("gpu", torch.cuda.get_device_name() if device == "cuda" else device)
    network = network_of(checkpoint, threads, STREAMS, device, ["bfloat16", "none"])
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()  # weights were there twice
    compiling = time.perf_counter()
    network.compile()
    tell("compile_s", time.perf_counter() - compiling)
    tell("host", host_work(network))
    tell("first", first_frames_of(network, repeats))
    tell("one", throughput_of(network, repeats, 1))
    # Last, as the next engine would not know which slots this one left active.
    tell("many", throughput_of(network, repeats, STREAMS))
    tell("vram_gb", torch.cuda.max_memory_allocated() / 1e9)
    return found


def host_work(network: Network) -> dict[str, Any]:
    """What the host does for a frame: its calls of CUDA, by the profiler, which itself waits once at the end."""
    prompt = prompt_of(network, voice=0, text=0).values
    network.reset(0, Sampling())
    network.first_frame(0, network.prefill(0, prompt, 0))
    with torch.profiler.profile(acc_events=True) as seen:
        for step in range(FRAMES):
            network.decode(1, prompt.shape[1] + step + 1)
    network.set_active(0, False)
    calls = {event.key: event.count / FRAMES for event in seen.key_averages() if event.key.startswith("cuda")}
    return {"cuda_calls_a_frame": calls}
