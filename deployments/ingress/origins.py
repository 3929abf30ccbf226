"""Which web pages may use the server from a browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

LOCAL_PAGES = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"

PRIVATE_NETWORK = "Access-Control-Allow-Private-Network"


class Origins:
    """Pages of the `named` origins ("*": of any) and of the browser's own machine may. Any other page's use of a server
    without keys, behind its owner's back, ends here."""

    def __init__(self, named: Sequence[str]) -> None:
        """As browsers send them: https://example.org, chrome-extension://<id>, app://<name>, null of a local file."""
        self._named = list(named)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """`app` behind CORS, by which a browser learns whether a page may read an HTTP response."""
        return _Cors(
            app,
            allow_origins=self._named,
            allow_origin_regex=LOCAL_PAGES,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["*"],
            allow_private_network=True,
        )

    def check_socket(self, scope: Scope) -> None:
        """Browsers let any page open a WebSocket anywhere, and leave it to the server to look at the page's origin.
        Raises HTTPException (403) for a page that may not; what is no browser names no origin, or the server's own."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None or self._allows(origin) or _host(origin) == _host("//" + headers.get("host", "")):
            return
        raise HTTPException(403, f"Pages of {origin} may not use this server: name it under origins in the settings.")

    def _allows(self, origin: str) -> bool:
        return "*" in self._named or origin in self._named or re.fullmatch(LOCAL_PAGES, origin) is not None


class _Cors(CORSMiddleware):
    """A page on the internet reaches a server at home only where the server says so, to that page."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code != 200 and PRIVATE_NETWORK in response.headers:
            del response.headers[PRIVATE_NETWORK]
        return response


def _host(address: str) -> str:
    """Host and port; the port of http and https left out, as a proxy may speak either to us."""
    try:
        parts = urlsplit(address)
        return f"{parts.hostname}:{parts.port}" if parts.port not in (None, 80, 443) else f"{parts.hostname}:"
    except ValueError:
        return ""
