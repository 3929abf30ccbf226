"""One connection as the gate sees it: what was read and sent, whether the client is still there, how it ended."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from abc import ABC, abstractmethod
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from deployments.errors import CLIENT_CLOSED, MESSAGE_TOO_BIG
from deployments.ingress.keys import chosen_subprotocol
from deployments.protocols.bodies import body_too_large
from deployments.synthesis.segments import Limits
from models.types import TooSlow

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
NO_CODE = 1005  # of RFC 6455: the socket was closed without one
MESSAGE_COST = 64  # bytes that a waiting message counts beside its own, so that empty ones are bounded too
REFUSED = 403  # what servers answer when a WebSocket is closed before it is accepted


class Connection(ABC):
    """`receive` and `send` are the application's side; `watch` returns when the client has left."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits, send_id: bool) -> None:
        """`body_bytes` of the limits bounds what may be read of it (HTTP), or wait to be taken by the application
        (WebSocket). `send_id`: tell the client the request id in a header."""
        self.began = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        self.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = self.request_id
        self.path = quote(scope["path"])
        self._limits = limits
        self._receive = receive
        self._send = send
        self._send_id = send_id

    @property
    @abstractmethod
    def method(self) -> str:
        """The first word of the access line."""

    @abstractmethod
    def outcome(self, left: bool) -> int:
        """The status that the access line tells; `left`: the client went before the work was done."""

    @abstractmethod
    async def receive(self) -> Message:
        """The next message from the client. Raises TooLarge or TooSlow for a body over its limits."""

    @abstractmethod
    async def watch(self) -> None:
        """Returns when the client has left, or has to."""

    async def send(self, message: Message) -> None:
        """Pass a message on to the client."""
        if self._send_id and message["type"] in ("http.response.start", "websocket.accept"):
            MutableHeaders(scope=message)["X-Request-Id"] = self.request_id
        await self._send(message)


class Exchange(Connection):
    """An HTTP request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits, send_id: bool) -> None:
        super().__init__(scope, receive, send, limits, send_id)
        self._method: str = scope["method"]
        self._status: int | None = None
        self._bytes_read = 0
        self._body_read = asyncio.Event()
        self._gone = asyncio.Event()

    @property
    def method(self) -> str:
        """The request's."""
        return self._method

    def outcome(self, left: bool) -> int:
        """The response's status."""
        return CLIENT_CLOSED if left or self._status is None else self._status

    async def receive(self) -> Message:
        """The body within its limits, then the client's departure. Raises TooLarge, TooSlow."""
        if self._body_read.is_set():
            await self._gone.wait()
            return {"type": "http.disconnect"}
        message = await self._in_time()
        if self._bytes_read > self._limits.body_bytes:
            raise body_too_large(self._limits.body_bytes)
        return message

    async def send(self, message: Message) -> None:
        """Pass on what belongs to the response."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
        await super().send(message)

    async def watch(self) -> None:
        """A body is read by the application, at its pace; from then on only the departure is left to come."""
        await self._body_read.wait()
        while not self._gone.is_set():
            await self._next()

    async def _in_time(self) -> Message:
        seconds = self._limits.body_seconds
        try:
            async with asyncio.timeout(self.began + seconds - time.perf_counter()):
                return await self._next()
        except TimeoutError:
            raise TooSlow(f"The request's body was not here after {seconds:g} s.") from None

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone.set()
        self._bytes_read += len(message.get("body", b""))
        if not message.get("more_body"):
            self._body_read.set()
        return message


class Socket(Connection):
    """A WebSocket. `watch` reads it, so that a departure is noticed while the application is at work; it closes the
    socket when more waits for the application than the limit."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits, send_id: bool) -> None:
        super().__init__(scope, receive, send, limits, send_id)
        self._subprotocol = chosen_subprotocol(scope)  # where the application chooses none
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()
        self._bytes_waiting = 0
        self._accepted = False
        self._code: int | None = None

    @property
    def method(self) -> str:
        """As a word of its own: the handshake's GET tells nothing."""
        return "WEBSOCKET"

    def outcome(self, left: bool) -> int:
        """The HTTP status of a refusal, else the close code."""
        if self._code is None:
            return NO_CODE if self._accepted else CLIENT_CLOSED
        return self._code

    async def receive(self) -> Message:
        """The next message of those that have arrived."""
        message = await self._arrived.get()
        self._bytes_waiting -= _size(message)
        return message

    async def send(self, message: Message) -> None:
        """Pass on a message; an accepted socket has a subprotocol where its client offered some."""
        kind = message["type"]
        if kind == "websocket.accept":
            self._accepted = True
            if message.get("subprotocol") is None:
                message["subprotocol"] = self._subprotocol
        elif kind == "websocket.http.response.start":
            self._code = message["status"]
        elif kind == "websocket.close":
            self._code = message.get("code", 1000) if self._accepted else REFUSED
        await super().send(message)

    async def watch(self) -> None:
        """Reads for the application, up to the limit."""
        while (message := await self._receive())["type"] != "websocket.disconnect":
            self._bytes_waiting += _size(message)
            if self._bytes_waiting > self._limits.body_bytes:  # the client sends faster than it is heard
                await self.send({"type": "websocket.close", "code": MESSAGE_TOO_BIG})
                return
            self._arrived.put_nowait(message)
        if self._code is None:
            self._code = message.get("code", NO_CODE)


def connect(scope: Scope, receive: Receive, send: Send, limits: Limits, send_id: bool) -> Connection:
    """The connection of an ASGI scope of either kind."""
    kind = Exchange if scope["type"] == "http" else Socket
    return kind(scope, receive, send, limits, send_id)


def _size(message: Message) -> int:
    return MESSAGE_COST + len(message.get("bytes") or message.get("text") or b"")
