"""The real graph for tests: Ray on this machine, the three stages on a tiny checkpoint, real HTTP on loopback."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray import serve

from deployments.app import build

T = TypeVar("T")

# Small requests, so that several graphs fit one Ray; one thread a stage, as the test machine has two cores.
STAGES = {
    "reference_encoder": {"num_cpus": 0.1, "threads": 1},
    "text_to_semantic": {"num_cpus": 0.1, "threads": 1, "slots": 16, "max_replicas": 1},
    "vq_decoder": {"num_cpus": 0.1, "threads": 1, "max_replicas": 1},
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def local_ray() -> Iterator[str]:
    """Ray and Serve on this machine; gives Serve's address."""
    os.environ |= {"RAY_metrics_report_interval_ms": "1000"}  # as often as Ray reports at most
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "SHOAL_API_KEYS": ""}
    os.environ |= {f"RAY_SERVE_{who}_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5" for who in ("REPLICA", "HANDLE")}
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=80 * 2**20,
        log_to_driver=bool(os.environ.get("SHOAL_TEST_LOGS")),
    )
    port = free_port()
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        serve.shutdown()
        ray.shutdown()


def run(address: str, name: str, checkpoint: Path, voices: Path, path: str = "", **args: Any) -> str:
    """Start a graph under `path`; returns its address when every stage is ready."""
    stages = {stage: given | args.get("stages", {}).get(stage, {}) for stage, given in STAGES.items()}
    settings = {"checkpoint": str(checkpoint), "voices": str(voices), **args, "stages": stages}
    serve.run(build(settings), name=name, route_prefix=path or "/")
    return address + path


def eventually(read: Callable[[], T], holds: Callable[[T], bool], within: float = 30.0) -> T:
    """Read until the value holds; fails with the last value when it does not in time."""
    end = time.monotonic() + within
    while not holds(value := read()):
        assert time.monotonic() < end, f"still {value!r} after {within} s"
        time.sleep(0.05)
    return value
