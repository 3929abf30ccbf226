"""The status table: which HTTP status, and which WebSocket close code, each kind of error has. Pure.

Every room may use it. How a protocol puts an error into words for its clients is in `protocols/errors.py`.
"""

from __future__ import annotations

from models.types import (
    Busy,
    Gone,
    InvalidRequest,
    NotAudio,
    NotReady,
    OutOfMemory,
    ShoalError,
    TooLarge,
    TooSlow,
    Unauthorized,
    Unsayable,
    VoiceExists,
    VoiceNotFound,
)

CLIENT_CLOSED = 499  # nginx's number for a client that left; no answer reaches it

STATUS: dict[type[ShoalError], int] = {
    InvalidRequest: 400,
    Unauthorized: 401,
    VoiceNotFound: 404,
    TooSlow: 408,
    VoiceExists: 409,
    TooLarge: 413,
    NotAudio: 415,
    Unsayable: 422,
    Busy: 429,
    Gone: CLIENT_CLOSED,
    NotReady: 503,
    OutOfMemory: 507,
}

# RFC 6455, section 7.4.1, and IANA's registry of close codes.
INVALID_PAYLOAD, POLICY_VIOLATION, MESSAGE_TOO_BIG, INTERNAL_ERROR, TRY_AGAIN_LATER = 1007, 1008, 1009, 1011, 1013
CLOSE_CODES = {
    400: INVALID_PAYLOAD,
    413: MESSAGE_TOO_BIG,
    415: INVALID_PAYLOAD,
    422: INVALID_PAYLOAD,
    429: TRY_AGAIN_LATER,
    503: TRY_AGAIN_LATER,
}


def status_of(error: BaseException) -> int:
    """The HTTP status of an exception; 500 for a kind that the table does not have."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def close_code(status: int) -> int:
    """The code with which an open WebSocket is closed, where HTTP would have answered `status`."""
    return CLOSE_CODES.get(status, POLICY_VIOLATION if status < 500 else INTERNAL_ERROR)
