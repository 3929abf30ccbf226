"""The whole graph at a hard limit of memory: `python -m tests.bench.limited [REQUESTS]`, 500 by default.

Ray, Serve and all stages run in a control group, with a tiny checkpoint of a large cache. When they are warm, the
group's limit falls to what they use, the margin that admission keeps, and ROOM: a fraction of what the requests want at
once. Then come mixed requests. Prints what became of them as JSON.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import ormsgpack
import psutil

from checkpoints.build import build_tiny
from cluster.machine import memory
from tests.bench.listening import WORDS
from tests.deployments.fakes import recording
from tests.graph.control_group import ControlGroup, made
from tests.graph.server import eventually, local_ray, run

AT_ONCE = 8
# 32 KB a position over few weights: a slot may claim 67 MB, and all 16 of them over 1 GB.
WIDE = {"n_layer": 4, "n_head": 16, "n_local_heads": 16, "head_dim": 128, "fast_head_dim": 24, "fast_dim": 64}
ROOM = 250_000_000  # bytes left to requests and to all that grows beside them
WARM_UP = 16  # requests
REFUSALS = {429, 503, 507}
BAD = [
    ({"text": " "}, 422),
    ({"text": "x" * 60_000}, 413),
    ({"reference_id": "nobody"}, 404),
    ({"references": [{"audio": b"nothing", "text": "x"}]}, 415),
    ({"max_new_tokens": -1}, 400),
    ({"format": "midi"}, 400),
]
HANGS = 240.0  # seconds without a byte


@dataclass(frozen=True)
class Served:
    """A graph in a control group, seen from outside it."""

    client: httpx.Client
    group: ControlGroup

    def replicas(self) -> set[int]:
        """Process ids."""
        return {pid for pid in self.group.processes() if _title(pid).startswith("ray::ServeReplica:")}

    def engine(self) -> dict[str, int]:
        return self.client.get("/health").json()["engine"] or {}

    def claimable(self) -> int:
        """Bytes, as the server sees them when nothing runs and its caches are empty."""
        eventually(self.engine, lambda engine: engine["slots_used"] == engine["waiting"] == 0, within=60)
        self.client.post("/optimize-for-hardware").raise_for_status()
        eventually(self.engine, lambda engine: engine["prefix_cache_positions"] == 0)
        return self.client.post("/estimate-memory", json={"text_length": 1}).json()["available"]

    @contextmanager
    def watched(self) -> Iterator[list[dict[str, int]]]:
        """The status of text-to-semantic, sampled meanwhile."""
        seen: list[dict[str, int]] = []
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.2):
                seen.append(self.engine())

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield seen
        finally:
            over.set()
            watcher.join()


def _title(pid: int) -> str:
    try:
        return psutil.Process(pid).cmdline()[0]
    except (psutil.Error, IndexError):
        return ""


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """The graph on a tiny checkpoint, with two voices."""
    checkpoint = build_tiny(folder / "checkpoint", **WIDE)
    with made() as group:
        command = [sys.executable, "-m", __spec__.name, "--serve", group.path, checkpoint, folder / "voices"]
        server = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            address = next((line.strip() for line in server.stdout if line.startswith("http")), None)
            assert address, f"the server ended: {server.wait(60)}"
            limits = httpx.Limits(max_connections=None)
            with httpx.Client(base_url=address, timeout=HANGS, limits=limits) as client:
                for voice in ("sea", "sand"):
                    form = {"data": {"id": voice, "text": f"the {voice}"}, "files": {"audio": recording(9.0)}}
                    client.post("/v1/references/add", **form).raise_for_status()
                yield Served(client, group)
        finally:
            server.communicate(timeout=60)


def serve(group: str, checkpoint: str, voices: str) -> None:
    """In the group until standard input ends."""
    ControlGroup(Path(group)).join()
    with local_ray() as address:
        print(run(address, "limited", Path(checkpoint), Path(voices)), flush=True)
        sys.stdin.read()


def requests(count: int) -> Iterator[tuple[dict[str, Any], int]]:
    """(body, status wanted): short and long texts, every third streamed, with recordings, one of two voices, or none;
    499 where the client is to leave as soon as it hears something."""
    draw = random.Random(11)
    for i in range(count):
        text = " ".join(draw.choices(WORDS, k=draw.choice((2, 5, 12, 40)))).capitalize() + "."
        body, status = {"text": text, "seed": i, "streaming": i % 3 == 0, "format": "pcm"}, 200
        body["max_new_tokens"] = draw.choice((20, 50, 100, 1024))
        match i % 10:
            case 0 | 1:
                voice = {"audio": recording(draw.choice((2.0, 5.0, 9.0))), "text": "words in a recording"}
                body["references"] = [voice] * draw.choice((1, 1, 3))
            case 2 | 3:
                body["reference_id"] = "sea"
            case 4:
                body["reference_id"] = "sand"
            case 5:
                body, status = body | {"streaming": True, "text": "On and on it goes. " * 60}, 499
            case 6 if i % 20 == 6:
                bad, status = draw.choice(BAD)
                body |= bad
        yield body, status


def send(client: httpx.Client, body: dict[str, Any], wanted: int) -> int:
    """The status of an answer that came whole; 499 where the client left."""
    packed = {"content": ormsgpack.packb(body), "headers": {"content-type": "application/msgpack"}}
    with client.stream("POST", "/v1/tts", **packed) as answer:
        if answer.status_code == 200 and wanted == 499:
            next(answer.iter_raw())
            return 499
        got = answer.read()
    assert got and answer.status_code in {wanted, *REFUSALS}, (body, answer.status_code, got)
    return answer.status_code


def measure(folder: Path, count: int) -> dict[str, Any]:
    """Statuses, kills and memory of so many requests. Raises AssertionError where one got another answer than it
    should, and httpx.TransportError where one hung or broke off."""
    with served(folder) as graph, ThreadPoolExecutor(AT_ONCE) as clients:

        def load(count: int) -> Counter[int]:
            return Counter(clients.map(lambda request: send(graph.client, *request), requests(count)))

        load(WARM_UP)
        replicas, _ = graph.replicas(), graph.claimable()
        limit = graph.group.used() + memory.MARGIN + ROOM
        graph.group.limit(limit)
        room, began = graph.claimable(), time.monotonic()
        with graph.watched() as seen:
            statuses = load(count)
        return {
            "statuses": dict(statuses),
            "seconds": time.monotonic() - began,
            "killed": graph.group.kills(),
            "replaced": len(replicas - graph.replicas()),
            "limit_bytes": limit,
            "peak_bytes": graph.group.peak(),
            "samples": len(seen),
            "samples_that_wait_for_memory": sum(e["waiting"] > 0 and e["slots_used"] < e["slots"] for e in seen if e),
            "claimable_bytes": [room, graph.claimable()],
        }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(Path(folder), int(sys.argv[1]) if sys.argv[1:] else 500), indent=2))
