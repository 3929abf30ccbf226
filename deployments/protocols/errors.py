"""An exception -> what a client is told, in the form of the protocol that it speaks."""

from __future__ import annotations

import math

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from deployments import errors
from deployments.errors import close_code
from deployments.protocols.base import Protocol
from models.types import Busy, NotReady, OutOfMemory, TooSlow, Unauthorized

RETRY_SECONDS = 5  # about as long as a stage takes to restart


def status_of(error: BaseException) -> int:
    """The HTTP status of any exception, Starlette's own among them; 500 for one that nothing foresaw."""
    return error.status_code if isinstance(error, HTTPException) else errors.status_of(error)


def answer(error: Exception, protocol: Protocol, request_id: str) -> JSONResponse:
    """The HTTP response for `error`."""
    status = status_of(error)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, NotReady):
        headers["Retry-After"] = str(RETRY_SECONDS)
    if isinstance(error, OutOfMemory):
        headers["x-should-retry"] = "false"  # the OpenAI SDK repeats what failed with 500 and more
    if isinstance(error, TooSlow):
        headers["Connection"] = "close"  # the rest of the body is not waited for
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(protocol.error_body(status, message(error, request_id), error), status, headers)


def farewell(error: Exception, protocol: Protocol, request_id: str) -> tuple[str | bytes | None, int]:
    """The last message to an open WebSocket that fails with `error`, and its close code."""
    status = status_of(error)
    event = protocol.error_event and protocol.error_event(status, message(error, request_id), error)
    return event, close_code(status)


def message(error: Exception, request_id: str) -> str:
    """The words for a person; an error that nothing foresaw gives nothing away."""
    if status_of(error) == 500:
        return f"Something failed inside the server. Its log names the cause under request id {request_id}."
    return error.detail if isinstance(error, HTTPException) else str(error)
