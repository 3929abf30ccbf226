"""Profiles as JSON, and detection on the machine that runs the tests."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
from pathlib import Path

import psutil
import pytest

from cluster.machine.hardware import TorchCuda, detect
from cluster.machine.nvml import is_visible
from cluster.machine.profile import Cpu, HardwareProfile, ProfileError
from tests.paths import PROFILES


def document(name: str = "rtx-4090") -> dict:
    return json.loads((PROFILES / f"{name}.json").read_text())


@pytest.mark.parametrize("path", sorted(PROFILES.rglob("*.json")), ids=lambda p: p.stem)
def test_json_there_and_back(path: Path) -> None:
    profile = HardwareProfile.from_json(path.read_text())
    assert HardwareProfile.from_json(profile.to_json()) == profile


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(color="red"), "color"),
        (lambda d: d["cpu"].update(cores=3), "cpu.cores"),
        (lambda d: d["gpus"][0].update(vram=3), "gpus.0.vram"),
        (lambda d: d.pop("os"), "os"),
        (lambda d: d.update(os="beos"), "os"),
        (lambda d: d.update(ram_total="64 GB"), "ram_total"),
        (lambda d: d.update(ram_total=0), "ram_total"),
        (lambda d: d.update(ram_available=-1), "ram_available"),
        (lambda d: d.update(ram_available=d["ram_total"] + 1), "ram_available"),
        (lambda d: d.update(fanless=1), "fanless"),
        (lambda d: d["cpu"].update(physical_cores=True), "cpu.physical_cores"),
        (lambda d: d["cpu"].update(performance_cores=99), "performance <= physical <= logical"),
        (lambda d: d["cpu"].update(instruction_sets=["mmx"]), "instruction_sets"),
        (lambda d: d["gpus"][0].update(vram_free=10**15), "vram_free"),
        (lambda d: d["gpus"][0].update(compute_capability=[8]), "compute_capability"),
        (lambda d: d["gpus"][0].update(compute_capability=[-8, 0]), "compute_capability"),
        (lambda d: d.update(gpus=d["gpus"] * 2), "same index"),
        (lambda d: d.update(apple="M2 Pro"), "but os is linux"),
        (lambda d: d.update(node=""), "node must not be empty"),
        (lambda d: d.update(schedulable_cpus=-1.0), "schedulable_cpus"),
    ],
)
def test_strict(change, message: str) -> None:
    data = document()
    change(data)
    with pytest.raises(ProfileError, match=message.replace(".", r"\.")):
        HardwareProfile.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"cpu": NaN}'])
def test_not_a_profile(text: str) -> None:
    with pytest.raises(ProfileError):
        HardwareProfile.from_json(text)


def test_contradictions_are_refused_without_json_too() -> None:
    with pytest.raises(ProfileError):
        Cpu("amd", "x", physical_cores=4, performance_cores=5, logical_cores=8)


def test_detect_here() -> None:
    profile = detect()
    assert profile == HardwareProfile.from_json(profile.to_json())
    assert profile.cpu.logical_cores <= len(os.sched_getaffinity(0))
    assert 0 < profile.ram_available <= profile.ram_total <= psutil.virtual_memory().total
    assert profile.gpus or profile.nvml_error or os.environ.get("CUDA_VISIBLE_DEVICES") is not None
    if profile.nvml_error:
        assert "driver" in profile.nvml_error or "nvidia-ml-py" in profile.nvml_error
    assert detect("node-7").node == "node-7"


def test_affinity_is_seen() -> None:
    one = frozenset({min(os.sched_getaffinity(0))})
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        profile = pool.apply(_pinned, (one,))
    assert profile.cpu.logical_cores == profile.cpu.physical_cores == 1


def _pinned(cpus: frozenset[int]) -> HardwareProfile:
    os.sched_setaffinity(0, cpus)
    return detect()


def test_memory_of_own_processes_counts_as_free() -> None:
    ballast = bytearray(os.urandom(1 << 20)) * 300
    title = psutil.Process().cmdline()[0]
    plain, counted = detect(), detect(own_processes=title)
    assert counted.ram_available - plain.ram_available > len(ballast) // 2


@pytest.mark.parametrize(
    ("shown", "seen"),
    [(None, [0, 1]), ("", []), ("-1", []), ("0", [0]), ("1,0", [0, 1]), (" 1 ", [1]), ("GPU-bb", [1]), ("10", [])],
)
def test_cuda_visible_devices(shown: str | None, seen: list[int]) -> None:
    assert [i for i, uuid in enumerate(("GPU-aa11", "GPU-bb22")) if is_visible(i, uuid, shown)] == seen


@pytest.mark.parametrize(
    ("capability", "runs"),
    [((7, 0), False), ((7, 5), True), ((8, 0), True), ((8, 9), True), ((9, 0), True), ((13, 0), False)],
)
def test_torch_without_kernels_for_a_gpu(capability: tuple[int, int], runs: bool) -> None:
    torch = TorchCuda("13.0", ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"))
    assert (torch.problem(capability) is None) is runs


def test_torch_with_ptx_and_without_cuda() -> None:
    assert TorchCuda("13.0", ("sm_90", "compute_90")).problem((13, 0)) is None
    assert "CUDA build" in (TorchCuda(None, ()).problem((9, 0)) or "")


def test_profiles_are_values() -> None:
    profile = HardwareProfile.from_json(json.dumps(document()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.os = "macos"
    assert not hasattr(profile, "__dict__")
