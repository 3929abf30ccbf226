"""The real websockets package, through Ray's proxy: what may not come in is refused before it is accepted."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


@pytest.mark.parametrize(("path", "form"), [("/v1/nothing", "message"), ("/v1/audio/nothing", "error")])
def test_a_socket_that_is_not_there_is_refused_in_form(server: str, path: str, form: str):
    """Before it is accepted, and through Ray's proxy: with a status and a body that say why."""
    with pytest.raises(InvalidStatus) as caught, connect(server.replace("http", "ws") + path):
        pass
    assert caught.value.response.status_code == 404
    assert form in json.loads(caught.value.response.body)


def test_a_page_from_elsewhere_opens_no_socket(server: str):
    address = server.replace("http", "ws") + "/v1/nothing"
    with pytest.raises(InvalidStatus) as caught, connect(address, origin="https://evil.example"):
        pass
    assert caught.value.response.status_code == 403
