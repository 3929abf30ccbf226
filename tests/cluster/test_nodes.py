"""Asking a real Ray cluster what its nodes have."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

ray = pytest.importorskip("ray")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from cluster import nodes  # noqa: E402
from cluster.machine.hardware import detect  # noqa: E402
from cluster.planning.plan import PlanOptions  # noqa: E402
from cluster.planning.planner import make  # noqa: E402
from cluster.planning.stages import LM  # noqa: E402


def test_without_ray() -> None:
    if ray.is_initialized():
        pytest.skip("Ray runs in this process")
    with pytest.raises(nodes.NodeError, match=r"ray\.init"):
        nodes.profiles()


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """Ray as it runs already, or a small one for this module."""
    if ray.is_initialized():
        yield
        return
    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False)
    yield
    ray.shutdown()


def check(found: list) -> None:
    (profile,) = found
    (node,) = ray.nodes()
    assert profile.node == node["NodeID"]
    assert (profile.hostname, profile.cpu) == (socket.gethostname(), detect().cpu)
    assert profile.cpus == node["Resources"]["CPU"]
    assert profile.gpu_count == 0 or node["Resources"].get("GPU")


def test_from_a_driver(local_ray: None) -> None:
    found = nodes.profiles()
    check(found)
    assert make(found, PlanOptions(device="cpu")).stages[LM].num_cpus <= found[0].cpus


def test_from_a_task_and_from_an_actor_that_hold_all_cpus(local_ray: None) -> None:
    class Asker:
        def ask(self) -> list:
            return nodes.profiles()

    count = ray.available_resources()["CPU"]  # what a graph of other tests leaves
    check(ray.get(ray.remote(num_cpus=count)(nodes.profiles).remote(), timeout=60))
    actor = ray.remote(num_cpus=count)(Asker).remote()
    check(ray.get(actor.ask.remote(), timeout=60))
    ray.kill(actor)


def test_a_silent_node_is_named(local_ray: None) -> None:
    with pytest.raises(nodes.NodeError, match=f"no answer within 0 s from {socket.gethostname()}"):
        nodes.profiles(timeout_s=0)


def test_a_failing_node_is_named(local_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(node: str, own_processes: str | None) -> None:
        raise OSError("no /proc here")

    monkeypatch.setattr(nodes, "detect", broken)
    with pytest.raises(nodes.NodeError, match=f"failed on {socket.gethostname()}.*no /proc here"):
        nodes.profiles()


def test_waiting_ends_when_the_nodes_are_there_or_late(local_ray: None) -> None:
    """A driver finds the node that runs; a second one does not come."""
    assert nodes.wait(1) == 1
    assert nodes.wait(2, timeout_s=0) == 1
