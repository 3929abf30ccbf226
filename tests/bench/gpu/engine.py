"""Text-to-semantic on an NVIDIA GPU: frames by our kernels, replayed as CUDA graphs, as the plan has it."""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any

import torch
from torch.autograd import DeviceType

from models.text_to_semantic.load import compile_network
from models.text_to_semantic.network.interface import Network
from models.types import Sampling
from tests.bench.isolate import Bench
from tests.bench.report import Figure
from tests.bench.t2s import FRAME_RATE, FRAMES, first_frames_of, prompt_of, throughput_of, torch_network

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
    network = torch_network(checkpoint, STREAMS, device, ["bfloat16", "none"])
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()  # weights were there twice
    compiling = time.perf_counter()
    network = compile_network(network)
    tell("compile_s", time.perf_counter() - compiling)
    calls, kernels = frame_work(network)
    tell("host", calls)
    tell("kernels", kernels)
    tell("start", start_work(network))
    tell("first", first_frames_of(network, repeats))
    tell("one", throughput_of(network, repeats, 1))
    # Last, as the next engine would not know which slots this one left active.
    tell("many", throughput_of(network, repeats, STREAMS))
    tell("vram_gb", torch.cuda.max_memory_allocated() / 1e9)
    return found


def frame_work(network: Network) -> tuple[dict[str, Any], dict[str, Any]]:
    """By the profiler, for a frame of one stream: the host's calls of CUDA (it itself waits once at the end), and the
    GPU's kernels."""
    prompt = prompt_of(network, voice=0, text=0).values
    network.reset(0, Sampling())
    network.first_frame(0, network.prefill(0, prompt, 0))
    with torch.profiler.profile(acc_events=True) as seen:
        for step in range(FRAMES):
            network.decode(1, prompt.shape[1] + step + 1)
    network.set_active(0, False)
    events = list(seen.key_averages())
    on_gpu = [event for event in events if event.device_type == DeviceType.CUDA]
    on_gpu.sort(key=lambda event: event.self_device_time_total, reverse=True)
    calls = {event.key: event.count / FRAMES for event in events if event.key.startswith("cuda")}
    kernels = {
        "us_a_frame": sum(event.self_device_time_total for event in on_gpu) / FRAMES,
        "launches_a_frame": sum(event.count for event in on_gpu) / FRAMES,
        "longest: name, us, launches": [
            [event.key[:80], event.self_device_time_total / FRAMES, event.count / FRAMES] for event in on_gpu[:15]
        ],
    }
    return {"cuda_calls_a_frame": calls}, kernels


def start_work(network: Network) -> dict[str, Any]:
    """Medians in ms: a text after a kept voice, and its first frame, each until the GPU is done."""
    prompt = prompt_of(network, voice=0, text=0)
    values = prompt.values[:, prompt.prefix_length :]
    prefills, frames = [], []
    for _ in range(11):
        network.reset(0, Sampling())
        began = _now(network)
        hidden = network.prefill(0, values, prompt.prefix_length)
        filled = _now(network)
        network.first_frame(0, hidden)
        prefills.append(1e3 * (filled - began))
        frames.append(1e3 * (_now(network) - filled))
    network.set_active(0, False)
    return {"prefill_ms": median(prefills[1:]), "first_frame_ms": median(frames[1:]), "new_positions": values.shape[1]}


def _now(network: Network) -> float:
    if network.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
