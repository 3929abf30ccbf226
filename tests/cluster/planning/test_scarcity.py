"""What a plan gives up, and in which order, before it refuses a machine with little memory."""

from __future__ import annotations

import dataclasses

import pytest

from cluster.machine.profile import HardwareProfile
from cluster.planning.fitting import LEAST_MARGIN_GB
from cluster.planning.footprints import GB
from cluster.planning.plan import Plan, PlanError, PlanOptions
from cluster.planning.planner import make
from cluster.planning.stages import DECODER, ENCODER, LM
from tests.cluster.machines import machine, override

SLEEPS = "a reference-encoder that sleeps"


def laptop(free_gb: float, *sets: str) -> HardwareProfile:
    """An i5 with 8 GB of RAM."""
    small = machine("i5-laptop-8gb")
    cpu = dataclasses.replace(small.cpu, instruction_sets=sets or small.cpu.instruction_sets)
    return dataclasses.replace(small, ram_available=int(free_gb * GB), cpu=cpu)


def shape(plan: Plan) -> tuple[int, str, int]:
    """Slots and weights of text-to-semantic, and how many encoders are always there."""
    lm = plan.stages[LM]
    return lm.slots, lm.quantization, plan.stages[ENCODER].min_replicas


@pytest.mark.parametrize(
    ("free_gb", "expected", "given_up"),
    [
        (7.5, (8, "int8", 1), []),
        (6.5, (4, "int8", 1), []),
        (5.6, (2, "int8", 1), ["2 streams at a time"]),
        (5.2, (1, "int8", 1), ["1 stream at a time"]),
        (5.0, (1, "int4", 1), ["1 stream at a time", "int4 weights"]),
        (4.7, (1, "int8", 0), ["1 stream at a time", SLEEPS]),
        (4.4, (1, "int4", 0), ["1 stream at a time", "int4 weights", SLEEPS]),
    ],
)
def test_the_order(free_gb: float, expected: tuple[int, str, int], given_up: list[str]) -> None:
    plan = make([laptop(free_gb)])
    assert shape(plan) == expected
    assert (plan.warning is None) is (not given_up)
    for words in given_up:
        assert words in (plan.warning or "")
    for words in {"stream", "int4", SLEEPS} - {word for word in ("stream", "int4", SLEEPS) if word in str(given_up)}:
        assert words not in (plan.warning or "")


def test_then_it_refuses_with_figures() -> None:
    with pytest.raises(
        PlanError, match=r"3\.2 GB usable RAM on i5-laptop-8gb is under the 3\.3 GB that the stages need"
    ):
        make([laptop(4.2)])


@pytest.mark.parametrize("sets", [("avx2",), ("avx2", "avx512", "vnni")], ids=["int16 decoder", "fp32 decoder"])
def test_eight_gb_with_five_free_speak_s1_mini_in_one_slot(sets: tuple[str, ...]) -> None:
    assert shape(make([laptop(5.0, *sets)]))[0] == 1


@pytest.mark.parametrize("free_gb", [4.7, 4.4])
def test_a_sleeping_encoder_leaves_the_margin_and_wakes_into_part_of_it(free_gb: float) -> None:
    plan = make([laptop(free_gb)])
    awake = sum(stage.memory_gb for stage in plan.stages.values())
    assert awake - plan.stages[ENCODER].memory_gb <= free_gb - 1.0
    assert awake <= free_gb - LEAST_MARGIN_GB
    assert {stage.max_replicas for stage in plan.stages.values()} == {1}, "nothing grows into what it needs"
    assert plan.stages[ENCODER].initial_replicas == 0 and not plan.spare
    assert any("sleeps while no voice is encoded" in reason for reason in plan.stages[ENCODER].reasons)


def test_what_a_person_chose_is_not_given_up() -> None:
    assert shape(make([laptop(5.0)], override(LM, quantization="int8"))) == (1, "int8", 0)
    always = PlanOptions(stages={ENCODER: {"min_replicas": 1}})
    assert shape(make([laptop(5.0)], always)) == (1, "int4", 1)
    with pytest.raises(PlanError, match="usable RAM"):
        make([laptop(4.7)], always)
    with pytest.raises(PlanError, match="usable RAM"):
        make([laptop(5.0)], override(LM, slots=4))


def test_a_machine_that_must_give_something_up_does_not_size_the_others() -> None:
    large = dataclasses.replace(machine("i5-laptop"), node="large")
    together, alone = make([large, laptop(5.0)]), make([large])
    assert shape(together) == shape(alone) and together.warning is None
    assert "i5-laptop-8gb" in together.stages[LM].avoid_nodes


def test_fewer_positions_make_room_for_more_slots() -> None:
    short = make([laptop(5.6)], override(LM, max_positions=1024))
    assert short.stages[LM].max_positions == 1024 and short.stages[LM].slots > make([laptop(5.6)]).stages[LM].slots
    assert make([laptop(5.6)]).stages[LM].max_positions == 2048
    assert short.stages[DECODER].max_positions is None


@pytest.mark.parametrize(
    ("stage", "positions", "message"),
    [
        (LM, 100, "max_positions: .*greater than or equal to 256"),
        (LM, 9000, "max_positions 9000 is over the 8192 that the checkpoint knows"),
        (DECODER, 1024, "max_positions belongs to text_to_semantic"),
    ],
)
def test_impossible_positions_are_refused(stage: str, positions: int, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        make([laptop(7.0)], override(stage, max_positions=positions))
