"""The model repository: one config.yaml beside each model's code, and one for the ensemble, in Triton's terms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.suggest import did_you_mean
from models.types import SettingsError

ROOT = Path(__file__).parent

Datatype = Literal["BOOL", "INT16", "INT32", "INT64", "FP32", "BYTES"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Tensor(_Strict):
    """One input or output. `dims` are without the batch; -1 is any length."""

    name: str
    datatype: Datatype
    dims: list[Annotated[int, Field(ge=-1)]]
    optional: bool = False


class DynamicBatching(_Strict):
    """Requests that arrive within this window of one another may share a batch; without a window, those that wait
    while a batch is computed share the next one."""

    max_queue_delay_microseconds: int = Field(ge=0)


class InstanceGroup(_Strict):
    """Where the replicas run; KIND_AUTO leaves it to the plan (cluster.planning.planner)."""

    kind: Literal["KIND_AUTO", "KIND_CPU", "KIND_GPU"] = "KIND_AUTO"
    count: int = Field(1, ge=1)


class Step(_Strict):
    """One model of an ensemble; the maps go from the model's tensor names to the ensemble's."""

    model_name: str
    input_map: dict[str, str]
    output_map: dict[str, str]


class ModelConfig(_Strict):
    """A config.yaml. With `max_batch_size` 0 requests are not batched; `decoupled` models stream their outputs."""

    name: str
    description: str
    platform: Literal["pytorch", "ensemble"]
    max_batch_size: int = Field(ge=0)
    inputs: list[Tensor]
    outputs: list[Tensor]
    decoupled: bool = False
    dynamic_batching: DynamicBatching | None = None
    instance_group: InstanceGroup = InstanceGroup()
    ensemble: list[Step] = []

    def planned(self, slots: int, device: str, replicas: int) -> ModelConfig:
        """As it runs on the machines that there are."""
        group = InstanceGroup(kind="KIND_CPU" if device == "cpu" else "KIND_GPU", count=replicas)
        return self.model_copy(update={"max_batch_size": slots, "instance_group": group})

    def triton(self) -> dict[str, Any]:
        """The same as Triton's model configuration (model_config.proto in JSON), which is what its clients expect."""
        config: dict[str, Any] = {
            "name": self.name,
            "platform": self.platform,
            "backend": "" if self.ensemble else "python",
            "max_batch_size": self.max_batch_size,
            "input": [_triton_tensor(tensor) | {"optional": tensor.optional} for tensor in self.inputs],
            "output": [_triton_tensor(tensor) for tensor in self.outputs],
            "model_transaction_policy": {"decoupled": self.decoupled},
            "instance_group": [self.instance_group.model_dump()],
            "parameters": {"description": {"string_value": self.description}},
        }
        if self.dynamic_batching:
            config["dynamic_batching"] = self.dynamic_batching.model_dump()
        if self.ensemble:
            config["ensemble_scheduling"] = {"step": [{"model_version": -1, **s.model_dump()} for s in self.ensemble]}
        return config

    def metadata(self) -> dict[str, Any]:
        """KServe v2's model metadata; shapes begin with the batch where there is one."""
        batch = [-1] if self.max_batch_size else []

        def described(tensors: list[Tensor]) -> list[dict[str, Any]]:
            return [{"name": t.name, "datatype": t.datatype, "shape": batch + t.dims} for t in tensors]

        return {
            "name": self.name,
            "versions": ["1"],
            "platform": self.platform,
            "inputs": described(self.inputs),
            "outputs": described(self.outputs),
        }


def _triton_tensor(tensor: Tensor) -> dict[str, Any]:
    kind = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    return {"name": tensor.name, "data_type": f"TYPE_{kind}", "dims": tensor.dims}


def load(root: Path = ROOT) -> dict[str, ModelConfig]:
    """Every model below `root`, by name. Raises SettingsError that names the file and what is wrong in it."""
    configs = {config.name: config for config in map(read, sorted(root.glob("*/config.yaml")))}
    for config in configs.values():
        for step in config.ensemble:
            _check_step(config, step, configs)
    return configs


def read(path: Path) -> ModelConfig:
    """One config.yaml. Raises SettingsError."""
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
    nested = {
        "inputs": Tensor,
        "outputs": Tensor,
        "dynamic_batching": DynamicBatching,
        "instance_group": InstanceGroup,
        "ensemble": Step,
    }
    return list((nested[str(loc[0])] if loc else ModelConfig).model_fields)


def _check_step(config: ModelConfig, step: Step, configs: dict[str, ModelConfig]) -> None:
    if step.model_name not in configs:
        raise SettingsError(f"{config.name}: no model {step.model_name!r}{did_you_mean(step.model_name, configs)}")
    model = configs[step.model_name]
    for names, tensors in ((step.input_map, model.inputs), (step.output_map, model.outputs)):
        valid = [tensor.name for tensor in tensors]
        for name in names:
            if name not in valid:
                raise SettingsError(f"{config.name}: {model.name} has no {name!r}{did_you_mean(name, valid)}")
