"""Reading what a client sent: bodies into mappings, mappings into checked fields. Extra keys are accepted, wrong types
are not, and errors name the field."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Annotated, Any, Literal, TypeVar

import ormsgpack
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from models.types import (
    LEAST_RANDOM,
    LONGEST_SEGMENT,
    MOST_NEW_TOKENS,
    SHORTEST_SEGMENT,
    USUAL_SEGMENT,
    InvalidRequest,
    Sampling,
    TooLarge,
)

Model = TypeVar("Model", bound=BaseModel)

DEFAULTS = Sampling()
ChunkLength = Annotated[int, Field(ge=SHORTEST_SEGMENT, le=LONGEST_SEGMENT)]


class InvalidField(InvalidRequest):
    """An InvalidRequest that knows its field."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


def _decoded(value: Any) -> Any:
    """Bytes as they are; text as base64, with or without a data: prefix."""
    if not isinstance(value, str):
        return value
    text = value.partition(",")[2] if value.startswith("data:") else value
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64; send the recording's bytes base64-encoded, or as msgpack or a form") from None


Audio = Annotated[bytes, BeforeValidator(_decoded)]


class Fields(BaseModel):
    """Fields of a request; null means absent."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, values: Any) -> Any:
        return {k: v for k, v in values.items() if v is not None} if isinstance(values, dict) else values


class Generation(Fields):
    """The fields that every speech request may carry, with upstream's defaults and bounds (Sampling checks its own).
    Fish's cloud takes a temperature and a top_p down to 0; upstream's clients mean no limit by `max_new_tokens: 0`."""

    seed: int | None = None
    temperature: float = DEFAULTS.temperature
    top_p: float = DEFAULTS.top_p
    repetition_penalty: float = DEFAULTS.repetition_penalty
    max_new_tokens: int = DEFAULTS.max_new_tokens
    chunk_length: ChunkLength = USUAL_SEGMENT
    normalize: bool = True
    on_long_text: Literal["split", "truncate"] = "split"
    device: str | None = None

    def sampling(self) -> Sampling:
        """Raises InvalidRequest for a value out of range. A request without a seed gets a fresh one."""
        seed = secrets.randbelow(2**31) if self.seed is None else self.seed
        given = (self.temperature, self.top_p)
        temperature, top_p = (LEAST_RANDOM if 0 <= value < LEAST_RANDOM else value for value in given)
        return Sampling(temperature, top_p, self.repetition_penalty, self.max_new_tokens or MOST_NEW_TOKENS, seed)


def body_too_large(limit: int) -> TooLarge:
    """The refusal of a body of more than `limit` bytes."""
    return TooLarge(f"The request's body is over the limit of {limit / 2**20:g} MiB.")


async def read(request: Request) -> tuple[dict[Any, Any], FormData | None]:
    """The body as a mapping, from msgpack, a form (also given whole, for files and repeated fields) or JSON. Raises
    InvalidRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = await request.form(max_part_size=2**63)
        return {key: value for key, value in form.items() if isinstance(value, str) and value}, form
    body = await request.body()
    name, parse = ("msgpack", ormsgpack.unpackb) if kind.endswith("msgpack") else ("JSON", from_json)
    try:
        values = parse(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid {name}: {error}") from None
    if not isinstance(values, dict):
        raise InvalidRequest(f"The body must be a {name} object with named fields.")
    return values, None


async def upload(form: FormData, name: str) -> list[bytes]:
    """The contents of all files sent as `name`. Raises InvalidRequest."""
    files = form.getlist(name)
    if not all(isinstance(file, UploadFile) for file in files):
        raise InvalidField(f"{name} must be a file; with curl: -F {name}=@voice.wav", name)
    return [await file.read() for file in files]


def check(model: type[Model], values: dict[Any, Any], *, strict: bool = True) -> Model:
    """`values` as `model`; `strict` refuses "3" for 3 (a form has only text). Raises InvalidField."""
    try:
        return model.model_validate(values, strict=strict)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise InvalidField("; ".join(map(_fault, faults[:5])), ".".join(map(str, faults[0]["loc"][:1]))) from None


def _fault(fault: Any) -> str:
    value = fault["input"]
    got = f" (got {value!r})" if isinstance(value, (str, int, float)) and len(repr(value)) < 60 else ""
    where = f"{'.'.join(map(str, fault['loc']))}: " if fault["loc"] else ""
    return f"{where}{fault['msg'].removeprefix('Value error, ')}{got}"
