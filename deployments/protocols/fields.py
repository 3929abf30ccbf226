"""Checked fields: named values as a client sent them -> what a protocol works with.

A value that means the same without loss is taken for the type that a field has ("1.2", 42.0, "true"); any other wrong
type is refused, and the error names the field. A field that is not known here is no error, but is told: a client must
not believe that it did anything.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json
from starlette.requests import Request

from deployments.protocols import bodies
from deployments.synthesis.containers import FORMATS
from deployments.synthesis.segments import header_text
from models.suggest import did_you_mean
from models.text.languages import SPOKEN
from models.types import (
    LEAST_RANDOM,
    LONGEST_SEGMENT,
    MOST_NEW_TOKENS,
    SHORTEST_SEGMENT,
    USUAL_SEGMENT,
    InvalidRequest,
    Sampling,
)

Model = TypeVar("Model", bound="Fields")

DEFAULTS = Sampling()
FRESH_SEED = -1  # what ComfyUI and others send for "draw one"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
LONGEST_NUMBER = 40  # characters

# Fields of the protocols' own clouds and of other servers: known, and without effect here.
WITHOUT_EFFECT = {
    *("condition_on_previous_chunks", "early_stop_threshold", "features", "instructions", "latency"),
    *("min_chunk_length", "model", "normalize_loudness", "split_granularity", "stream_audio", "task_type", "top_k"),
    "use_memory_cache",
}
NEAR = 0.75  # of difflib's ratio, from which a field that is not known is taken for a misspelt one
MOST_NAMED = 20  # fields in X-Ignored
QUERY = frozenset(("api_key", "authorization"))  # what a query may hold beside a body: see ingress/keys.py


class InvalidField(InvalidRequest):
    """An InvalidRequest that knows its field."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


def _float(value: Any) -> Any:
    text = value.strip() if isinstance(value, str) else ""
    return float(text) if len(text) <= LONGEST_NUMBER and NUMBER.fullmatch(text) else value


def _int(value: Any) -> Any:
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER and WHOLE.fullmatch(value.strip()):
        return int(value)  # not by way of a float, which has 53 bits
    number = _float(value)
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _bool(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.strip().lower(), value) if isinstance(value, str) else value


def _from_base64(value: Any) -> Any:
    """Bytes as they are; text as base64 in either alphabet, with or without padding and a data: prefix."""
    if not isinstance(value, str):
        return value
    if re.match(r"(https?|file|s3)://", value[:10], re.IGNORECASE):
        raise ValueError("an address, and this server fetches none; send the recording's bytes base64-encoded")
    text = value.partition(",")[2] if value[:5].lower() == "data:" else value
    text = "".join(text.split()).rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(
            "not base64; send the recording's bytes base64-encoded, as msgpack, or as a form's file (with curl: "
            "-F reference_audio=@voice.wav)"
        ) from None


def _from_json_text(value: Any) -> Any:
    """A form has only text: what is nested comes as JSON in it."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return from_json(value)
        except ValueError:
            return value
    return value


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _format(value: Any) -> Any:
    name = value.strip().lower() if isinstance(value, str) else value
    if isinstance(name, str) and name not in FORMATS:
        raise ValueError(f"unknown audio format{did_you_mean(name, FORMATS)}")
    return name


def _voice_name(value: Any) -> Any:
    """A voice's name: trimmed, out of OpenAI's {"id": …} and Fish's list of one; empty is none."""
    if isinstance(value, dict):
        value = value.get("id")
    if isinstance(value, list):
        if len(value) > 1:
            raise ValueError("several voices at once are a dialogue, which this checkpoint cannot speak; give one")
        value = value[0] if value else None
    return (value.strip() or None) if isinstance(value, str) else value


def _language(value: Any) -> Any:
    """ISO 639-1 out of "en-US", "EN", "English"; "auto" and nothing leave it to the text."""
    if not isinstance(value, str):
        return value
    name = re.split(r"[-_]", value.strip().lower())[0]
    by_name = {spoken.lower(): code for code, spoken in SPOKEN.items()}
    return None if name in ("", "auto", "automatic", "detect") else by_name.get(name, name)


Float = Annotated[float, BeforeValidator(_float)]
Int = Annotated[int, BeforeValidator(_int)]
Bool = Annotated[bool, BeforeValidator(_bool)]
Audio = Annotated[bytes, BeforeValidator(_from_base64)]
Nested = BeforeValidator(_from_json_text)
Listed = BeforeValidator(_listed)
Format = Annotated[str, BeforeValidator(_format)]
NewVoiceName = Annotated[str, BeforeValidator(_voice_name)]
VoiceName = Annotated[str | None, BeforeValidator(_voice_name)]
LanguageCode = Annotated[str | None, BeforeValidator(_language)]
ChunkLength = Annotated[Int, Field(ge=SHORTEST_SEGMENT, le=LONGEST_SEGMENT)]


class Fields(BaseModel):
    """Fields of a request; null means absent, and what is not declared is kept in `model_extra`."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, values: Any) -> Any:
        return {k: v for k, v in values.items() if v is not None} if isinstance(values, dict) else values

    @classmethod
    def names(cls) -> set[str]:
        """The names of the declared fields, and their aliases."""
        found = set(cls.model_fields)
        for field in cls.model_fields.values():
            choices = getattr(field.validation_alias, "choices", ())
            found.update(choice for choice in choices if isinstance(choice, str))
        return found


class Generation(Fields):
    """The fields that every speech request may carry, with upstream's defaults and bounds (Sampling checks its own).
    Fish's cloud takes a temperature and a top_p down to 0; upstream's clients mean no limit by `max_new_tokens: 0`."""

    seed: Int | None = None
    temperature: Float = DEFAULTS.temperature
    top_p: Float = DEFAULTS.top_p
    repetition_penalty: Float = DEFAULTS.repetition_penalty
    max_new_tokens: Int = DEFAULTS.max_new_tokens
    chunk_length: ChunkLength = USUAL_SEGMENT
    normalize: Bool = True
    on_long_text: Literal["split", "truncate"] = "split"
    language: LanguageCode = None
    device: str | None = None

    def sampling(self) -> Sampling:
        """Raises InvalidRequest for a value out of range. A request without a seed, or with -1, gets a fresh one."""
        seed = secrets.randbelow(2**31) if self.seed in (None, FRESH_SEED) else self.seed
        given = (self.temperature, self.top_p)
        temperature, top_p = (LEAST_RANDOM if 0 <= value < LEAST_RANDOM else value for value in given)
        return Sampling(temperature, top_p, self.repetition_penalty, self.max_new_tokens or MOST_NEW_TOKENS, seed)


async def parse(request: Request, model: type[Model], defaults: Mapping[str, Any] | None = None) -> Model:
    """The request's body as `model`; `defaults` stand for fields that it does not have. What has no effect is told in
    the response's X-Ignored. Raises InvalidRequest."""
    values = await bodies.read(request)
    for name, usual in (defaults or {}).items():
        if values.get(name) is None:
            values[name] = usual
    checked = check(model, values, strict=not values.from_form)
    tell_ignored(request, [*ignored(checked), *(name for name in request.query_params if name not in QUERY)])
    return checked


def check(model: type[Model], values: Mapping[Any, Any], *, strict: bool = True) -> Model:
    """`values` as `model`; `strict` takes no "yes" for true, as a form must. Raises InvalidField."""
    try:
        return model.model_validate(values, strict=strict)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise InvalidField("; ".join(map(_fault, faults[:5])), ".".join(map(str, faults[0]["loc"][:1]))) from None


def ignored(checked: Fields, of: str = "") -> Iterator[str]:
    """The fields that a client sent and that have no effect, each with the one that it may have meant."""
    names = checked.names()
    for name in map(str, checked.model_extra or ()):
        near = () if name in WITHOUT_EFFECT else difflib.get_close_matches(name, names, 1, NEAR)
        yield of + name + "".join(f" (did you mean {of}{other}?)" for other in near)
    if getattr(checked, "language", None) not in (None, *SPOKEN):
        yield of + "language"
    for name in type(checked).model_fields:
        value = getattr(checked, name)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Fields):
                yield from ignored(each, f"{of}{name}.")


def tell_ignored(request: Request, names: Iterable[str]) -> None:
    """Have the response say so in X-Ignored; the entrance sets it, on errors too."""
    request.scope["state"].setdefault("ignored", []).extend(names)


def ignored_header(names: Sequence[str]) -> str:
    """X-Ignored: each name once, as a header can carry it."""
    shown = list(dict.fromkeys(header_text(name[:120]).replace(",", "?") for name in names))
    more = [f"and {len(shown) - MOST_NAMED} more"] if len(shown) > MOST_NAMED else []
    return ", ".join([*shown[:MOST_NAMED], *more])


def _fault(fault: Any) -> str:
    value = fault["input"]
    got = f" (got {value!r})" if isinstance(value, (str, int, float)) and len(repr(value)) < 60 else ""
    where = f"{'.'.join(map(str, fault['loc']))}: " if fault["loc"] else ""
    return f"{where}{fault['msg'].removeprefix('Value error, ')}{got}"
