"""KServe v2's `infer` for the ensemble, with Triton's binary tensors: text and a voice in, the whole speech out as PCM.

https://github.com/kserve/open-inference-protocol and Triton's extension_binary_data.md, which tritonclient speaks.
"""

from __future__ import annotations

import math
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np
from pydantic import Field, model_validator
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from deployments.protocols import fields
from deployments.protocols.audio import SpeechStream, end_note
from deployments.protocols.base import pipeline_of
from deployments.synthesis.speech import Speech
from models.repository.config import ModelConfig, Tensor
from models.suggest import did_you_mean
from models.types import InvalidRequest, Reference, SynthesisRequest

HEADER_LENGTH = "Inference-Header-Content-Length"
DTYPES: dict[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "INT32": np.dtype("<i4"), "INT64": np.dtype("<i8")}


class InputTensor(fields.Fields):
    """`data` unless it follows the JSON, in so many bytes as `parameters.binary_data_size` says."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class OutputTensor(fields.Fields):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferRequest(fields.Fields):
    """The JSON of an inference request."""

    inputs: list[InputTensor]
    outputs: list[OutputTensor] = Field(default_factory=list)
    id: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def wants_binary(self) -> bool:
        """Whether any output is to follow the JSON in bytes."""
        always = bool(self.parameters.get("binary_data_output"))
        return any(each.parameters.get("binary_data", always) for each in self.outputs) if self.outputs else always


PARAMETERS = ("binary_data_output", "binary_data_size", "binary_data")


class SpeechInputs(fields.Generation):
    """The ensemble's inputs by their names in small letters; an empty one is absent."""

    text: str
    voice: fields.VoiceName = None
    reference_audio: fields.Audio | None = None
    reference_text: str | None = None

    @model_validator(mode="after")
    def _a_recording_has_words(self) -> SpeechInputs:
        if bool(self.reference_audio) != bool(self.reference_text):
            raise ValueError("REFERENCE_AUDIO needs the words spoken in it as REFERENCE_TEXT, and these the recording")
        return self

    def synthesis(self) -> SynthesisRequest:
        """Raises InvalidRequest for a value out of range."""
        audio, text = self.reference_audio, self.reference_text
        references = (Reference(audio, text),) if audio and text else ()
        return SynthesisRequest(self.text, references, self.voice, self.sampling(), format="pcm")


async def speech(request: Request, model: ModelConfig) -> Response:
    """Raises InvalidRequest, and what Pipeline.open raises."""
    pipeline = pipeline_of(request)
    asked, raw = _split(await request.body(), request.headers.get(HEADER_LENGTH))
    fields.tell_ignored(request, _ignored(asked))
    for output in asked.outputs:
        _named(model.outputs, output.name)
    synthesis = fields.check(SpeechInputs, _values(asked, raw, model)).synthesis()
    spoken = await pipeline.open(synthesis)
    answer: dict[str, Any] = {"model_name": model.name, "model_version": "1"}
    answer["parameters"] = {"sample_rate": spoken.sample_rate, "seed": synthesis.sampling.seed}
    if asked.id is not None:
        answer["id"] = asked.id
    if asked.wants_binary:
        return await _in_binary(answer, spoken)
    return SpeechStream(_in_json(answer, spoken), spoken, spoken.headers, "application/json")


def _ignored(asked: InferRequest) -> list[str]:
    """The names in a request that change nothing here, as `parameters.priority`."""
    return [*fields.ignored(asked), *(f"parameters.{name}" for name in asked.parameters if name not in PARAMETERS)]


def _split(body: bytes, header_length: str | None) -> tuple[InferRequest, bytes]:
    """The JSON of a body, and the binary tensors behind it."""
    try:
        length = len(body) if header_length is None else int(header_length)
        if not 0 <= length <= len(body):
            raise ValueError(f"{HEADER_LENGTH} says {length}, the body has {len(body)} bytes")
        return fields.check(InferRequest, from_json(body[:length])), body[length:]
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is no inference request: {error}") from None


def _named(tensors: Sequence[Tensor], name: str) -> Tensor:
    for tensor in tensors:
        if tensor.name == name:
            return tensor
    raise fields.InvalidField(f"No tensor {name!r}{did_you_mean(name, [tensor.name for tensor in tensors])}", name)


def _values(asked: InferRequest, raw: bytes, model: ModelConfig) -> dict[str, Any]:
    """Every input's single value, by its name in small letters. Binary ones lie in `raw` one after the other."""
    values: dict[str, Any] = {}
    at = 0
    for given in asked.inputs:
        tensor = _named(model.inputs, given.name)
        if given.datatype != tensor.datatype:
            raise fields.InvalidField(f"{given.name} is {tensor.datatype}, not {given.datatype}", given.name)
        size = given.parameters.get("binary_data_size")
        if math.prod(given.shape) != 1:
            raise fields.InvalidField(f"{given.name} takes one value: its shape is {given.shape}", given.name)
        if size is None:
            data = given.data or []
        elif isinstance(size, int) and 0 <= size <= len(raw) - at:
            data, at = _unpacked(given, raw[at : at + size]), at + size
        else:
            raise fields.InvalidField(f"{given.name}: the body ends before its {size!r} bytes", given.name)
        while len(data) == 1 and isinstance(data[0], list):  # nested as the shape is
            (data,) = data
        if len(data) != 1:
            raise fields.InvalidField(f"{given.name} takes one value: there is none, or more", given.name)
        (values[given.name.lower()],) = data
    if at != len(raw):
        raise InvalidRequest(f"{len(raw) - at} bytes of the body belong to no input")
    return {name: _text(name, value) for name, value in values.items()}


def _unpacked(given: InputTensor, data: bytes) -> list[Any]:
    """A tensor's value, and a second one to show that there are more; those of BYTES stand each behind its length, of
    four bytes."""
    if given.datatype != "BYTES":
        dtype = DTYPES[given.datatype]
        number = float if dtype.kind == "f" else int
        # Through the shortest text of a value: 0.9 in four bytes is 0.9 again, not 0.8999999761581421.
        return [number(str(each)) for each in np.frombuffer(data, dtype, min(2, len(data) // dtype.itemsize))]
    values: list[bytes] = []
    at = 0
    while at + 4 <= len(data) and len(values) < 2:
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


async def _in_binary(answer: dict[str, Any], spoken: Speech) -> Response:
    async with aclosing(spoken.blocks()) as blocks:
        data = [block.astype(DTYPES["FP32"], copy=False).tobytes() async for block in blocks]
    size = {"binary_data_size": sum(map(len, data))}
    output = {"name": "PCM", "datatype": "FP32", "shape": [spoken.samples], "parameters": size}
    head = to_json(answer | {"outputs": [output]})
    headers = spoken.headers | end_note(spoken) | {HEADER_LENGTH: str(len(head))}
    return Response(b"".join((head, *data)), headers=headers, media_type="application/octet-stream")


async def _in_json(answer: dict[str, Any], spoken: Speech) -> AsyncGenerator[bytes, None]:
    """Piece by piece, as the numbers of a minute are 50 MB of text; their count comes last."""
    yield to_json(answer)[:-1] + b',"outputs":[{"name":"PCM","datatype":"FP32","data":['
    comma = b""
    async with aclosing(spoken.blocks()) as blocks:
        async for block in blocks:
            yield comma + to_json(block.tolist())[1:-1]
            comma = b","
    yield b'],"shape":[%d],"parameters":{"ended":"%s"}}]}' % (spoken.samples, spoken.ended.encode())
