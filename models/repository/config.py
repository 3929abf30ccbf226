"""A config.yaml as it is written: its keys, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.suggest import did_you_mean
from models.types import SettingsError

Datatype = Literal["BOOL", "INT16", "INT32", "INT64", "FP32", "BYTES"]


class Strict(BaseModel):
    """A part of a config.yaml: frozen, and without keys that nothing reads."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Tensor(Strict):
    """One input or output. `dims` are without the batch; -1 is any length, "codebooks" the checkpoint's number."""

    name: str
    datatype: Datatype
    dims: list[Annotated[int, Field(ge=-1)] | Literal["codebooks"]]
    optional: bool = False


class DynamicBatching(Strict):
    """Requests that wait while a batch is computed share the next one; there is no waiting window beyond that."""

    max_queue_delay_microseconds: int = Field(ge=0)


class InstanceGroup(Strict):
    """Where the replicas run, and how many: KIND_AUTO and no count leave both to the plan."""

    kind: Literal["KIND_AUTO", "KIND_CPU", "KIND_GPU"] = "KIND_AUTO"
    count: Annotated[int, Field(ge=1)] | None = None


class Step(Strict):
    """One model of an ensemble; the maps go from the model's tensor names to the ensemble's."""

    model_name: str
    input_map: dict[str, str]
    output_map: dict[str, str]


class ModelConfig(Strict):
    """A config.yaml. `max_batch_size` bounds a stage's slots, and is 0 for the ensemble, whose requests are not
    batched; `decoupled` models stream their outputs."""

    name: str
    description: str
    platform: Literal["pytorch", "ensemble"]
    max_batch_size: int = Field(ge=0)
    inputs: list[Tensor]
    outputs: list[Tensor]
    decoupled: bool = False
    dynamic_batching: DynamicBatching | None = None
    instance_group: InstanceGroup | None = None
    ensemble: list[Step] = []


def read(path: Path) -> ModelConfig:
    """One config.yaml. Raises SettingsError that names the file and every fault in it."""
    try:
        config = ModelConfig.model_validate(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not valid YAML: {error}") from None
    except ValidationError as error:
        raise SettingsError(f"{path}: " + "; ".join(_fault(fault) for fault in error.errors())) from None
    if config.name != path.parent.name:
        raise SettingsError(f"{path}: name is {config.name!r}, but the folder is {path.parent.name!r}")
    return config


def _fault(fault: Any) -> str:
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] != "extra_forbidden":
        return f"{where}: {fault['msg']} (got {fault['input']!r})"
    key = fault["loc"][-1]
    return f"{where}: unknown key{did_you_mean(str(key), _keys(fault['loc'][:-1]))}"


def _keys(loc: tuple[str | int, ...]) -> list[str]:
    """The valid keys at a place in a config.yaml."""
    nested: dict[str, type[BaseModel]] = {
        "inputs": Tensor,
        "outputs": Tensor,
        "dynamic_batching": DynamicBatching,
        "instance_group": InstanceGroup,
        "ensemble": Step,
    }
    return list((nested[str(loc[0])] if loc else ModelConfig).model_fields)
