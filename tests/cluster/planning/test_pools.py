"""Which pools there are: the standby CPU beside an accelerator, locks, and pools that a person asks for."""

from __future__ import annotations

import contextlib
import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.planning import shares
from cluster.planning.plan import PlanError, PlanOptions
from cluster.planning.planner import make
from cluster.planning.pools import PoolOptions, device_of, plan
from cluster.planning.stages import DECODER, ENCODER, LM
from tests.cluster.machines import NAMES, SMALL, machine, machines


def test_an_accelerator_gets_a_cpu_pool_that_stands_by() -> None:
    pools = plan(machines("rtx-4090"))
    assert {name: device_of(plan) for name, plan in pools.plans.items()} == {"cuda": "cuda", "cpu": "cpu"}
    assert pools.first == make(machines("rtx-4090"))
    standby = pools.plans["cpu"]
    assert set(standby.stages) == {LM, DECODER}, "the first pool's encoder serves both"
    for stage in standby.stages.values():
        assert (stage.device, stage.min_replicas, stage.initial_replicas) == ("cpu", 0, 0)
        assert stage.max_replicas >= 1 and stage.num_gpus == 0
    assert standby.tier == "server" and standby.stages[LM].quantization == "int8"


@pytest.mark.parametrize("name", ["epyc-2-core", "ryzen-5", "raspberry-pi-5", "laptop-4gb-busy"])
def test_a_machine_with_only_a_cpu_has_its_one_plan(name: str) -> None:
    pools = plan(machines(name), PlanOptions(footprints=SMALL) if name != "laptop-4gb-busy" else None)
    assert list(pools.plans) == ["cpu"] and pools.reason.startswith("one pool: ")


@pytest.mark.parametrize("name", NAMES)
def test_both_pools_fit_the_machines_together(name: str) -> None:
    try:
        pools = plan(machines(name))
    except PlanError:
        return
    needs = [
        (shares.Need(stage.num_cpus, stage.num_gpus, 0), frozenset(stage.avoid_nodes))
        for plan in pools.plans.values()
        for stage in plan.stages.values()
        for _ in range(max(1, stage.initial_replicas))
    ]
    ram = dict.fromkeys((machine.node for machine in machines(name)), math.inf)
    assert shares.place(machines(name), needs, ram)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (PlanOptions("cuda"), "cuda is locked"),
        (PlanOptions(stages={LM: {"device": "cuda"}}), "text_to_semantic is locked to cuda"),
        (PlanOptions(stages={DECODER: {"device": "cuda"}}), "vq_decoder is locked to cuda"),
        (PlanOptions("cpu"), "there is only the CPU, or it is what was asked for"),
        (PlanOptions(stages={LM: {"device": "cpu"}}), "there is only the CPU, or it is what was asked for"),
    ],
)
def test_a_lock_gets_one_pool(options: PlanOptions, why: str) -> None:
    pools = plan(machines("rtx-4090"), options)
    assert len(pools.plans) == 1 and pools.reason == f"one pool: {why}"


@given(st.sampled_from(NAMES), st.sampled_from(["cpu", "cuda", "mps"]))
@settings(deadline=None, max_examples=40)
def test_a_locked_device_never_gets_a_second_pool(name: str, device: str) -> None:
    with contextlib.suppress(PlanError):
        assert len(plan(machines(name), PlanOptions(device)).plans) == 1


def test_a_codec_stage_locked_to_the_cpu_keeps_the_standby_pool() -> None:
    assert list(plan(machines("rtx-4090"), PlanOptions(stages={DECODER: {"device": "cpu"}})).plans) == ["cuda", "cpu"]


def test_where_ram_does_not_hold_it_there_is_none_and_the_reason_says_so() -> None:
    pools = plan([dataclasses.replace(machine("m1-air"), ram_available=7_500_000_000)])
    assert list(pools.plans) == ["mps"]
    assert "no CPU pool fits beside it" in pools.reason and "GB usable RAM on m1-air" in pools.reason


def test_a_pool_that_would_have_to_give_something_up_does_not_stand_by() -> None:
    pools = plan(machines("m1-air"))
    assert list(pools.plans) == ["mps"] and not pools.first.warning
    assert "no CPU pool fits beside it: Memory is scarce on m1-air" in pools.reason


def test_where_no_cpu_is_left_there_is_none_and_the_reason_says_so() -> None:
    small = dataclasses.replace(machine("rtx-4090"), schedulable_cpus=2.0)
    pools = plan([small])
    assert list(pools.plans) == ["cuda"] and "the other replicas take every CPU" in pools.reason


def test_pools_asked_for_have_their_own_overrides_and_what_is_left() -> None:
    wanted = {
        "wide": PoolOptions("cpu", {LM: {"slots": 8}}),
        "narrow": PoolOptions("cpu", {LM: {"slots": 2, "min_replicas": 1}}),
    }
    pools = plan(machines("server-amx"), PlanOptions(stages={LM: {"threads": 3, "slots": 4}}), wanted)
    wide, narrow = (pools.plans[name].stages[LM] for name in wanted)
    assert (wide.slots, wide.threads, wide.min_replicas, wide.initial_replicas) == (8, 3, 1, 1)
    assert (narrow.slots, narrow.min_replicas, narrow.initial_replicas) == (2, 1, 1)
    assert wide.num_cpus + narrow.num_cpus <= machine("server-amx").cpus
    assert pools.plans["narrow"].stages[DECODER].min_replicas == 0
    assert pools.reason == "asked for"


def test_replicas_of_all_pools_share_a_machines_memory() -> None:
    assert plan(machines("rtx-4090")).claimants == plan(machines("rtx-4090")).plans["cpu"].stages[LM].per_node == 1
    assert plan(machines("epyc-2-core"), PlanOptions(footprints=SMALL)).claimants == 1
    assert plan(machines("server-epyc")).claimants == 3
    two = {LM: {"num_cpus": 0.5, "max_replicas": 2}, DECODER: {"num_cpus": 0.25}}
    assert plan(machines("epyc-2-core"), PlanOptions(footprints=SMALL, stages=two)).claimants == 2
    wanted = {"wide": PoolOptions("cpu"), "narrow": PoolOptions("cpu")}
    both = plan(machines("server-amx"), None, wanted)
    assert both.claimants == sum(each.stages[LM].per_node for each in both.plans.values()) >= 2
    assert plan(machines("h100"), PlanOptions("cuda")).claimants == 1


def test_the_same_pools_run_where_a_device_is_missing() -> None:
    wanted = {"cuda": PoolOptions("cuda"), "cpu": PoolOptions("cpu")}
    assert list(plan(machines("rtx-4090"), None, wanted).plans) == ["cuda", "cpu"]
    laptop = plan(machines("ryzen-5"), None, wanted)
    assert list(laptop.plans) == ["cpu"] and laptop.plans["cpu"].stages[LM].min_replicas == 1
    assert laptop.reason == "asked for, no machine has cuda for cuda"


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("ryzen-5", {"cuda": PoolOptions("cuda")}, "no machine has cuda for cuda"),
        (
            "m1-air",
            {"mps": PoolOptions("mps", {LM: {"slots": 8}}), "cpu": PoolOptions("cpu")},
            "pool cpu: .*usable RAM",
        ),
        ("rtx-4090", {"cpu": PoolOptions("cpu", {LM: {"device": "cuda"}})}, "pool cpu is on cpu, but .* cuda"),
        (
            "rtx-4090",
            {"cuda": PoolOptions("cuda"), "cpu": PoolOptions("cpu", {ENCODER: {"threads": 2}})},
            "pool cpu: the first pool's reference_encoder serves all pools: set it there",
        ),
        ("rtx-4090", {"cuda": PoolOptions("cuda", {LM: {"slot": 2}})}, "pool cuda: .* did you mean 'slots'"),
    ],
)
def test_impossible_pools_are_refused(name: str, wanted: dict, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan(machines(name), None, wanted)
