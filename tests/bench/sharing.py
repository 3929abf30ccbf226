"""Do replicas that share cores get in each other's way? `python -m tests.bench.sharing CHECKPOINT [frames] [rounds]`

Frames a second in all of eight streams: on one replica of text-to-semantic with a thread a core, on two that divide the
cores as the plan divides them, and on two that each take all cores. In turn, so that whoever else uses the machine
slows all three alike; a ratio is the median of each round's to the one replica.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median

import torch

from cluster.machine.hardware import detect
from tests.bench import t2s

STREAMS = 8


def serve(checkpoint: str, threads: int, streams: int, frames: int) -> None:
    """A replica: speaks once for every line on its standard input and prints its frames a second."""
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    network = t2s.network_of(checkpoint, threads, 16, "cpu", None)
    engine = t2s._engine(network)
    print("ready", flush=True)
    for line in sys.stdin:
        run = int(line)
        prompts = [t2s.prompt_of(network, voice=i % t2s.VOICES, text=1000 * run + i) for i in range(streams)]
        times = t2s.speak(engine, prompts, frames + 2 * streams, seed=1000 * run)
        print(json.dumps(t2s._rate(times) or 0.0), flush=True)
    engine.stop()


def start(checkpoint: str, threads: int, streams: int, frames: int) -> subprocess.Popen[str]:
    arguments = [checkpoint, str(threads), str(streams), str(frames)]
    replica = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.sharing", "--serve", *arguments],
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert replica.stdout.readline() == "ready\n"
    return replica


def measure(replicas: list[subprocess.Popen[str]], run: int) -> float:
    for replica in replicas:
        print(run, file=replica.stdin, flush=True)
    return sum(json.loads(replica.stdout.readline()) for replica in replicas)


def main(checkpoint: str, frames: int = 24, rounds: int = 5) -> None:
    cores = detect().cpu.physical_cores
    half = STREAMS // 2
    ways = {
        f"one replica of {cores} threads": [start(checkpoint, cores, STREAMS, frames)],
        f"two of {max(1, cores // 2)}": [start(checkpoint, max(1, cores // 2), half, frames) for _ in range(2)],
        f"two of {cores}": [start(checkpoint, cores, half, frames) for _ in range(2)],
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for run in range(rounds + 1):
        for way, replicas in ways.items():
            rate = measure(replicas, run)
            if run:  # the first fills the prefix caches
                rates[way].append(rate)
    one = next(iter(rates.values()))
    for way, found in rates.items():
        ratio = median(rate / alone for rate, alone in zip(found, one, strict=True))
        print(f"{way}: {median(found):.1f} frames/s, {ratio:.2f} times")
    for replicas in ways.values():
        for replica in replicas:
            replica.stdin.close()
            replica.wait()


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main(sys.argv[1], *map(int, sys.argv[2:]))
