"""WebSockets through the gate, with a protocol of the test's own: a real server and a real client."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any

import pytest
from starlette.routing import WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from deployments.ingress.asgi import PROTOCOLS, create_app
from deployments.protocols.base import Protocol
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from models.types import Busy, InvalidRequest, NotReady, TooLarge, Unauthorized
from tests.deployments.fakes import INFO, FakeStages, make_pipeline, serving

LIMIT = 100_000
FAILURES = {"busy": Busy("busy"), "large": TooLarge("large"), "starting": NotReady("starting")}
FAILURES |= {"wrong": InvalidRequest("wrong"), "secret": KeyError("secret"), "key": Unauthorized("key")}


class Echo:
    """Says back what it is told, and obeys: a failure's name is raised, "return" ends it, "sleep" hears nothing."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.ids: list[str] = []

    async def __call__(self, socket: WebSocket) -> None:
        self.ids.append(socket.state.request_id)
        await socket.accept()
        while (word := await socket.receive_text()) != "return":
            if word in FAILURES:
                raise FAILURES[word]
            if word == "sleep":
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.cancelled += 1
                    raise
            await socket.send_text(word)


def error_body(status: int, message: str, error: Exception) -> Mapping[str, Any]:
    return {"echo": message}


def error_event(status: int, message: str, error: Exception) -> str:
    return json.dumps({"failed": status, "says": message})


@pytest.fixture
def echo() -> Echo:
    return Echo()


def app(echo: Echo, folder: Path, **options: Any) -> Any:
    """Every protocol and one more, which needs no more than its object."""
    pipeline = make_pipeline(FakeStages(), VoiceLibrary(str(folder)), Limits(body_bytes=LIMIT))
    routes = [WebSocketRoute("/echo", echo.__call__)]
    ours = Protocol("echo", routes, ("/echo",), error_body, error_event)
    return create_app(pipeline, INFO, protocols=(*PROTOCOLS, ours), **options)


@pytest.fixture
def address(echo: Echo, tmp_path: Path) -> Iterator[str]:
    with serving(app(echo, tmp_path)) as address:
        yield address.replace("http", "ws") + "/echo"


@pytest.fixture
def locked(echo: Echo, tmp_path: Path) -> Iterator[str]:
    """With a key, and one foreign page that may ask."""
    with serving(app(echo, tmp_path, api_keys=("key-1",), origins=("https://shoal.example",))) as address:
        yield address.replace("http", "ws") + "/echo"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "shoal.access")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "shoal.access"]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited for 10 s"
        time.sleep(0.005)


def say(socket: ClientConnection, word: str) -> str:
    socket.send(word)
    return str(socket.recv(timeout=10))


def closed(socket: ClientConnection) -> tuple[int, list[str]]:
    """The close code, and what was said before."""
    said: list[str] = []
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            said.append(str(socket.recv(timeout=10)))
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, said


def refused(address: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """The HTTP status and the body of a handshake that fails."""
    with pytest.raises(InvalidStatus) as caught, connect(address, **options):
        pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"{}")


# Who may come in


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", {"additional_headers": {"authorization": "Bearer key-1"}}),
        ("", {"additional_headers": {"xi-api-key": "key-1"}}),
        ("", {"additional_headers": {"x-api-key": "key-1"}}),
        ("?api_key=key-1", {}),
        ("?model=s1&authorization=Bearer%20key-1", {}),
        ("", {"subprotocols": ["openai-insecure-api-key.key-1"]}),
        ("", {"subprotocols": ["realtime", "openai-insecure-api-key.key-1"]}),
    ],
)
def test_a_key_comes_as_clients_can_send_it(locked: str, query: str, options: dict[str, Any], lines) -> None:
    with connect(locked + query, **options) as socket:
        assert say(socket, "hello") == "hello"
        assert socket.subprotocol == ("realtime" if "realtime" in options.get("subprotocols", ()) else None)
    until(lines)
    assert "key-1" not in lines()[0]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", {}),
        ("?api_key=wrong", {}),
        ("", {"additional_headers": {"authorization": "Bearer wrong"}}),
        ("", {"additional_headers": {"authorization": "Basic key-1"}}),
        ("", {"subprotocols": ["realtime", "openai-insecure-api-key.wrong"]}),
        ("", {"subprotocols": ["key-1"]}),
    ],
)
def test_without_a_key_it_is_refused_before_it_is_accepted(
    locked: str, query: str, options: dict[str, Any], echo: Echo, lines
) -> None:
    status, body = refused(locked + query, **options)
    assert status == 401 and "api_key" in body["echo"]
    assert echo.ids == []
    until(lines)
    assert lines()[0].startswith("WEBSOCKET /echo 401 ")


@pytest.mark.parametrize(
    ("origin", "comes_in"),
    [
        (None, True),
        ("https://shoal.example", True),
        ("http://localhost:3000", True),
        ("the server's own", True),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example:80", False),
        ("null", False),
        ("http://[", False),
    ],
)
def test_a_web_page_may_ask_where_http_would_let_it_read(locked: str, origin: str | None, comes_in: bool) -> None:
    """Browsers ask no server before they open a WebSocket: without this any page could use one that has no keys."""
    given = locked.replace("ws", "http").removesuffix("/echo") if origin == "the server's own" else origin
    if comes_in:
        with connect(locked + "?api_key=key-1", origin=given) as socket:
            assert say(socket, "hello") == "hello"
    else:
        assert refused(locked + "?api_key=key-1", origin=given)[0] == 403


def test_a_server_without_denials_closes_before_it_accepts(echo: Echo, tmp_path: Path) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"} if not sent else await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/echo", "query_string": b"", "headers": [], "subprotocols": []}
    asyncio.run(app(echo, tmp_path, api_keys=("key-1",))(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_path_without_a_socket_answers_in_form(address: str) -> None:
    status, body = refused(address.replace("/echo", "/v1/audio/nothing"))
    assert (status, body["error"]["code"]) == (404, "not_found")
    status, body = refused(address + "/nothing")
    assert (status, body["echo"]) == (404, "There is no WebSocket /echo/nothing.")


# How it ends


@pytest.mark.parametrize(
    ("word", "code", "status"),
    [
        ("busy", 1013, 429),
        ("large", 1009, 413),
        ("starting", 1013, 503),
        ("wrong", 1007, 400),
        ("key", 1008, 401),
        ("secret", 1011, 500),
    ],
)
def test_a_failure_is_told_and_closes_with_its_code(address: str, word: str, code: int, status: int, lines) -> None:
    with connect(address, additional_headers={"x-request-id": "turn-7"}) as socket:
        socket.send(word)
        ended, said = closed(socket)
    assert ended == code
    told = json.loads(said[-1])
    assert told["failed"] == status
    assert told["says"] == word if status != 500 else "turn-7" in told["says"] and "secret" not in told["says"]
    until(lines)
    assert lines()[0].startswith(f"WEBSOCKET /echo {code} ") and lines()[0].endswith(" turn-7")


def test_a_handler_that_returns_closes_the_socket(address: str, lines) -> None:
    with connect(address) as socket:
        socket.send("return")
        assert closed(socket) == (1000, [])
    until(lines)
    assert lines()[0].startswith("WEBSOCKET /echo 1000 ")


def test_a_closed_socket_cancels_its_work(address: str, echo: Echo, lines) -> None:
    with connect(address, additional_headers={"x-request-id": "turn-8"}) as socket:
        assert say(socket, "hello") == "hello"
        socket.send("sleep")
        socket.close(4001)
    until(lambda: echo.cancelled)
    until(lines)
    assert lines()[0].startswith("WEBSOCKET /echo 4001 ")
    assert echo.ids == ["turn-8"]


def test_a_connection_that_breaks_cancels_its_work(address: str, echo: Echo, lines) -> None:
    with connect(address) as socket:
        socket.send("sleep")
        until(lambda: echo.ids)
        socket.socket.shutdown(SHUT_RDWR)
        until(lambda: echo.cancelled)
    until(lines)
    assert lines()[0].split()[2] in ("1005", "1006")


@pytest.mark.parametrize("piece", [LIMIT + 1, LIMIT // 10, 0])
def test_what_is_not_read_is_bounded(address: str, echo: Echo, piece: int, lines) -> None:
    """A client that sends faster than it is heard is closed, be it by one message or by many empty ones."""
    with connect(address) as socket:
        socket.send("sleep")
        with pytest.raises(ConnectionClosed) as caught:
            for _ in range(20_000):
                socket.send("a" * piece)
            socket.recv(timeout=10)
        assert caught.value.rcvd is None or caught.value.rcvd.code == 1009
    until(lambda: echo.cancelled)
    until(lines)
    assert lines()[0].startswith("WEBSOCKET /echo 1009 ")


def test_ids_are_echoed_or_made(address: str, echo: Echo) -> None:
    with connect(address, additional_headers={"x-request-id": "abc-1"}) as socket:
        assert socket.response is not None and socket.response.headers["x-request-id"] == "abc-1"
    with connect(address, additional_headers={"x-request-id": "a b"}) as socket:
        assert socket.response is not None and len(socket.response.headers["x-request-id"]) == 32
