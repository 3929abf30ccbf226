"""What a config.yaml may not say: what the code does not do, and what the other files contradict. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from models.repository.config import ModelConfig, Step, Tensor
from models.suggest import did_you_mean
from models.types import SettingsError

Configs = Mapping[str, ModelConfig]


class Serving(NamedTuple):
    """How the code serves a stage, which its file can tell but not change."""

    decoupled: bool
    dynamic_batching: bool


# Text-to-semantic batches continuously: streams join and leave between two steps.
STAGES = {
    "reference_encoder": Serving(decoupled=False, dynamic_batching=True),
    "text_to_semantic": Serving(decoupled=True, dynamic_batching=False),
    "vq_decoder": Serving(decoupled=True, dynamic_batching=True),
}
# The one input of the ensemble that no step takes: a registered voice's recording is read from the voice library.
VOICE = Tensor(name="VOICE", datatype="BYTES", dims=[1], optional=True)


def check(configs: Configs) -> None:
    """Raises SettingsError for the first file that is wrong, with every fault in it."""
    for name in STAGES:
        if name not in configs:
            raise SettingsError(f"models/{name}/config.yaml is missing: restore it")
    for config in configs.values():
        if config.platform == "ensemble":
            faults = list(_ensemble(config, configs))
        elif config.name in STAGES:
            faults = list(_stage(config, STAGES[config.name]))
        else:
            faults = [f"there is no stage {config.name!r}{did_you_mean(config.name, STAGES)}"]
        if faults:
            raise SettingsError(f"models/{config.name}/config.yaml: " + "; ".join(faults))


def _stage(config: ModelConfig, serving: Serving) -> Iterator[str]:
    if config.max_batch_size < 1:
        yield "max_batch_size: at least 1, it bounds the stage's slots"
    if config.decoupled != serving.decoupled:
        yield f"decoupled: the stage {'streams its' if serving.decoupled else 'gives whole'} outputs"
    batching = config.dynamic_batching
    if serving.dynamic_batching and batching is None:
        yield "dynamic_batching: the stage batches what waits: set max_queue_delay_microseconds to 0"
    if not serving.dynamic_batching and batching is not None:
        yield "dynamic_batching: the stage batches continuously, between two steps: remove it"
    if batching is not None and batching.max_queue_delay_microseconds:
        yield "dynamic_batching.max_queue_delay_microseconds: no batch waits to be filled: set it to 0"
    if config.ensemble:
        yield "ensemble: only the ensemble has steps"


def _ensemble(config: ModelConfig, configs: Configs) -> Iterator[str]:
    if config.max_batch_size:
        yield "max_batch_size: 0, the ensemble's requests are not batched"
    if config.instance_group:
        yield "instance_group: its steps have replicas, the ensemble has none"
    if config.dynamic_batching:
        yield "dynamic_batching: its steps batch, the ensemble does not"
    unknown = [step.model_name for step in config.ensemble if step.model_name not in STAGES]
    if unknown or not config.ensemble:
        yield from (f"ensemble: no model {name!r}{did_you_mean(name, STAGES)}" for name in unknown or ["nothing"])
        return
    if config.decoupled != any(configs[step.model_name].decoupled for step in config.ensemble):
        yield "decoupled: the ensemble streams its outputs as its steps do"
    yield from _wiring(config, configs)


def _wiring(config: ModelConfig, configs: Configs) -> Iterator[str]:
    """Tensors from the ensemble's inputs through the steps to its outputs: each exists, and fits where it goes."""
    there = {tensor.name: tensor for tensor in config.inputs}
    for step in config.ensemble:
        model = configs[step.model_name]
        inputs, outputs = ({t.name: t for t in tensors} for tensors in (model.inputs, model.outputs))
        for names, valid in ((step.input_map, inputs), (step.output_map, outputs)):
            for name in names.keys() - valid.keys():
                yield f"ensemble: {model.name} has no {name!r}{did_you_mean(name, valid)}"
        for own, tensor in inputs.items():
            source = step.input_map.get(own)
            if source is None:
                yield f"ensemble: {model.name} is not given its {own}"
            elif source not in there:
                yield f"ensemble: nothing gives {source!r}, which {model.name} needs{did_you_mean(source, there)}"
            elif not _alike(there[source], tensor):
                yield f"ensemble: {source} is not as {model.name} takes its {own}: {_shape(tensor)}"
        there |= {name: outputs[own] for own, name in step.output_map.items() if own in outputs}
    for output in config.outputs:
        if output.name not in there:
            yield f"outputs: no step gives {output.name!r}{did_you_mean(output.name, there)}"
        elif not _alike(there[output.name], output):
            yield f"outputs: {output.name} comes as {_shape(there[output.name])}"
    taken = {source for step in config.ensemble for source in step.input_map.values()}
    if [tensor for tensor in config.inputs if tensor.name not in taken] != [VOICE]:
        yield f"inputs: each goes to a step, but for VOICE, a registered one's name: {_shape(VOICE)}, optional"
    needed = _needed(config, configs)
    for given in config.inputs:
        if given.optional == (given.name in needed):
            yield f"inputs: {given.name} is {'needed' if given.optional else 'optional'} for what the steps give"


def _needed(config: ModelConfig, configs: Configs) -> set[str]:
    """Names of tensors without which there is no output: a step whose outputs are optional may be left out."""
    needed = {output.name for output in config.outputs}

    def runs(step: Step) -> bool:
        return bool(needed & set(step.output_map.values()))

    for step in filter(runs, reversed(config.ensemble)):
        required = {tensor.name for tensor in configs[step.model_name].inputs if not tensor.optional}
        needed |= {source for own, source in step.input_map.items() if own in required}
    return needed


def _alike(one: Tensor, other: Tensor) -> bool:
    return (one.datatype, one.dims) == (other.datatype, other.dims)


def _shape(tensor: Tensor) -> str:
    return f"{tensor.datatype} {tensor.dims}"
