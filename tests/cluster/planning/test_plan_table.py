"""The plan that each known machine must give."""

from __future__ import annotations

import pytest

from cluster.planning.plan import PlanError, PlanOptions
from cluster.planning.planner import make
from cluster.planning.stages import DECODER, ENCODER, LM, STAGES
from tests.cluster.machines import NAMES, SMALL, machine, machines

# machine: tier, text limit, (text_to_semantic: device, precision, quantization, compile, threads, slots),
#          (vq_decoder: device, precision, compile, threads), reference_encoder's device
TABLE = {
    "raspberry-pi-5": ("arm-board", 100, ("cpu", "fp32", "int8", False, 3, 2), ("cpu", "fp32", False, 1), "cpu"),
    "graviton3": ("arm-server", 500, ("cpu", "bf16", "int8", False, 5, 16), ("cpu", "bf16", False, 2), "cpu"),
    "m1-air": ("apple-fanless", 600, ("mps", "fp16", "none", False, 1, 4), ("mps", "fp16", False, 1), "mps"),
    "m2-air": ("apple-fanless", 600, ("mps", "fp16", "none", False, 1, 4), ("mps", "fp16", False, 1), "mps"),
    "mac-mini-m2": ("apple-base", 600, ("mps", "fp16", "none", False, 1, 4), ("mps", "fp16", False, 1), "mps"),
    "m2-pro": ("apple-pro", 600, ("mps", "fp16", "none", False, 1, 8), ("mps", "fp16", False, 1), "mps"),
    "m3-max": ("apple-max", 800, ("mps", "fp16", "none", False, 1, 16), ("mps", "fp16", False, 1), "mps"),
    "m2-ultra": ("apple-ultra", 1000, ("mps", "fp16", "none", False, 1, 16), ("mps", "fp16", False, 1), "mps"),
    "intel-mac": ("cpu-medium", 350, ("cpu", "fp32", "int8", False, 5, 8), ("cpu", "int16", False, 1), "cpu"),
    "i5-laptop": ("cpu-low", 300, ("cpu", "fp32", "int8", False, 3, 16), ("cpu", "fp32", False, 1), "cpu"),
    "i5-laptop-8gb": ("cpu-low", 300, ("cpu", "fp32", "int4", False, 3, 1), ("cpu", "int16", False, 1), "cpu"),
    "ryzen-5": ("cpu-medium", 350, ("cpu", "fp32", "int8", False, 5, 16), ("cpu", "int16", False, 1), "cpu"),
    "i9-hybrid": ("cpu-high", 500, ("cpu", "fp32", "int8", False, 8, 16), ("cpu", "int16", False, 6), "cpu"),
    "server-amx": ("server-amx", 1000, ("cpu", "bf16", "none", False, 16, 16), ("cpu", "bf16", False, 8), "cpu"),
    "server-epyc": ("server", 1000, ("cpu", "bf16", "int8", False, 16, 16), ("cpu", "bf16", False, 8), "cpu"),
    "epyc-2-core": ("cpu-low", 300, ("cpu", "bf16", "int8", False, 2, 16), ("cpu", "bf16", False, 2), "cpu"),
    "wsl2-rtx-3060": ("nvidia-medium", 1000, ("cuda", "bf16", "none", True, 1, 16), ("cuda", "bf16", False, 1), "cuda"),
    "windows-4070": ("nvidia-large", 2000, ("cuda", "bf16", "none", False, 1, 16), ("cuda", "bf16", False, 1), "cuda"),
    "laptop-4gb-busy": ("cpu-low", 300, ("cpu", "fp32", "int8", False, 4, 16), ("cpu", "int16", False, 2), "cpu"),
    "laptop-4gb-idle": ("nvidia-small", 600, ("cuda", "fp16", "none", True, 1, 4), ("cpu", "int16", False, 3), "cpu"),
    "rtx-3070-8gb": ("nvidia-medium", 1000, ("cuda", "bf16", "none", True, 1, 8), ("cuda", "bf16", False, 1), "cuda"),
    "rtx-4090": ("nvidia-large", 2000, ("cuda", "bf16", "none", True, 1, 32), ("cuda", "bf16", False, 1), "cuda"),
    "v100": ("nvidia-large", 2000, ("cuda", "fp16", "none", True, 1, 32), ("cuda", "fp16", False, 1), "cuda"),
    "h100": ("nvidia-datacenter", 2000, ("cuda", "bf16", "none", True, 1, 64), ("cuda", "bf16", False, 1), "cuda"),
    "2xa100": ("nvidia-datacenter", 2000, ("cuda", "bf16", "none", True, 1, 64), ("cuda", "bf16", False, 1), "cuda"),
    "mixed-cluster": ("nvidia-large", 2000, ("cuda", "bf16", "none", True, 1, 32), ("cuda", "bf16", False, 1), "cuda"),
}
TOO_SMALL = {"container-2-core-4gb": ("cpu-low", "cpu", "int8"), "m1-air-8gb": ("apple-fanless", "mps", "none")}


def test_the_table_holds_every_machine() -> None:
    assert sorted([*TABLE, *TOO_SMALL]) == NAMES


@pytest.mark.parametrize("name", TABLE)
def test_plan(name: str) -> None:
    plan = make(machines(name))
    lm, decoder, encoder = (plan.stages[s] for s in (LM, DECODER, ENCODER))
    assert (
        plan.tier,
        plan.text_limit,
        (lm.device, lm.precision, lm.quantization, lm.compile, lm.threads, lm.slots),
        (decoder.device, decoder.precision, decoder.compile, decoder.threads),
        encoder.device,
    ) == TABLE[name]


@pytest.mark.parametrize("name", TABLE)
def test_every_decision_has_its_reason(name: str) -> None:
    plan = make(machines(name))
    assert tuple(plan.stages) == STAGES
    for stage in plan.stages.values():
        text = "\n".join(stage.reasons)
        for decision in (f"{stage.device}: ", f"{stage.precision}: ", "compile o", "threads ", "slots ", "replicas "):
            assert any(r.startswith(decision) for r in stage.reasons), (decision, text)
    assert plan.expected_memory_gb > 0 and plan.expected_rtf > 0


@pytest.mark.parametrize("name", TOO_SMALL)
def test_machines_that_cannot_hold_s1_mini_hold_a_small_checkpoint(name: str) -> None:
    with pytest.raises(PlanError, match=r"2\.\d GB usable RAM .* is under the [34]\.\d GB that the stages need"):
        make(machines(name))
    plan = make(machines(name), PlanOptions(footprints=SMALL))
    lm = plan.stages[LM]
    assert (plan.tier, lm.device, lm.quantization) == TOO_SMALL[name]


def test_throttling_apples_speak_shorter_texts() -> None:
    assert make(machines("m1-air")).text_limit_hot == 150
    assert make(machines("mac-mini-m2")).text_limit_hot is None


def test_two_gpus_start_two_replicas() -> None:
    lm = make(machines("2xa100")).stages[LM]
    assert (lm.min_replicas, lm.initial_replicas, lm.max_replicas) == (1, 2, 2)
    assert lm.num_gpus > 0.5


def test_a_mixed_cluster_uses_its_two_large_gpus_and_avoids_the_others() -> None:
    plan = make(machines("mixed-cluster"))
    for stage in plan.stages.values():
        assert stage.avoid_nodes == ("gpu-c", "gpu-old")
    assert plan.stages[LM].initial_replicas == 2


def test_a_mixed_cluster_without_large_gpus_decodes_on_its_cpu_nodes() -> None:
    cluster = [m for m in machines("mixed-cluster") if m.node in ("cpu-a", "cpu-b", "board", "head")]
    plan = make([*cluster, machine("laptop-4gb-idle")])
    lm, decoder, encoder = (plan.stages[s] for s in (LM, DECODER, ENCODER))
    assert (lm.device, lm.initial_replicas, decoder.device) == ("cuda", 1, "cpu")
    assert (decoder.threads, decoder.precision, decoder.max_replicas) == (8, "bf16", 14)
    assert decoder.num_cpus > machine("laptop-4gb-idle").cpus  # so the scheduler keeps off by itself
    assert encoder.avoid_nodes == ("laptop-4gb-idle",)
