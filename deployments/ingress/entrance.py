"""The entrance, inside the gate: access, and the answer to what fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from deployments.errors import close_code
from deployments.ingress.admission import Admission
from deployments.ingress.keys import Keys
from deployments.ingress.origins import Origins
from deployments.protocols.base import Protocol, local_path, protocol_of
from deployments.protocols.bodies import body_too_large
from deployments.protocols.errors import answer, farewell, status_of
from deployments.protocols.fields import ignored_header
from deployments.synthesis.segments import Limits

log = logging.getLogger(__name__)

DENIAL = "websocket.http.response"  # ASGI's extension for a server that can answer a WebSocket with an HTTP response


class Entrance:
    """Middleware that lets in those who may come, and answers what fails in the form of the protocol that is spoken. A
    WebSocket is refused before it is accepted, with an HTTP status."""

    def __init__(
        self,
        app: ASGIApp,
        protocols: Sequence[Protocol],
        keys: Keys,
        origins: Origins,
        limits: Callable[[], Limits],
        admission: Admission | None,
    ) -> None:
        """`limits` are those of a request, as they are set now; without `admission`, every request has a place."""
        self._app, self._admission = app, admission
        self._protocols, self._keys, self._origins, self._limits = protocols, keys, origins, limits
        self._open_paths = frozenset().union(*(protocol.open_paths for protocol in protocols))
        self._open_folders = tuple(f"{folder}/" for protocol in protocols for folder in protocol.open_folders)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        response = _Response(scope, send)
        try:
            self._check(scope)
            async with self._place(scope):
                await self._app(scope, receive, response.send)
        except (ClientDisconnect, WebSocketDisconnect):
            return
        except Exception as error:
            await self._fail(error, scope, receive, response)
        if scope["type"] == "websocket" and response.open:
            await response.send({"type": "websocket.close", "code": 1000})

    def _place(self, scope: Scope) -> AbstractAsyncContextManager[None]:
        """A place for a request that speaks, before its body is read or a stage is asked."""
        path = local_path(scope)
        speaks = scope["type"] == "http" and protocol_of(path, self._protocols).speaks(scope["method"], path)
        return self._admission.place(self._keys.client(scope)) if speaks and self._admission else nullcontext()

    def _check(self, scope: Scope) -> None:
        path = local_path(scope)
        if path not in self._open_paths and not path.startswith(self._open_folders):
            self._keys.check(scope)
        if scope["type"] == "websocket":
            self._origins.check_socket(scope)
        length, limit = Headers(scope=scope).get("content-length", ""), self._limits().body_bytes
        if length.isdecimal() and int(length) > limit:
            raise body_too_large(limit)

    async def _fail(self, error: Exception, scope: Scope, receive: Receive, response: _Response) -> None:
        request_id: str = scope["state"]["request_id"]
        protocol = protocol_of(local_path(scope), self._protocols)
        unforeseen = status_of(error) == 500
        if response.started and scope["type"] == "http":
            # Returning with the body unfinished makes the server cut the connection: no client can take the part that
            # it got for the whole.
            log.error("request %s broke off midway: %s", request_id, error, exc_info=unforeseen)
            return
        if unforeseen:
            log.error("request %s failed", request_id, exc_info=error)
        if not response.started and (scope["type"] == "http" or DENIAL in scope.get("extensions", {})):
            await answer(error, protocol, request_id)(scope, receive, response.send)
        elif not response.started:
            await response.send({"type": "websocket.close", "code": close_code(status_of(error))})
        elif response.open:
            event, code = farewell(error, protocol, request_id)
            if event is not None:
                kind = "text" if isinstance(event, str) else "bytes"
                await response.send({"type": "websocket.send", kind: event})
            await response.send({"type": "websocket.close", "code": code})


class _Response:
    """The part of a response that was sent. `open`: a WebSocket was accepted, and not closed from this side."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._state: dict[str, Any] = scope["state"]
        self._send = send
        self.started = self.open = False

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start" and (ignored := self._state.get("ignored")):
            MutableHeaders(scope=message)["X-Ignored"] = ignored_header(ignored)
        self.started |= kind in ("http.response.start", f"{DENIAL}.start", "websocket.accept", "websocket.close")
        self.open = (self.open or kind == "websocket.accept") and kind != "websocket.close"
        await self._send(message)
