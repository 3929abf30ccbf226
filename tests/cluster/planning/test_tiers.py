"""tiers.yaml is data: read strictly, and every row can be reached."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cluster.planning.plan import PlanOptions
from cluster.planning.planner import make
from cluster.planning.tiers import TABLE, TierError, load
from tests.cluster.machines import NAMES, SMALL, machines


def reached() -> set[str]:
    """Tiers of the known machines, as they are and locked to the CPU."""
    return {make(machines(n), PlanOptions(device, SMALL)).tier for n in NAMES for device in ("auto", "cpu")}


def test_every_row_is_some_machines_tier() -> None:
    assert reached() == {tier.name for tier in load()}


def write(tmp_path: Path, change) -> Path:
    document = yaml.safe_load(TABLE.read_text())
    change(document)
    path = tmp_path / "tiers.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["tiers"][0].update(colour="red"), "colour"),
        (lambda d: d["tiers"][0]["match"].update(vram=3), "match.vram"),
        (lambda d: d["tiers"][0].pop("text_limit"), "text_limit"),
        (lambda d: d["tiers"][0].update(text_limit="2000"), "text_limit"),
        (lambda d: d["tiers"][0].update(device="tpu"), "device"),
        (lambda d: d["tiers"][0].update(quantization=[]), "quantization"),
        (lambda d: d["tiers"][0]["slots"].pop("vq_decoder"), "slots.vq_decoder"),
        (lambda d: d["tiers"][4].update(quantization=["int8"]), "int8 on MPS"),
        (lambda d: d["tiers"][0].update(quantization=["none", "int4"]), "int4 runs on CPUs only"),
        (lambda d: d["tiers"][7].update(text_limit_hot=5000), "over text_limit"),
        (lambda d: d["tiers"].append(d["tiers"][0]), "share a name"),
        (
            lambda d: d["tiers"].insert(0, d["tiers"].pop(1)),
            "nvidia-datacenter is never reached, as nvidia-large above",
        ),
        (lambda d: d["tiers"][1]["match"].update(free_vram_gb_min=5), "nvidia-medium is never reached"),
        (lambda d: d["tiers"].insert(0, d["tiers"].pop()), "never reached, as cpu-low above it"),
        (lambda d: d.update(more=1), "unknown section more"),
        (lambda d: d.pop("defaults"), "defaults"),
    ],
)
def test_strict(tmp_path: Path, change, message: str) -> None:
    with pytest.raises(TierError, match=message):
        load(write(tmp_path, change))


def test_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "tiers.yaml"
    path.write_text("tiers: [")
    with pytest.raises(TierError, match=r"tiers\.yaml"):
        load(path)
