"""The ASGI app: every route, behind a gate (request ids, API keys, body limit, departures, access log)."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
import uuid
from collections.abc import Sequence
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.errors import CLIENT_CLOSED, answer, status_of
from deployments.protocols import fields, fish, kserve, openai
from deployments.synthesis.pipeline import Pipeline
from deployments.system import estimate, health, optimize
from models import repository
from models.types import Unauthorized

log = logging.getLogger(__name__)
access_log = logging.getLogger("shoal.access")

# Probes and scrapers carry no key: what they read holds counts and machines, no texts and no voices.
OPEN_PATHS = {"/health", "/metrics", "/v1/health", "/v2/health/live", "/v2/health/ready"}
LOCAL_PAGES = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def create_app(
    pipeline: Pipeline,
    info: health.ServerInfo,
    api_keys: Sequence[str] = (),
    origins: Sequence[str] = (),
    send_request_id: bool = True,
) -> Starlette:
    """All protocols over one pipeline. With `api_keys`, every route but the health checks and /metrics asks for one.
    Web pages of `origins` ("*": of any) and of the browser's own machine can read the answers; any other's use of a
    server without keys behind its owner's back ends there.
    Ray Serve's proxy sends X-Request-Id by itself: there `send_request_id` is False."""
    pages = {"allow_origins": origins, "allow_origin_regex": LOCAL_PAGES}
    cors = Middleware(CORSMiddleware, **pages, allow_methods=["*"], allow_headers=["*"], expose_headers=["*"])
    app = Starlette(
        routes=[*fish.routes, *openai.routes, *kserve.routes, *health.routes, *estimate.routes, *optimize.routes],
        middleware=[cors, Middleware(Gate, pipeline, api_keys, send_request_id)],
        exception_handlers={HTTPException: _unrouted},
    )
    app.state.pipeline = pipeline
    app.state.info = info
    app.state.models = repository.load()
    return app


async def _unrouted(request: Request, error: HTTPException) -> Response:
    if error.status_code in (404, 405) and error.detail in ("Not Found", "Method Not Allowed"):
        reason = "There is no" if error.status_code == 404 else "This path does not take"
        error.detail = f"{reason} {request.method} {quote(request.url.path)}."
    return answer(error, _path(request.scope), request.state.request_id)


class Gate:
    """Middleware that every HTTP request passes. A client that leaves cancels its request, before the first audio and
    after; what fails is answered in the protocol's form, or breaks the connection off once audio was sent."""

    def __init__(self, app: ASGIApp, pipeline: Pipeline, api_keys: Sequence[str], send_request_id: bool) -> None:
        self._app = app
        self._pipeline = pipeline  # whose limits may change
        self._api_keys = [key.encode() for key in api_keys]
        self._send_request_id = send_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._pipeline.limits.body_bytes, self._send_request_id)
        work = asyncio.create_task(self._handle(scope, exchange))
        watch = asyncio.create_task(exchange.watch())
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left = not work.done()
            work.cancel()
            watch.cancel()
            await asyncio.wait({work, watch})
            status = CLIENT_CLOSED if left or exchange.status is None else exchange.status
            milliseconds = 1000 * (time.perf_counter() - exchange.began)
            path = quote(scope["path"])
            access_log.info("%s %s %d %.0f ms %s", scope["method"], path, status, milliseconds, exchange.request_id)

    async def _handle(self, scope: Scope, exchange: _Exchange) -> None:
        try:
            self._admit(scope, exchange)
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            return
        except Exception as error:
            unforeseen = status_of(error) == 500
            if exchange.status is not None:
                # Returning with the body unfinished makes the server cut the connection: no client can take the part
                # it got for the whole.
                log.error("request %s broke off midway: %s", exchange.request_id, error, exc_info=unforeseen)
                return
            if unforeseen:
                log.exception("request %s failed", exchange.request_id)
            await answer(error, _path(scope), exchange.request_id)(scope, exchange.receive, exchange.send)

    def _admit(self, scope: Scope, exchange: _Exchange) -> None:
        headers = exchange.headers
        if self._api_keys and _path(scope) not in OPEN_PATHS:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            given = token if scheme.lower() == "bearer" else headers.get("xi-api-key") or headers.get("x-api-key") or ""
            matches = [hmac.compare_digest(given.strip().encode(), key) for key in self._api_keys]
            if not any(matches):
                raise Unauthorized("Send a valid API key in the header 'Authorization: Bearer <key>'.")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > exchange.limit:
            raise fields.body_too_large(exchange.limit)


class _Exchange:
    """One request and its response: what was read, what was sent, and whether the client is still there."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, body_bytes: int, send_id: bool) -> None:
        self.began = time.perf_counter()
        self.headers = Headers(scope=scope)
        given = self.headers.get("x-request-id", "")
        self.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = self.request_id
        self.status: int | None = None
        self._receive = receive
        self._send = send
        self.limit = body_bytes
        self._send_id = send_id
        self._bytes_read = 0
        self._body_read = asyncio.Event()
        self._gone = asyncio.Event()

    async def receive(self) -> Message:
        """The app's side of `receive`: the body within its limit, then the client's departure."""
        if self._body_read.is_set():
            await self._gone.wait()
            return {"type": "http.disconnect"}
        message = await self._next()
        if self._bytes_read > self.limit:
            raise fields.body_too_large(self.limit)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._send_id:
                MutableHeaders(scope=message)["X-Request-Id"] = self.request_id
        await self._send(message)

    async def watch(self) -> None:
        """Returns when the client has left."""
        await self._body_read.wait()
        while not self._gone.is_set():
            await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone.set()
        self._bytes_read += len(message.get("body", b""))
        if not message.get("more_body"):
            self._body_read.set()
        return message


def _path(scope: Scope) -> str:
    return scope["path"].removeprefix(scope.get("root_path", ""))
