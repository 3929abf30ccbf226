"""Planner and kernels, which do not know each other, agree on precisions and on the CPUs that have kernels for them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from cluster.machine.probe import instruction_sets
from cluster.machine.profile import HardwareProfile
from cluster.planning.abilities import NATIVE, can_hold
from cluster.planning.footprints import BYTES
from cluster.planning.tiers import Precision
from models.codec.native.kernels import suitable
from models.runtime.precision import DTYPES, KERNELS_ONLY
from tests.paths import PROFILES

CPUS = {
    "Sapphire Rapids": "avx2 avx512f avx512_vnni avx512_bf16 amx_tile amx_bf16 amx_int8",
    "Ice Lake": "avx2 avx512f avx512_vnni",
    "Zen 4": "avx2 avx512f avx512_vnni avx512_bf16",
    "Zen 3": "avx2 fma",
    "Alder Lake": "avx2 fma avx_vnni",
    "before AVX2": "avx",
    "ARM": "asimd bf16",
}


def test_both_know_the_same_precisions() -> None:
    assert set(get_args(Precision)) == set(DTYPES) == set(BYTES)
    assert set(NATIVE) == set(KERNELS_ONLY)


@pytest.mark.parametrize("name", CPUS)
def test_a_precision_of_the_kernels_is_planned_where_they_have_it(name: str) -> None:
    flags = CPUS[name].split()
    usual = HardwareProfile.from_json((PROFILES / "container-2-core-4gb.json").read_text())
    machine = replace(usual, cpu=replace(usual.cpu, instruction_sets=instruction_sets(flags)))
    assert all(can_hold("cpu", precision, machine) for precision in suitable(flags))
    for precision in KERNELS_ONLY:
        assert can_hold("cpu", precision, machine) == (precision in suitable(flags))
