"""Text-to-semantic on an NVIDIA GPU: the decode step compiled and replayed as CUDA graphs, as the plan has it."""

from __future__ import annotations

from typing import Any

import torch

from models.types import Sampling
from tests.bench.isolate import Bench
from tests.bench.report import Figure
from tests.bench.t2s import FRAME_RATE, FRAMES, first_frames, network_of, prompt_of, throughput

ON_GPU: dict[str, Any] = {"device": "cuda", "torch_path": ["bfloat16", "none"]}


def gpu(bench: Bench) -> list[Figure]:
    if not torch.cuda.is_available():
        return [Figure(f"gpu-{name}", None, skipped="torch finds no CUDA GPU") for name in ("1", "64", "ttfa")]
    one = bench.measure(throughput, streams=1, **ON_GPU) | bench.measure(host_work, **ON_GPU)
    many = bench.measure(throughput, streams=64, **ON_GPU)
    first = bench.measure(first_frames, **ON_GPU)
    device = {"gpu": torch.cuda.get_device_name()}
    return [
        Figure("gpu-1", one["frames_per_second"], details=device | one),
        Figure("gpu-64", many["frames_per_second"] / FRAME_RATE, details=device | many),
        Figure("gpu-ttfa", 1e3 * first["four_frames_s"], details=device | first),
    ]


def host_work(checkpoint: str, threads: int, repeats: int, device: str, torch_path: list[str]) -> dict[str, Any]:
    """What the host does for a frame: its calls of CUDA, by the profiler, which itself waits once at the end; and the
    breaks in the step's graph."""
    network = network_of(checkpoint, threads, 1, device, torch_path)
    prompt = prompt_of(network, voice=0, text=0).values
    network.reset(0, Sampling())
    network.first_frame(0, network.prefill(0, prompt, 0))
    with torch.profiler.profile(acc_events=True) as seen:
        for step in range(FRAMES):
            network.decode(1, prompt.shape[1] + step + 1)
    calls = {event.key: event.count / FRAMES for event in seen.key_averages() if event.key.startswith("cuda")}
    found = torch._dynamo.explain(network._step_of)(1, 64)
    return {"cuda_calls_a_frame": calls, "graph_breaks": found.graph_break_count}
