"""A request's body -> named values: JSON, msgpack and forms, as clients send them."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import ormsgpack
from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from models.types import InvalidRequest, TooLarge

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # it begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Values(dict[Any, Any]):
    """The named values of a body. `from_form`: everything in it is text or a file, so that "1" may stand for a number.
    A name that comes several times has a list of its values."""

    from_form = False


def body_too_large(limit: int) -> TooLarge:
    """The refusal of a body of more than `limit` bytes."""
    return TooLarge(f"The request's body is over the limit of {limit / 2**20:g} MiB.")


async def read(request: Request) -> Values:
    """The body's values. Raises InvalidRequest, and HTTPException (415) for a character set that is not known."""
    kind, charset = content_type(request.headers.get("content-type", ""))
    if kind == MULTIPART:
        return await _from_multipart(await request.form(max_part_size=2**63))
    body = await request.body()
    if kind.endswith("msgpack"):
        return named("msgpack", ormsgpack.unpackb, body)
    text = _decoded(body, charset)
    # curl sends JSON as a form too, unless told otherwise.
    if kind == FORM and not text.lstrip().startswith((b"{", b"[", b'"')):
        return _from_pairs(parse_qsl(text.decode(), keep_blank_values=True))
    return named("JSON", from_json, text)


def content_type(header: str) -> tuple[str, str]:
    """The media type and the character set of a Content-Type, in small letters; the latter "" where none is named."""
    kind, *parameters = header.lower().split(";")
    named = dict(part.strip().partition("=")[::2] for part in parameters)
    return kind.strip(), named.get("charset", "").strip(' "')


def _decoded(body: bytes, charset: str) -> bytes:
    """A body of text as UTF-8 without a byte order mark, which Windows' tools put before it."""
    charset = next((name for mark, name in BYTE_ORDER_MARKS if body.startswith(mark)), charset)
    if charset in ("", "utf-8", "utf8", "us-ascii"):
        return body
    try:
        return body.decode(charset).encode()
    except LookupError:
        raise HTTPException(415, f"The character set {charset!r} is not known here; send UTF-8.") from None
    except UnicodeError as error:
        raise InvalidRequest(f"The body is not {charset}: {error}") from None


def named(name: str, parse: Callable[[bytes], Any], body: bytes, what: str = "body") -> Values:
    """The named values that `parse` makes of a `what` in the format `name`. Raises InvalidRequest."""
    try:
        values = parse(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The {what} is not valid {name}: {error}") from None
    if not isinstance(values, dict):
        raise InvalidRequest(f"The {what} must be a {name} object with named fields.")
    return Values(values)


async def _from_multipart(form: FormData) -> Values:
    parts = [(name, await part.read() if isinstance(part, UploadFile) else part) for name, part in form.multi_items()]
    return _from_pairs(parts)


def _from_pairs(pairs: list[tuple[str, Any]]) -> Values:
    """A form's fields; empty text means absent, as a page sends every field that it has."""
    values = Values()
    values.from_form = True
    for name, value in pairs:
        if value == "":
            continue
        if name in values:
            before = values[name]
            values[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            values[name] = value
    return values
