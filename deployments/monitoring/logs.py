"""Where our loggers write in a replica."""

from __future__ import annotations

import logging


def log_through_serve() -> None:
    """Write where Serve's logger does, from its level on: its handlers name the replica and the request."""
    serve = logging.getLogger("ray.serve")
    for name in ("shoal", "deployments", "models", "cluster"):
        ours = logging.getLogger(name)
        ours.handlers, ours.propagate = serve.handlers, False
        ours.setLevel(serve.getEffectiveLevel())
