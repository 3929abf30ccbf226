"""How the planner lets stages and replicas share machines."""

from __future__ import annotations

import dataclasses

import pytest

from cluster.planning.plan import PlanOptions
from cluster.planning.planner import make
from cluster.planning.stages import DECODER, ENCODER, LM, STAGES
from tests.cluster.machines import SMALL, machine, machines, override


def test_two_cores_are_shared_by_stages_that_alternate() -> None:
    plan = make(machines("epyc-2-core"))
    assert [stage.threads for stage in plan.stages.values()] == [2, 2, 2]
    assert sum(stage.num_cpus for stage in plan.stages.values()) <= 2


@pytest.mark.parametrize("name", ["raspberry-pi-5", "i5-laptop", "ryzen-5", "i9-hybrid", "server-amx", "server-epyc"])
def test_generating_and_decoding_do_not_share_cores(name: str) -> None:
    stages = make(machines(name)).stages
    assert stages[LM].threads + stages[DECODER].threads <= machine(name).cpu.physical_cores
    assert stages[LM].threads <= machine(name).cpu.performance_cores


@pytest.mark.parametrize("name", ["server-amx", "server-epyc"])
def test_every_replica_that_autoscaling_may_add_has_its_own_cores(name: str) -> None:
    host = machine(name)
    stages = make([host]).stages
    core = host.cpu.logical_cores / host.cpu.physical_cores
    assert all(stage.num_cpus >= stage.threads * core for stage in stages.values())


def test_generators_share_cores_only_where_a_person_says_so() -> None:
    options = PlanOptions(footprints=SMALL, stages={LM: {"num_cpus": 0.5}, DECODER: {"num_cpus": 0.25}})
    lm = make(machines("epyc-2-core"), options).stages[LM]
    assert (lm.max_replicas, lm.threads, lm.per_node) == (1, 2, 1)
    assert any("a second on the same cores would read them again" in reason for reason in lm.reasons)
    options.stages[LM]["max_replicas"] = 2
    lm = make(machines("epyc-2-core"), options).stages[LM]
    assert (lm.max_replicas, lm.threads, lm.per_node) == (2, 1, 2), "no more threads than cores"
    assert any(reason.startswith("replicas 1 to 2: asked for; 2 on a machine") for reason in lm.reasons)


def test_many_cores_hold_several_generators_on_cores_of_their_own() -> None:
    host = machine("server-epyc")
    lm = make([host], override(LM, num_cpus=4.0)).stages[LM]
    assert lm.per_node == lm.max_replicas == host.cpu.physical_cores // lm.threads == 4
    assert any("cores of their own (16 each)" in reason for reason in lm.reasons)


def test_hybrid_cpus_generate_on_performance_cores_and_decode_on_the_others() -> None:
    cores = {stage: plan.cores for stage, plan in make(machines("i9-hybrid")).stages.items()}
    assert cores == {LM: "performance", DECODER: "efficiency", ENCODER: "efficiency"}
    wide = make(machines("i9-hybrid"), override(LM, threads=12)).stages[LM]
    assert (wide.threads, wide.cores) == (12, "all")
    assert {plan.cores for plan in make(machines("server-epyc")).stages.values()} == {"all"}


@pytest.mark.parametrize(("name", "spare"), [("server-epyc", True), ("epyc-2-core", False), ("h100", False)])
def test_a_redeployment_starts_the_new_first_only_where_both_fit(name: str, spare: bool) -> None:
    plan = make(machines(name), PlanOptions(footprints=SMALL))
    assert plan.spare is spare
    options = PlanOptions(footprints=SMALL, stages={stage: {"num_cpus": 0.1} for stage in STAGES})
    assert make(machines(name), options).spare is (name != "h100")


def test_a_large_gpu_holds_two_generators_only_where_a_person_says_so() -> None:
    assert make(machines("h100")).stages[LM].max_replicas == 1
    two = make(machines("h100"), override(LM, num_gpus=0.4)).stages[LM]
    assert (two.max_replicas, two.initial_replicas) == (2, 1)


def test_cpus_that_ray_offers_bound_the_plan() -> None:
    lm = make([dataclasses.replace(machine("ryzen-5"), schedulable_cpus=2.0)]).stages[LM]
    assert (lm.threads, lm.num_cpus) == (2, 1.0)


def test_like_cpu_nodes_start_a_replica_each() -> None:
    nodes = [dataclasses.replace(machine("epyc-2-core"), node=f"n{i}") for i in range(3)]
    plan = make(nodes)
    assert plan.stages[LM].initial_replicas == 3
    assert all(stage.avoid_nodes == () for stage in plan.stages.values())
