"""The models as they are served: the files' words, the checkpoint's figures, and the plan's once there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.repository.checks import check
from models.repository.config import InstanceGroup, ModelConfig, Strict, Tensor, read

ROOT = Path(__file__).parent.parent


class CodecFigures(Strict):
    """What the checkpoint decides: codebooks of a frame, samples of a frame, and samples per second."""

    codebooks: int
    frame_length: int
    sample_rate: int


class ServedModel(ModelConfig):
    """A model whose dims are the checkpoint's."""

    codec: CodecFigures

    def planned(self, slots: int, device: str, replicas: int) -> ServedModel:
        """As it runs on these machines."""
        group = InstanceGroup(kind="KIND_CPU" if device == "cpu" else "KIND_GPU", count=replicas)
        return self.model_copy(update={"max_batch_size": slots, "instance_group": group})

    def triton(self) -> dict[str, Any]:
        """Triton's model configuration (model_config.proto in JSON), which is what its clients expect."""
        parameters = {"description": self.description, **self.codec.model_dump()}
        config: dict[str, Any] = {
            "name": self.name,
            "platform": self.platform,
            "backend": "" if self.ensemble else "python",
            "max_batch_size": self.max_batch_size,
            "input": [_triton_tensor(tensor) | {"optional": tensor.optional} for tensor in self.inputs],
            "output": [_triton_tensor(tensor) for tensor in self.outputs],
            "model_transaction_policy": {"decoupled": self.decoupled},
            "parameters": {name: {"string_value": str(value)} for name, value in parameters.items()},
        }
        if self.instance_group:
            config["instance_group"] = [self.instance_group.model_dump(exclude_none=True)]
        if self.dynamic_batching:
            config["dynamic_batching"] = self.dynamic_batching.model_dump()
        if self.ensemble:
            config["ensemble_scheduling"] = {"step": [{"model_version": -1, **s.model_dump()} for s in self.ensemble]}
        return config

    def metadata(self) -> dict[str, Any]:
        """KServe v2's model metadata; shapes begin with the batch where there is one."""
        batch = [-1] if self.max_batch_size else []

        def described(tensors: list[Tensor]) -> list[dict[str, Any]]:
            return [{"name": t.name, "datatype": t.datatype, "shape": [*batch, *t.dims]} for t in tensors]

        return {
            "name": self.name,
            "versions": ["1"],
            "platform": self.platform,
            "inputs": described(self.inputs),
            "outputs": described(self.outputs),
        }


def load(codec: CodecFigures, root: Path = ROOT) -> dict[str, ServedModel]:
    """Every model below `root`, by name. Raises SettingsError that names the file and what is wrong in it."""
    configs = {config.name: config for config in map(read, sorted(root.glob("*/config.yaml")))}
    check(configs)
    return {name: _served(config, codec) for name, config in configs.items()}


def _served(config: ModelConfig, codec: CodecFigures) -> ServedModel:
    def resolved(tensor: Tensor) -> Tensor:
        dims = [codec.codebooks if dim == "codebooks" else dim for dim in tensor.dims]
        return tensor.model_copy(update={"dims": dims})

    given = {name: getattr(config, name) for name in ModelConfig.model_fields}
    tensors = {name: [resolved(tensor) for tensor in given[name]] for name in ("inputs", "outputs")}
    return ServedModel(**given | tensors, codec=codec)


def _triton_tensor(tensor: Tensor) -> dict[str, Any]:
    kind = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    return {"name": tensor.name, "data_type": f"TYPE_{kind}", "dims": tensor.dims}
