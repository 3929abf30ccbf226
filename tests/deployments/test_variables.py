"""Environment variables over the configuration file, and what is said of an earlier server's."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.planning.plan import PlanError, PlanOptions
from cluster.planning.planner import make
from cluster.planning.stages import LM
from deployments import variables
from deployments.settings import read
from models.types import SettingsError
from tests.cluster.machines import machine


@pytest.mark.parametrize("given", ["CPU", "Cpu", "cpu"])
def test_a_device_is_understood_in_any_case(given: str) -> None:
    assert read({}, {"DEVICE": given}).device == "cpu"


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("MIXED_PRECISION", "FP32", "precision", "fp32"),
        ("QUANTIZATION", "int8", "quantization", "int8"),
        ("QUANTIZATION", "4bit", "quantization", "int4"),
        ("QUANTIZATION", "none", "quantization", "none"),
        ("ENABLE_TORCH_COMPILE", "False", "compile", False),
        ("ENABLE_TORCH_COMPILE", "1", "compile", True),
        ("MAX_SEQ_LEN", "1024", "max_positions", 1024),
    ],
)
def test_older_variables_reach_the_plan(name: str, value: str, field: str, expected: object) -> None:
    settings = read({"stages": {LM: {"slots": 2}}}, {name: value})
    assert settings.stages[LM] == {"slots": 2, field: expected}
    stage = make([machine("ryzen-5")], PlanOptions(stages=settings.stages)).stages[LM]
    assert (getattr(stage, field), stage.slots) == (expected, 2)
    assert variables.notes({name: value}) == [f"{name}={value} sets stages.text_to_semantic.{field}."]


@pytest.mark.parametrize("name", ["MIXED_PRECISION", "QUANTIZATION", "ENABLE_TORCH_COMPILE", "MAX_SEQ_LEN"])
@pytest.mark.parametrize("value", ["", "auto", "AUTO"])
def test_auto_leaves_the_choice_to_the_plan(name: str, value: str) -> None:
    assert read({}, {name: value}).stages == {} and variables.notes({name: value}) == []


def test_variables_win_over_the_file_and_leave_the_rest_of_it() -> None:
    file = {"monitoring": {"csv": None}, "log_level": "error", "stages": {LM: {"quantization": "int8", "threads": 2}}}
    settings = read(file, {"CSV": "logs", "LOG_LEVEL": "DEBUG", "QUANTIZATION": "int4"})
    assert (settings.monitoring.csv, settings.log_level) == ("logs", "debug")
    assert settings.stages[LM] == {"quantization": "int4", "threads": 2}
    assert file["stages"] == {LM: {"quantization": "int8", "threads": 2}}, "the file's own stay as they are"


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "CHUNK_LENGTH", "MODEL_DIR"])
def test_what_is_not_followed_is_named_with_its_place(name: str) -> None:
    (note,) = variables.notes({name: "3"})
    assert note.startswith(f"{name} is not followed: set ")
    assert read({}, {name: "3"}) == read({}, {})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"LOG_LEVEL": "loud"}, "log_level: .*got 'loud'"),
        ({"DEVICE": "tpu"}, "device: .*got 'tpu'"),
        ({"NODES": "many"}, "nodes: .*got 'many'"),
    ],
)
def test_an_impossible_value_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read({}, environment)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"MIXED_PRECISION": "tf32"}, "text_to_semantic.precision: .*got 'tf32'"),
        ({"ENABLE_TORCH_COMPILE": "maybe"}, "text_to_semantic.compile: .*got 'maybe'"),
        ({"MAX_SEQ_LEN": "long"}, "text_to_semantic.max_positions: .*got 'long'"),
        ({"MAX_SEQ_LEN": "16384"}, "max_positions 16384 is over the 8192"),
    ],
)
def test_the_plan_refuses_what_cannot_run(environment: dict[str, str], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        make([machine("ryzen-5")], PlanOptions(stages=read({}, environment).stages))


def test_a_section_that_is_none_is_refused_as_without_variables() -> None:
    with pytest.raises(SettingsError, match="stages: "):
        read({"stages": "all"}, {"QUANTIZATION": "int8"})


def test_a_dotenv_file_is_read_below_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dotenv import load_dotenv

    (tmp_path / ".env").write_text("DEVICE=CPU  # a comment\nQUANTIZATION=int8\n")
    monkeypatch.setenv("DEVICE", "auto")
    monkeypatch.setenv("QUANTIZATION", "int8")
    monkeypatch.delenv("QUANTIZATION")
    load_dotenv(tmp_path / ".env")
    settings = read({})
    assert settings.device == "auto" and settings.stages[LM]["quantization"] == "int8"
