"""What went wrong -> HTTP status and body, in the form of the protocol that was spoken. The only such table."""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from models.types import (
    Busy,
    Gone,
    InvalidRequest,
    NotAudio,
    NotReady,
    OutOfMemory,
    ShoalError,
    TooLarge,
    Unauthorized,
    Unsayable,
    VoiceExists,
    VoiceNotFound,
)

CLIENT_CLOSED = 499  # nginx's number for a client that left; no answer reaches anybody

STATUS: dict[type[ShoalError], int] = {
    InvalidRequest: 400,
    Unauthorized: 401,
    VoiceNotFound: 404,
    VoiceExists: 409,
    TooLarge: 413,
    NotAudio: 415,
    Unsayable: 422,
    Busy: 429,
    Gone: CLIENT_CLOSED,
    NotReady: 503,
    OutOfMemory: 507,
}


def status_of(error: BaseException) -> int:
    """The HTTP status of any exception; 500 for one that nobody foresaw."""
    if isinstance(error, HTTPException):
        return error.status_code
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def answer(error: Exception, path: str, request_id: str) -> JSONResponse:
    """The response for `error` in the form that clients of `path` parse."""
    status = status_of(error)
    if status == 500:
        message = f"Something failed inside the server. Its log names the cause under request id {request_id}."
    else:
        message = error.detail if isinstance(error, HTTPException) else str(error)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, OutOfMemory):
        headers["x-should-retry"] = "false"  # the OpenAI SDK repeats what failed with 500 and more
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    body = next(form for prefix, form in FORMS if path.startswith(prefix))(status, message, error)
    return JSONResponse(body, status, headers)


def _fish(status: int, message: str, error: Exception) -> dict[str, Any]:
    return {"status": status, "message": message}


def _openai(status: int, message: str, error: Exception) -> dict[str, Any]:
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    phrase = "client_closed_request" if status == CLIENT_CLOSED else HTTPStatus(status).phrase
    codes = {400: "invalid_value", 401: "invalid_api_key", 429: "rate_limit_exceeded"}
    code = codes.get(status, phrase.lower().replace(" ", "_"))
    return {"error": {"message": message, "type": kind, "param": getattr(error, "param", None), "code": code}}


def _kserve(status: int, message: str, error: Exception) -> dict[str, Any]:
    return {"error": message}


FORMS: tuple[tuple[str, Callable[[int, str, Exception], dict[str, Any]]], ...] = (
    ("/v1/audio", _openai),
    ("/v1/models", _openai),
    ("/v2", _kserve),
    ("", _fish),
)
