"""Requests for speech, as the tests of protocols send them."""

from __future__ import annotations

import base64
from typing import Any

import httpx
from starlette.testclient import TestClient

from tests.deployments.fakes import recording

FISH, OPENAI = "/v1/tts", "/v1/audio/speech"
TEXT = {FISH: "text", OPENAI: "input"}
WORDS = "Hello there."
SEA = recording()
URL_SAFE = base64.urlsafe_b64encode(SEA).decode()


def ask(client: TestClient, path: str, **body: Any) -> httpx.Response:
    return client.post(path, json={TEXT[path]: WORDS, "seed": 1} | body)


def spoken(client: TestClient, path: str, **body: Any) -> httpx.Response:
    response = ask(client, path, **body)
    assert response.status_code == 200, response.text
    return response
