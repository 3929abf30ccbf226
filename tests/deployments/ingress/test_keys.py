"""Where an API key is looked for."""

from __future__ import annotations

import pytest

from deployments.ingress.keys import given_key


@pytest.mark.parametrize(
    ("method", "query", "key"),
    [
        ("GET", "api_key=a", "a"),
        ("HEAD", "api_key=a", "a"),
        ("POST", "api_key=a", ""),
        ("GET", "key=a", ""),
        ("GET", "api_key=", ""),
    ],
)
def test_a_query_holds_the_key_of_what_cannot_set_headers(method: str, query: str, key: str) -> None:
    scope = {"type": "http", "method": method, "query_string": query.encode(), "headers": []}
    assert given_key(scope) == key
    headers = [(b"authorization", b"Bearer b")]
    assert given_key(scope | {"headers": headers}) == "b", "a header goes before"
