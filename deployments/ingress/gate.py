"""The gate: every connection passes it, HTTP or WebSocket, for as long as it lasts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.ingress.connections import Connection, connect
from deployments.monitoring.request_rows import brief
from deployments.monitoring.stats import RequestStats, traced
from deployments.synthesis.segments import Limits

access_log = logging.getLogger("shoal.access")


class Gate:
    """The outermost middleware: a request id, a bound on what is read, an end to the work when the client leaves
    (before the first audio and after), and one line in the access log."""

    def __init__(self, app: ASGIApp, limits: Callable[[], Limits], send_request_id: bool) -> None:
        """`limits` are those of a request, as they are set now. Ray Serve's proxy sends
        X-Request-Id by itself: there `send_request_id` is False."""
        self._app = app
        self._limits = limits
        self._send_request_id = send_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = connect(scope, receive, send, self._limits(), self._send_request_id)
        with traced(connection.request_id) as trace:
            work = asyncio.ensure_future(self._app(scope, connection.receive, connection.send))
        watch = asyncio.create_task(connection.watch())
        left = True
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            left = not work.done()
        finally:
            work.cancel()
            watch.cancel()
            await asyncio.wait({work, watch})
            access_log.info("%s", line(connection, left, trace.requests))
        if not left and not work.cancelled():
            work.result()  # raises what no other middleware has answered


def line(connection: Connection, left: bool, requests: Sequence[RequestStats]) -> str:
    """The access log's line about a connection that is over, without anything that was sent over it; then the figures
    of the speech requests that came over it."""
    milliseconds = 1000 * (time.perf_counter() - connection.began)
    outcome = connection.outcome(left)
    parts = [connection.method, connection.path, str(outcome), f"{milliseconds:.0f} ms", connection.request_id]
    return " ".join([*parts, *brief(requests)])
