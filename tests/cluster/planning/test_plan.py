"""The planner's rules: locks, overrides and refusals."""

from __future__ import annotations

import dataclasses
import json

import pytest

from cluster.planning.footprints import Footprints
from cluster.planning.plan import Plan, PlanError, PlanOptions
from cluster.planning.planner import make
from cluster.planning.stages import DECODER, ENCODER, LM
from tests.cluster.machines import SMALL, machine, machines, override


def devices(plan: Plan) -> set[str]:
    return {stage.device for stage in plan.stages.values()}


# Devices


@pytest.mark.parametrize(
    ("name", "device"), [("rtx-4090", "cpu"), ("rtx-4090", "cuda"), ("m2-pro", "cpu"), ("m2-pro", "mps")]
)
def test_an_explicit_device_is_a_lock(name: str, device: str) -> None:
    plan = make(machines(name), PlanOptions(device=device))
    assert devices(plan) == {device}
    assert f"{device}: asked for, so locked" in plan.stages[LM].reasons


def test_a_locked_cpu_gets_the_cpus_tier() -> None:
    plan = make(machines("laptop-4gb-idle"), PlanOptions(device="cpu"))
    assert (plan.tier, plan.text_limit) == ("cpu-low", 300)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_does_not_exist_falls_back_and_says_so(device: str) -> None:
    plan = make(machines("ryzen-5"), PlanOptions(device=device))
    assert devices(plan) == {"cpu"}
    assert any(f"{device} was asked for, but no machine has it" in r for r in plan.stages[LM].reasons)


def test_a_locked_gpu_that_is_too_small_is_refused_with_figures() -> None:
    with pytest.raises(PlanError, match=r"1\.4 GB usable VRAM on laptop-4gb-busy .* leave the device to auto"):
        make(machines("laptop-4gb-busy"), PlanOptions(device="cuda"))


def test_unused_vram_is_what_counts() -> None:
    busy = machine("rtx-4090")
    gpu = dataclasses.replace(busy.gpus[0], vram_free=2_000_000_000)
    plan = make([dataclasses.replace(busy, gpus=(gpu,))])
    assert devices(plan) == {"cpu"}
    assert any("1.0 GB usable VRAM on rtx-4090 is under" in reason for reason in plan.stages[LM].reasons)


def test_int4_is_for_who_asks_for_it() -> None:
    plain = make(machines("ryzen-5")).stages[LM]
    smaller = make(machines("ryzen-5"), PlanOptions(stages={LM: {"quantization": "int4"}})).stages[LM]
    assert (plain.quantization, smaller.quantization) == ("int8", "int4")
    assert smaller.memory_gb < plain.memory_gb - 0.2 and "quantization int4: set by its override" in smaller.reasons


def test_int8_where_that_makes_it_fit() -> None:
    laptop = machine("laptop-4gb-idle")
    gpu = dataclasses.replace(laptop.gpus[0], vram_free=3_600_000_000)
    lm = make([dataclasses.replace(laptop, gpus=(gpu,))]).stages[LM]
    assert (lm.device, lm.quantization, lm.slots) == ("cuda", "int8", 4)
    assert "int8: so that it fits" in lm.reasons


def test_a_gpu_that_torch_cannot_use_is_not_used() -> None:
    server = machine("v100")
    gpu = dataclasses.replace(server.gpus[0], problem="the installed torch (CUDA 13.0) has no kernels for it")
    lm = make([dataclasses.replace(server, gpus=(gpu,))]).stages[LM]
    assert lm.device == "cpu"
    assert any("has no kernels for it" in reason for reason in lm.reasons)


def test_a_gpu_that_ray_does_not_offer_is_not_used() -> None:
    lm = make([dataclasses.replace(machine("rtx-4090"), schedulable_gpus=0.0)]).stages[LM]
    assert lm.device == "cpu"
    assert any("--num-gpus" in reason for reason in lm.reasons)


@pytest.mark.parametrize("name", ["epyc-2-core", "server-epyc"])
def test_a_small_codec_runs_on_one_thread_unless_asked(name: str) -> None:
    server = machines(name)
    small = Footprints(codec_encoder_params=1_300_000, codec_decoder_params=1_300_000)
    asked = {ENCODER: {"threads": 2}}
    stages, usual = make(server, PlanOptions(footprints=small)).stages, make(server).stages
    assert stages[LM].threads == usual[LM].threads > 1
    for stage in (ENCODER, DECODER):
        assert stages[stage].threads == 1 < usual[stage].threads
        assert (stages[stage].num_cpus < usual[stage].num_cpus) is (name == "server-epyc")  # it holds no cores for them
    stages = make(server, PlanOptions(footprints=small, stages=asked)).stages
    assert stages[ENCODER].threads == 2
    assert [any("so small a codec" in reason for reason in stages[s].reasons) for s in (ENCODER, DECODER)] == [
        False,
        True,
    ]


@pytest.mark.parametrize("offered", [0.0, 1.0])
def test_a_stage_on_cuda_avoids_a_mac_whose_gpu_ray_offers(offered: float) -> None:
    mac = dataclasses.replace(machine("m2-ultra"), schedulable_gpus=offered)
    for stage in make([machine("rtx-4090"), mac]).stages.values():
        assert stage.device == "cuda" and stage.avoid_nodes == ((mac.node,) if offered else ())


def test_a_missing_driver_is_named() -> None:
    assert any("driver is not installed" in reason for reason in make(machines("ryzen-5")).stages[LM].reasons)


def test_one_stage_can_leave_the_gpu() -> None:
    plan = make(machines("rtx-4090"), override(DECODER, device="cpu"))
    decoder = plan.stages[DECODER]
    assert (plan.stages[LM].device, plan.stages[ENCODER].device, decoder.device) == ("cuda", "cuda", "cpu")
    assert decoder.num_gpus == 0 and decoder.threads > 1 and "device cpu: set by its override" in decoder.reasons


def test_one_stage_can_have_the_gpu() -> None:
    plan = make(machines("laptop-4gb-idle"), PlanOptions("cpu", SMALL, {DECODER: {"device": "cuda"}}))
    assert (plan.stages[LM].device, plan.stages[DECODER].device, plan.stages[ENCODER].device) == ("cpu", "cuda", "cpu")


# Compile


@pytest.mark.parametrize(("system", "compiled"), [("linux", True), ("wsl2", True), ("windows", False)])
def test_compile_where_triton_is(system: str, compiled: bool) -> None:
    plan = make([dataclasses.replace(machine("rtx-4090"), os=system)])
    assert plan.stages[LM].compile is compiled
    assert plan.stages[ENCODER].compile is False


def test_compile_can_be_overridden() -> None:
    assert make(machines("epyc-2-core"), override(LM, compile=True)).stages[LM].compile is True
    assert make(machines("rtx-4090"), override(LM, compile=False)).stages[LM].compile is False


# Overrides


def test_overrides_win_and_are_named() -> None:
    asked = {"threads": 1, "slots": 3, "num_cpus": 0.25, "min_replicas": 0, "max_replicas": 4}
    lm = make(machines("epyc-2-core"), override(LM, **asked)).stages[LM]
    assert {name: getattr(lm, name) for name in asked} == asked
    assert lm.initial_replicas == 0
    for name in asked:
        assert any(reason.startswith(f"{name} ") and reason.endswith("override") for reason in lm.reasons)


def test_fewer_cpus_asked_for_hold_more_decoders() -> None:
    options = PlanOptions(footprints=SMALL, stages={LM: {"num_cpus": 0.5}, DECODER: {"num_cpus": 0.25}})
    assert make(machines("epyc-2-core"), options).stages[DECODER].max_replicas == 4


@pytest.mark.parametrize(("name", "precision"), [("server-amx", "bf16x3"), ("server-epyc", "fp32"), ("h100", "fp32")])
def test_recordings_are_encoded_in_bf16x3_where_tiles_make_it_fast(name: str, precision: str) -> None:
    encoder = make(machines(name)).stages[ENCODER]
    assert encoder.precision == precision
    assert any(reason.startswith(f"{precision}: ") for reason in encoder.reasons)


@pytest.mark.parametrize(("name", "precision"), [("ryzen-5", "int16"), ("server-amx", "bf16"), ("m2-pro", "fp16")])
def test_audio_is_decoded_in_int16_where_nothing_else_is_fast(name: str, precision: str) -> None:
    decoder = make(machines(name)).stages[DECODER]
    assert decoder.precision == precision
    assert any(reason.startswith(f"{precision}: ") for reason in decoder.reasons)


def test_precision_changes_what_fits() -> None:
    small, large = (
        make(machines("i5-laptop"), override(LM, precision=p, quantization="none")).stages[LM] for p in ("bf16", "fp32")
    )
    assert small.memory_gb / small.slots < large.memory_gb / large.slots


@pytest.mark.parametrize(
    ("name", "stage", "fields", "message"),
    [
        ("ryzen-5", "text_to_semantics", {}, "did you mean 'text_to_semantic'"),
        ("ryzen-5", "zzz", {}, "choose one of reference_encoder"),
        ("ryzen-5", LM, {"quantisation": "int8"}, "did you mean 'quantization'"),
        ("ryzen-5", LM, {"reasons": ("x",)}, "unknown"),
        ("ryzen-5", LM, {"device": "tpu"}, "text_to_semantic.device"),
        ("ryzen-5", LM, {"threads": 0}, "text_to_semantic.threads"),
        ("ryzen-5", LM, {"threads": True}, "text_to_semantic.threads"),
        ("ryzen-5", LM, {"threads": 13}, "ask for at most 12"),
        ("ryzen-5", LM, {"slots": "8"}, "text_to_semantic.slots"),
        ("ryzen-5", LM, {"num_cpus": -1.0}, "text_to_semantic.num_cpus"),
        ("ryzen-5", LM, {"num_cpus": float("nan")}, "text_to_semantic.num_cpus"),
        ("ryzen-5", LM, {"min_replicas": -1}, "text_to_semantic.min_replicas"),
        ("ryzen-5", LM, {"max_replicas": 0}, "text_to_semantic.max_replicas"),
        ("ryzen-5", LM, {"min_replicas": 3, "max_replicas": 2}, "min_replicas 3 is over max_replicas 2"),
        ("ryzen-5", LM, {"initial_replicas": 3, "max_replicas": 2}, "initial_replicas 3 is over"),
        ("ryzen-5", LM, {"device": "cuda"}, "no machine has cuda.*set its device to auto or cpu"),
        ("ryzen-5", LM, {"device": "mps"}, "no machine has mps"),
        ("ryzen-5", LM, {"precision": "fp16"}, "fp16 does not run on cpu: choose fp32 or bf16"),
        ("server-amx", LM, {"precision": "bf16x3"}, "bf16x3 does not run on cpu: choose fp32 or bf16, or another"),
        ("ryzen-5", DECODER, {"precision": "bf16x3"}, "bf16x3 needs a CPU with AMX: choose fp32 or bf16"),
        ("server-amx", DECODER, {"precision": "int16"}, "int16 needs a CPU with AVX2 and without AVX-512: choose fp32"),
        ("ryzen-5", LM, {"precision": "int16"}, "int16 does not run on cpu: choose fp32 or bf16, or another"),
        ("rtx-4090", DECODER, {"precision": "bf16x3"}, "bf16x3 does not run on cuda: choose fp32 or fp16 or bf16"),
        ("ryzen-5", LM, {"num_gpus": 1.0}, "num_gpus must be 0"),
        ("ryzen-5", LM, {"num_cpus": 64.0}, "lower num_cpus"),
        ("ryzen-5", LM, {"initial_replicas": 5}, "do not fit 12 CPUs and 0 GPUs"),
        ("ryzen-5", LM, {"slots": 400}, "GB usable RAM .* is under"),
        ("ryzen-5", DECODER, {"quantization": "int8"}, "int8 exists for text_to_semantic only"),
        ("rtx-4090", DECODER, {"compile": True}, "only text_to_semantic is compiled"),
        ("ryzen-5", DECODER, {"quantization": "int4"}, "int4 exists for text_to_semantic only"),
        ("rtx-4090", LM, {"quantization": "int4"}, "int4 on cuda does not run: set device to cpu, or"),
        ("m2-pro", LM, {"quantization": "int8"}, "int8 on mps falls back to the CPU"),
        ("m2-pro", LM, {"precision": "bf16"}, "bf16 does not run on mps: choose fp32 or fp16"),
        ("v100", LM, {"precision": "bf16"}, "compute capability 8.0"),
        ("rtx-4090", LM, {"num_gpus": 1.5}, "whole number"),
        ("rtx-4090", LM, {"num_gpus": 0.2}, r"takes 10\.\d of 2\d\.\d GB usable VRAM.*ask for at least 0\.4"),
        ("rtx-4090", DECODER, {"num_gpus": 0.0}, "ask for at least"),
        ("rtx-4090", LM, {"num_gpus": 2.0}, "lower num_cpus"),
    ],
)
def test_impossible_overrides_say_what_to_do(name: str, stage: str, fields: dict, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        make(machines(name), PlanOptions(stages={stage: fields}))


@pytest.mark.parametrize("stages", [{LM: 3}, {LM: ["device", "cpu"]}])
def test_overrides_must_be_mappings(stages: dict) -> None:
    with pytest.raises(PlanError, match="mapping"):
        make(machines("ryzen-5"), PlanOptions(stages=stages))


def test_an_empty_override_is_none() -> None:
    assert make(machines("ryzen-5"), PlanOptions(stages={LM: None})) == make(machines("ryzen-5"))


def test_a_tier_can_be_named() -> None:
    plan = make(machines("server-epyc"), PlanOptions(tier="cpu-low"))
    assert (plan.tier, plan.text_limit) == ("cpu-low", 300)
    assert any(reason.startswith("tier cpu-low: asked for") for reason in plan.reasons)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PlanOptions(tier="cpu-lo"), "tier 'cpu-lo' is unknown: did you mean 'cpu-low'"),
        (PlanOptions(tier="zzz"), "tier 'zzz' is unknown: choose one of auto, nvidia-datacenter"),
        (PlanOptions(tier="nvidia-large"), "another device than these machines have"),
        (PlanOptions(device="cpu", tier="apple-pro"), "leave the tier to auto"),
    ],
)
def test_impossible_tiers_say_what_to_do(options: PlanOptions, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        make(machines("server-epyc"), options)


@pytest.mark.parametrize("device", ["gpu", "", "CUDA"])
def test_unknown_devices_are_refused(device: str) -> None:
    with pytest.raises(PlanError, match="choose auto, cpu, cuda, mps"):
        make(machines("ryzen-5"), PlanOptions(device=device))


def test_no_machines() -> None:
    with pytest.raises(PlanError, match="no machine offers a CPU"):
        make([])
    with pytest.raises(PlanError, match="no machine offers a CPU"):
        make([dataclasses.replace(machine("ryzen-5"), schedulable_cpus=0.0)])
    with pytest.raises(PlanError, match="same node id"):
        make([machine("ryzen-5")] * 2)


@pytest.mark.parametrize("value", [-1, float("inf"), "much", True])
def test_footprints_are_checked(value: object) -> None:
    with pytest.raises(ValueError, match="runtime_gb"):
        Footprints(runtime_gb=value)


def test_to_dict_is_json() -> None:
    plan = make(machines("mixed-cluster"))
    assert json.loads(json.dumps(plan.to_dict()))["stages"][LM]["device"] == "cuda"
