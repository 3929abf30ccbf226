"""What a replica does before it loads a network, and says where it cannot compile one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from deployments.text_to_semantic import TextToSemantic
from models.text_to_semantic import load

COMPILERS = """
import os
from types import SimpleNamespace
from cluster import affinity, hardware
from cluster.probe import Limits
from deployments import text_to_semantic
affinity.usable = lambda: range({cpus})
hardware.cgroup_limits = lambda: Limits(cpus={quota})
text_to_semantic.prepare(SimpleNamespace(cores="all", threads=1, device="{device}"))
from torch._inductor import config
print(config.compile_threads)
"""


@pytest.mark.parametrize(
    ("device", "cpus", "quota", "asked", "found"),
    [
        ("cuda", 16, None, None, "8"),
        ("cuda", 4, None, None, "4"),
        ("cuda", 16, 2.5, None, "2"),
        ("cuda", 16, 0.5, None, "1"),
        ("cuda", 16, 2.5, "5", "5"),
        ("cpu", 16, None, None, str(min(32, len(os.sched_getaffinity(0))))),
    ],
)
def test_a_replica_compiles_in_no_more_processes_than_it_has_cpus(
    device: str, cpus: int, quota: float | None, asked: str | None, found: str
) -> None:
    """In a process of its own, as torch reads the variable once: nothing that a replica imports may do so before."""
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_COMPILE_THREADS"}
    environment |= {"TORCHINDUCTOR_COMPILE_THREADS": asked} if asked else {}
    code = COMPILERS.format(device=device, cpus=cpus, quota=quota)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.split()[-1:] == [found], done.stderr


@pytest.mark.parametrize(("device", "headers", "named"), [("cuda", "/nowhere", True), ("cpu", "/nowhere", False)])
def test_a_step_that_cannot_be_compiled_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, device: str, headers: str, named: bool
) -> None:
    def fail() -> None:
        raise RuntimeError("gcc returned non-zero exit status 1.")

    monkeypatch.setattr(load, "Network", lambda *args, **options: SimpleNamespace(compile=fail))
    monkeypatch.setattr(load.sysconfig, "get_paths", lambda: {"include": headers})
    options = {"dtype": torch.float32, "quantization": "none", "slots": 1, "threads": 1, "compiled": True}
    load.make_network(SimpleNamespace(), {}, SimpleNamespace(), device=device, **options)
    assert "gcc returned non-zero exit status 1." in caplog.text
    assert ("/nowhere/Python.h is missing (Debian, Ubuntu: apt install gcc python3-dev)" in caplog.text) is named


@pytest.mark.parametrize("compiled", [True, False])
def test_health_shows_whether_the_step_is_compiled(compiled: bool) -> None:
    """`engine` of /health is what this gives; `plan` there is what was asked for."""
    replica = object.__new__(TextToSemantic)
    replica._engine = SimpleNamespace(held_bytes=0, compiled=compiled, stats=lambda: {"slots": 4}, stop=lambda: None)
    replica._replicas = 1
    assert asyncio.run(replica.stats())["compiled"] == compiled
