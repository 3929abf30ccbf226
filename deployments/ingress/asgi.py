"""The ASGI app: every protocol's routes over one pipeline, behind the gate."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deployments.ingress.admission import Admission
from deployments.ingress.entrance import Entrance
from deployments.ingress.gate import Gate
from deployments.ingress.inflating import Inflating
from deployments.ingress.keys import Keys
from deployments.ingress.origins import Origins
from deployments.page import routes as page
from deployments.protocols import fish, fish_live, kserve, openai, openai_live
from deployments.protocols.base import Protocol
from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.segments import Limits
from deployments.system import protocol as system
from deployments.system.health import ServerInfo

PROTOCOLS: tuple[Protocol, ...] = (
    *(fish.PROTOCOL, fish_live.PROTOCOL, openai.PROTOCOL, openai_live.PROTOCOL, kserve.PROTOCOL),
    *(page.PROTOCOL, system.PROTOCOL),
)


def create_app(
    pipeline: Pipeline,
    info: ServerInfo,
    api_keys: Sequence[str] = (),
    origins: Sequence[str] = (),
    send_request_id: bool = True,
    protocols: Sequence[Protocol] = PROTOCOLS,
    admission: Admission | None = None,
) -> Starlette:
    """The protocols over one pipeline. With `api_keys`, every route that is not open asks for one. `origins` and
    `send_request_id` are as for Origins and Gate, `admission` as for Entrance."""
    pages = Origins(origins)

    def limits() -> Limits:
        return pipeline.limits  # which may change

    app = Starlette(
        routes=[route for protocol in protocols for route in protocol.routes],
        middleware=[
            Middleware(Gate, limits, send_request_id),
            Middleware(pages.middleware),
            Middleware(Entrance, protocols, Keys(api_keys), pages, limits, admission),
            Middleware(Inflating, limits),
        ],
        exception_handlers={HTTPException: _unanswered},
    )
    app.router.default = _no_such_route
    app.state.pipeline = pipeline
    app.state.info = info
    return app


async def _no_such_route(scope: Scope, receive: Receive, send: Send) -> None:
    what = "WebSocket" if scope["type"] == "websocket" else scope["method"]
    raise HTTPException(404, f"There is no {what} {quote(scope['path'])}.")


async def _unanswered(request: Request, error: Exception) -> Response:
    """The entrance answers every error; Starlette would answer its own before. Its 405, for a method that a path does
    not take, names neither."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        error.detail = f"This path does not take {request.method} {quote(request.url.path)}."
    raise error
