"""The machines of the Ray cluster. The only file here that knows Ray."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.machine.hardware import detect
from cluster.machine.profile import HardwareProfile

Node = Mapping[str, Any]  # a row of ray.nodes()


class NodeError(RuntimeError):
    """A node of the cluster could not be asked what it has."""


def wait(count: int, timeout_s: float = 600.0) -> int:
    """Wait until `count` nodes with CPUs are alive, or `timeout_s` is over, and return how many are: on Kubernetes, and
    after `ray up`, the head is alive before the others."""
    deadline = time.monotonic() + timeout_s
    while (alive := _computing()) < count and time.monotonic() < deadline:
        time.sleep(1)
    return alive


def _computing() -> int:
    """How many nodes with CPUs are alive."""
    return sum(node["Alive"] and node["Resources"].get("CPU", 0) > 0 for node in ray.nodes())


def serving() -> bool:
    """Whether replicas of an application run on this cluster."""
    actors = ray.util.list_named_actors(all_namespaces=True)
    return any(actor["name"].startswith("SERVE_REPLICA::") for actor in actors)


def profiles(timeout_s: float = 60.0, own_processes: str | None = None) -> list[HardwareProfile]:
    """The profile of every alive node, found by running `detect` there; `node` is Ray's node id.

    Works from a driver, a task or an actor; Ray must be initialised. `own_processes`: see `hardware.detect`; for a
    Serve application it is "ray::ServeReplica:<application>:". Raises NodeError naming the nodes that did not answer
    within `timeout_s` or failed.
    """
    if not ray.is_initialized():
        raise NodeError("Ray is not initialised: call ray.init() or run inside the cluster")
    alive = [node for node in ray.nodes() if node["Alive"]]
    # Retried, as Ray may pick a worker that an earlier cancel is ending.
    ask: Any = ray.remote(num_cpus=0, max_retries=2)(detect)  # Ray's types know no function with defaults
    asked: dict[ray.ObjectRef[HardwareProfile], Node] = {}
    for node in alive:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        asked[ask.options(scheduling_strategy=there).remote(node["NodeID"], own_processes)] = node
    _, late = ray.wait(list(asked), num_returns=len(asked), timeout=timeout_s)
    if late:
        for reference in late:
            ray.cancel(reference, force=True)
        names = ", ".join(_name(asked[reference]) for reference in late)
        raise NodeError(f"no answer within {timeout_s:g} s from {names}: is it overloaded, or starting?")
    return [_profile(reference, node) for reference, node in asked.items()]


def _profile(reference: ray.ObjectRef[HardwareProfile], node: Node) -> HardwareProfile:
    try:
        found: HardwareProfile = ray.get(reference)
    except RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise NodeError(f"hardware detection failed on {_name(node)}: {reason}") from error
    offered = node["Resources"]
    return dataclasses.replace(
        found, schedulable_cpus=offered.get("CPU", 0.0), schedulable_gpus=offered.get("GPU", 0.0)
    )


def _name(node: Node) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, node {node['NodeID'][:8]})"
