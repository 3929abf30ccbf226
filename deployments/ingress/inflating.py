"""Compressed bodies: inflated while they are read, for every route alike."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.protocols.bodies import body_too_large
from deployments.synthesis.segments import Limits
from models.types import InvalidRequest

PIECE = 2**18  # bytes inflated at a time: others' coroutines run in between
EITHER_HEADER = 47  # zlib's word for gzip or zlib, whichever it is


class Inflating:
    """Middleware: the application reads a body of gzip, or of deflate in zlib's format, as it was before."""

    def __init__(self, app: ASGIApp, limits: Callable[[], Limits]) -> None:
        """`limits` hold for a body when it is inflated."""
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Raises HTTPException (415) for an encoding that is not known."""
        encoding = Headers(scope=scope).get("content-encoding", "") if scope["type"] == "http" else ""
        if encoding.lower() not in ("", "identity"):
            if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
                raise HTTPException(
                    415, f"Content-Encoding {encoding!r} is not known here; send gzip, deflate or none."
                )
            receive = _Inflated(receive, encoding.lower(), self._limits().body_bytes)
        await self._app(scope, receive, send)


class _Inflated:
    """`receive` of a compressed body."""

    def __init__(self, receive: Receive, encoding: str, limit: int) -> None:
        self._receive, self._encoding, self._limit = receive, encoding, limit
        self._inflate = zlib.decompressobj(EITHER_HEADER)
        self._held = b""  # compressed, and not inflated yet
        self._size = 0
        self._begun = self._full = self._read = self._over = False

    async def __call__(self) -> Message:
        """The next piece of the body. Raises InvalidRequest for what is not compressed as it says, TooLarge."""
        while not self._over:
            if not (self._held or self._full or self._read):
                message = await self._receive()
                if message["type"] != "http.request":
                    return message
                self._held, self._read = message.get("body", b""), not message.get("more_body", False)
            piece = self._next()
            self._over = self._read and not self._held and not self._full
            if self._over and self._begun and not self._inflate.eof:
                raise InvalidRequest(f"The body is not {self._encoding}: it ends too early.")
            if piece or self._over:
                return {"type": "http.request", "body": piece, "more_body": not self._over}
        return await self._receive()

    def _next(self) -> bytes:
        self._begun |= bool(self._held)
        try:
            piece = self._inflate.decompress(self._held, PIECE)
        except zlib.error as error:
            raise InvalidRequest(f"The body is not {self._encoding}: {error}") from None
        self._held = self._inflate.unconsumed_tail
        self._full = len(piece) == PIECE  # there may be more of what is read already
        if following := self._inflate.unused_data.lstrip(b"\0"):  # gzip files may follow one another, or zeros
            self._held, self._inflate = following, zlib.decompressobj(EITHER_HEADER)
        self._size += len(piece)
        if self._size > self._limit:
            raise body_too_large(self._limit)
        return piece
