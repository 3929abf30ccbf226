"""A protocol as an object: what a wire format tells the server about itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from deployments.synthesis.pipeline import Pipeline

# (status, message, error) -> what a client of the protocol parses
ErrorBody = Callable[[int, str, Exception], Mapping[str, Any]]
ErrorEvent = Callable[[int, str, Exception], str | bytes]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One wire format. To add one: a module that defines such an object, its name in `ingress/asgi.py`, and its tests.

    `prefixes` are the paths that belong to it: errors there have its form, on paths without a route too. The longest
    prefix wins, and "" takes what is left. `open_paths`, and all below `open_folders`, ask for no API key: what they
    tell holds counts and machines, no texts and no voices. `error_body` is the JSON of an HTTP error, `error_event` the
    last message on a WebSocket that failed (None: it is closed without one). `speaking` matches the paths whose POST
    asks for speech: such a request takes a place of admission.
    """

    name: str
    routes: Sequence[BaseRoute]
    prefixes: tuple[str, ...]
    error_body: ErrorBody
    error_event: ErrorEvent | None = None
    open_paths: frozenset[str] = frozenset()
    open_folders: tuple[str, ...] = ()
    speaking: re.Pattern[str] | None = None

    def speaks(self, method: str, path: str) -> bool:
        """Whether such a request asks for speech."""
        return method == "POST" and self.speaking is not None and self.speaking.fullmatch(path) is not None


def protocol_of(path: str, protocols: Sequence[Protocol]) -> Protocol:
    """The protocol that `path` belongs to."""
    found = [
        (len(prefix), protocol)
        for protocol in protocols
        for prefix in protocol.prefixes
        if not prefix or path == prefix or path.startswith(prefix + "/")
    ]
    return max(found, key=lambda each: each[0])[1]


def local_path(scope: Mapping[str, Any]) -> str:
    """The path of a connection below the prefix that the application is served under."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def pipeline_of(connection: HTTPConnection) -> Pipeline:
    """The pipeline that the application serves."""
    pipeline: Pipeline = connection.app.state.pipeline
    return pipeline


def plain_body(status: int, message: str, error: Exception) -> Mapping[str, Any]:
    """The form of upstream's server, and of the routes that belong to no protocol."""
    return {"status": status, "message": message}
