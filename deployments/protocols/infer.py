"""KServe v2's `infer` for the ensemble, with Triton's binary tensors: text and a voice in, the whole speech out as PCM.

https://github.com/kserve/open-inference-protocol and Triton's extension_binary_data.md, which tritonclient speaks.
"""

from __future__ import annotations

import math
import struct
from contextlib import aclosing
from typing import Any

import numpy as np
from pydantic import model_validator
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from deployments.pipeline import Pipeline
from deployments.protocols import fields
from models.repository import ModelConfig
from models.suggest import did_you_mean
from models.types import InvalidRequest, Reference, SynthesisRequest

HEADER_LENGTH = "Inference-Header-Content-Length"
DTYPES = {"FP32": np.dtype("<f4"), "INT32": np.dtype("<i4"), "INT64": np.dtype("<i8")}


class InputTensor(fields.Fields):
    """`data` unless it follows the JSON, in so many bytes as `parameters.binary_data_size` says."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class OutputTensor(fields.Fields):
    name: str
    parameters: dict[str, Any] = {}


class InferRequest(fields.Fields):
    inputs: list[InputTensor]
    outputs: list[OutputTensor] = []
    id: str | None = None
    parameters: dict[str, Any] = {}

    @property
    def wants_binary(self) -> bool:
        always = bool(self.parameters.get("binary_data_output"))
        return any(each.parameters.get("binary_data", always) for each in self.outputs) if self.outputs else always


class SpeechInputs(fields.Generation):
    """The ensemble's inputs by their names in small letters."""

    text: str
    voice: str | None = None
    reference_audio: fields.Audio | None = None
    reference_text: str | None = None

    @model_validator(mode="after")
    def _a_recording_has_words(self) -> SpeechInputs:
        if (self.reference_audio is None) != (self.reference_text is None):
            raise ValueError("REFERENCE_AUDIO needs the words spoken in it as REFERENCE_TEXT, and these the recording")
        return self

    def synthesis(self) -> SynthesisRequest:
        audio, text = self.reference_audio, self.reference_text
        references = () if audio is None or text is None else (Reference(audio, text),)
        return SynthesisRequest(self.text, references, self.voice, self.sampling(), format="pcm")


async def speech(request: Request, model: ModelConfig) -> Response:
    """Raises InvalidRequest, and what Pipeline.open raises."""
    asked, raw = _split(await request.body(), request.headers.get(HEADER_LENGTH))
    for output in asked.outputs:
        _named(model.outputs, output.name)
    synthesis = fields.check(SpeechInputs, _values(asked, raw, model)).synthesis()
    pipeline: Pipeline = request.app.state.pipeline
    spoken = await pipeline.open(synthesis)
    async with aclosing(spoken.blocks()) as blocks:
        pcm = np.concatenate([block async for block in blocks])
    parameters = {"sample_rate": spoken.sample_rate, "seed": synthesis.sampling.seed}
    return _answer(asked, model, pcm, parameters, spoken.headers)


def _split(body: bytes, header_length: str | None) -> tuple[InferRequest, bytes]:
    """The JSON of a body, and the binary tensors behind it."""
    try:
        length = len(body) if header_length is None else int(header_length)
        if not 0 <= length <= len(body):
            raise ValueError(f"{HEADER_LENGTH} says {length}, the body has {len(body)} bytes")
        return fields.check(InferRequest, from_json(body[:length])), body[length:]
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is no inference request: {error}") from None


def _named(tensors: list, name: str):
    for tensor in tensors:
        if tensor.name == name:
            return tensor
    raise fields.InvalidField(f"No tensor {name!r}{did_you_mean(name, [tensor.name for tensor in tensors])}", name)


def _values(asked: InferRequest, raw: bytes, model: ModelConfig) -> dict[str, Any]:
    """Every input's single value, by its name in small letters. Binary ones lie in `raw` one after the other."""
    values, at = {}, 0
    for given in asked.inputs:
        tensor = _named(model.inputs, given.name)
        if given.datatype != tensor.datatype:
            raise fields.InvalidField(f"{given.name} is {tensor.datatype}, not {given.datatype}", given.name)
        size = given.parameters.get("binary_data_size")
        if size is None:
            data = given.data or []
        elif isinstance(size, int) and 0 <= size <= len(raw) - at:
            data, at = _unpacked(given, raw[at : at + size]), at + size
        else:
            raise fields.InvalidField(f"{given.name}: the body ends before its {size!r} bytes", given.name)
        if math.prod(given.shape) != 1 or len(data) != 1:
            got = f"shape {given.shape} and {len(data)} values"
            raise fields.InvalidField(f"{given.name} takes one value: got {got}", given.name)
        (values[given.name.lower()],) = data
    if at != len(raw):
        raise InvalidRequest(f"{len(raw) - at} bytes of the body belong to no input")
    return {name: _text(name, value) for name, value in values.items()}


def _unpacked(given: InputTensor, data: bytes) -> list[Any]:
    """A tensor's values; those of BYTES stand each behind its length, of four bytes."""
    if given.datatype != "BYTES":
        dtype = DTYPES[given.datatype]
        return np.frombuffer(data[: len(data) - len(data) % dtype.itemsize], dtype).tolist()
    values, at = [], 0
    while at + 4 <= len(data):
        (length,) = struct.unpack_from("<I", data, at)
        values.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return values


def _text(name: str, value: Any) -> Any:
    """Binary tensors of words are UTF-8; a recording stays bytes."""
    if not isinstance(value, bytes) or name == "reference_audio":
        return value
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise fields.InvalidField(f"{name.upper()} is not UTF-8: {error}", name) from None


def _answer(
    asked: InferRequest, model: ModelConfig, pcm: np.ndarray, parameters: dict[str, Any], headers: dict[str, str]
) -> Response:
    output = {"name": "PCM", "datatype": "FP32", "shape": [len(pcm)]}
    body = {"model_name": model.name, "model_version": "1", "parameters": parameters, "outputs": [output]}
    if asked.id is not None:
        body["id"] = asked.id
    if not asked.wants_binary:
        output["data"] = pcm.tolist()
        return Response(to_json(body), headers=headers, media_type="application/json")
    data = pcm.astype(DTYPES["FP32"]).tobytes()
    output["parameters"] = {"binary_data_size": len(data)}
    head = to_json(body)
    headers = headers | {HEADER_LENGTH: str(len(head))}
    return Response(head + data, headers=headers, media_type="application/octet-stream")
