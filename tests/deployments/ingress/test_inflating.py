"""Compressed bodies on every route: whole, in pieces, broken, and bombs."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from deployments.ingress.inflating import PIECE, Inflating
from deployments.synthesis.segments import Limits
from models.types import InvalidRequest, TooLarge
from tests.deployments.fakes import FakeStages, recording

LIMIT = 4 * PIECE


def read(body: bytes, cut: int, encoding: str = "gzip") -> tuple[bytes, int]:
    """What an application reads of a compressed body that comes in pieces of `cut` bytes, and its longest piece."""
    pieces = [body[at : at + cut] for at in range(0, len(body), cut)] or [b""]
    messages = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]
    messages[-1]["more_body"] = False
    got: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            got.append(message["body"])
            more = message["more_body"]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None: ...

    scope = {"type": "http", "headers": [(b"content-encoding", encoding.encode())]}
    asyncio.run(Inflating(app, lambda: Limits(body_bytes=LIMIT))(scope, receive, send))
    assert messages == []
    return b"".join(got), max(map(len, got))


NOISE = np.random.default_rng(1).bytes(2 * PIECE + 17)


@pytest.mark.parametrize("cut", [1 << 30, 1000, 7])
@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"a",
        b"a" * PIECE,
        b"a" * (PIECE + 1),
        b"a" * LIMIT,
        NOISE[: PIECE + 5],
        json.dumps({"text": "Hello"}).encode(),
    ],
)
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_every_byte_comes_in_pieces_that_are_bounded(plain: bytes, pack: Callable[[bytes], bytes], cut: int) -> None:
    got, longest = read(pack(plain), cut)
    assert got == plain and longest <= PIECE


def test_files_that_follow_one_another_are_one() -> None:
    body = gzip.compress(b"Hello ") + gzip.compress(b"there.") + b"\0" * 20
    for cut in (1 << 30, 5, 1):
        assert read(body, cut)[0] == b"Hello there."


@pytest.mark.parametrize("cut", [1 << 30, 1000])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"not compressed", InvalidRequest),
        (gzip.compress(b"a" * 100)[:-5], InvalidRequest),
        (gzip.compress(NOISE[:1000])[:500], InvalidRequest),
        (gzip.compress(b"a") + b"more", InvalidRequest),
        (gzip.compress(b"a" * (LIMIT + 1)), TooLarge),
        (gzip.compress(b"a" * 2**28), TooLarge),
    ],
)
def test_what_cannot_be_inflated_is_refused(body: bytes, error: type[Exception], cut: int) -> None:
    with pytest.raises(error):
        read(body, cut)


def requests() -> Iterator[tuple[str, dict[str, Any]]]:
    """One request a route, as httpx would send it."""
    inputs = [{"name": "TEXT", "datatype": "BYTES", "shape": [1], "data": ["Hi."]}]
    yield "/v1/tts", {"json": {"text": "Hi."}}
    yield "/v1/tts", {"data": {"text": "Hi.", "reference_text": "a"}, "files": {"reference_audio": recording()}}
    yield "/v1/tts", {"data": {"text": "Hi."}}
    yield "/v1/audio/speech", {"json": {"input": "Hi."}}
    yield "/v1/references/add", {"data": {"id": "sea", "text": "a"}, "files": {"audio": recording()}}
    yield "/v2/models/fish_speech/infer", {"json": {"inputs": inputs}}


@pytest.mark.parametrize(("path", "request_"), list(requests()))
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "identity"])
def test_every_route_reads_them(
    client: TestClient, stages: FakeStages, path: str, request_: dict[str, Any], encoding: str
) -> None:
    plain = client.build_request("POST", path, **request_)
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}[encoding.lower()]
    headers = {"content-type": plain.headers["content-type"], "content-encoding": encoding}
    response = client.post(path, content=pack(plain.read()), headers=headers)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", ["/v1/tts", "/v1/audio/speech", "/v1/references/add"])
@pytest.mark.parametrize(
    ("encoding", "body", "status", "says"),
    [
        ("br", b"{}", 415, "br"),
        ("gzip, gzip", b"{}", 415, "gzip, gzip"),
        ("gzip", b"{}", 400, "not gzip"),
        ("gzip", b"", 400, "not valid JSON"),
        ("gzip", gzip.compress(b" " * 2**27), 413, "over the limit"),
    ],
)
def test_refusals_have_the_protocols_form(
    client: TestClient, path: str, encoding: str, body: bytes, status: int, says: str
):
    response = client.post(
        path, content=body, headers={"content-encoding": encoding, "content-type": "application/json"}
    )
    assert response.status_code == status and says in response.text
    assert ("error" in response.json()) == path.startswith("/v1/audio")
