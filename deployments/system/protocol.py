"""The routes about the server itself, as the server knows them."""

from __future__ import annotations

from deployments.protocols.base import Protocol, plain_body
from deployments.system import estimate, health, optimize, preview, requests

PROTOCOL = Protocol(
    name="system",
    prefixes=("",),  # and every path that belongs to no protocol
    open_paths=frozenset(("/health", "/metrics")),  # of probes and scrapers, which carry no key
    error_body=plain_body,
    routes=[*health.routes, *estimate.routes, *optimize.routes, *preview.routes, *requests.routes],
)
