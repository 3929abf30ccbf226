"""The API key that a client sends, and whether it may pass."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Scope

from models.types import Unauthorized

# How OpenAI's clients in a browser send a key: beside the subprotocol that they mean to speak.
KEY_SUBPROTOCOL = "openai-insecure-api-key."
MISSING = "Send a valid API key in the header 'Authorization: Bearer <key>'."
MISSING_ON_SOCKET = (
    "Send a valid API key: in the header 'Authorization: Bearer <key>', or from a browser as ?api_key=<key> or as "
    f"WebSocket subprotocol '{KEY_SUBPROTOCOL}<key>' beside another one."
)


class Keys:
    """The keys that the server accepts; without any, every client may pass."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    def check(self, scope: Scope) -> None:
        """Raises Unauthorized unless the connection brings one of the keys."""
        if not self._keys:
            return
        token = given_key(scope).encode()
        matches = [hmac.compare_digest(token, key) for key in self._keys]  # all of them: time tells nothing
        if not any(matches):
            raise Unauthorized(MISSING_ON_SOCKET if scope["type"] == "websocket" else MISSING)

    def client(self, scope: Scope) -> str:
        """The client that a connection counts for: its key (by a hash), or its address where no keys are asked for."""
        if self._keys:
            return sha256(given_key(scope).encode()).hexdigest()
        return str(scope["client"][0]) if scope.get("client") else ""


def given_key(scope: Scope) -> str:
    """The key in a header (Fish's and OpenAI's, ElevenLabs', or the usual one), else, where clients cannot set headers,
    in the query or in a subprotocol; "" for none.

    A browser sets no header for a WebSocket nor for an `<audio>` element. A query is not taken of requests that can
    carry headers: addresses end up in logs.
    """
    headers = Headers(scope=scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    given = token if scheme.lower() == "bearer" else headers.get("xi-api-key") or headers.get("x-api-key") or ""
    if not given and scope["type"] == "websocket":
        given = next((name[len(KEY_SUBPROTOCOL) :] for name in subprotocols(scope) if _holds_key(name)), "")
    if not given and (scope["type"] == "websocket" or scope["method"] in ("GET", "HEAD")):
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        given = next((query[name][0] for name in ("api_key", "authorization") if name in query), "")
        given = given.removeprefix("Bearer ")
    return given.strip()


def subprotocols(scope: Scope) -> list[str]:
    """The subprotocols that a WebSocket's client offers."""
    return list(scope.get("subprotocols", ()))


def chosen_subprotocol(scope: Scope) -> str | None:
    """The first one offered that holds no key. A browser that offered some and is told none fails the connection."""
    return next((name for name in subprotocols(scope) if not _holds_key(name)), None)


def _holds_key(subprotocol: str) -> bool:
    return subprotocol.startswith(KEY_SUBPROTOCOL)
