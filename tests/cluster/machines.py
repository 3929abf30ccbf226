"""The machine profiles of profiles/, by name (a folder is a cluster), and options that concern one stage."""

from __future__ import annotations

from cluster.machine.profile import HardwareProfile
from cluster.planning.footprints import Footprints
from cluster.planning.plan import PlanOptions
from tests.paths import PROFILES

NAMES = sorted(path.stem for path in PROFILES.iterdir())
SMALL = Footprints(20_000_000, 5_000_000, 10_000_000, 10_000_000, 4096, encoder_values_per_slot=1_000_000)


def machines(name: str) -> list[HardwareProfile]:
    path = PROFILES / name
    files = sorted(path.glob("*.json")) if path.is_dir() else [path.with_suffix(".json")]
    return [HardwareProfile.from_json(file.read_text()) for file in files]


def machine(name: str) -> HardwareProfile:
    (only,) = machines(name)
    return only


def override(stage: str, **fields: object) -> PlanOptions:
    return PlanOptions(stages={stage: fields})
