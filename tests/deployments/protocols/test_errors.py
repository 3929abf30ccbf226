from __future__ import annotations

import json

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import Response

from deployments.errors import STATUS
from deployments.ingress.asgi import PROTOCOLS
from deployments.protocols import errors
from deployments.protocols.base import protocol_of
from deployments.protocols.errors import status_of
from models import types
from models.types import Busy, CheckpointError, SettingsError, ShoalError, Unauthorized, VoiceNotFound

PATHS = {"/v1/tts": "fish", "/v1/audio/speech": "openai", "/v1/models/x": "openai", "/v2/models": "kserve", "/": "fish"}
INTERNAL = {CheckpointError, SettingsError, ShoalError}


def answer(error: Exception, path: str, request_id: str) -> Response:
    return errors.answer(error, protocol_of(path, PROTOCOLS), request_id)


def body(error: Exception, path: str = "/v1/tts") -> dict:
    return json.loads(answer(error, path, "id-1").body)


def message(error: Exception, path: str) -> str:
    told = body(error, path)
    return {
        "fish": lambda: told["message"],
        "openai": lambda: told["error"]["message"],
        "kserve": lambda: told["error"],
    }[PATHS[path]]()


def test_every_error_of_the_domain_has_a_status():
    kinds = {k for k in vars(types).values() if isinstance(k, type) and issubclass(k, ShoalError)}
    assert {kind for kind in kinds - INTERNAL if kind.__base__ not in STATUS} == set(STATUS), "or its base has one"
    assert len(set(STATUS.values())) == len(STATUS)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", STATUS)
def test_every_protocol_tells_the_message_and_status(path: str, kind: type[ShoalError]):
    response = answer(kind("what to do"), path, "id-1")
    assert response.status_code == STATUS[kind]
    assert message(kind("what to do"), path) == "what to do"


def test_busy_says_when_to_come_back():
    assert answer(Busy("full", 2.2), "/v1/tts", "id").headers["retry-after"] == "3"
    assert answer(Busy("full", 0.01), "/v1/tts", "id").headers["retry-after"] == "1"


def test_unauthorized_says_how():
    assert answer(Unauthorized("no key"), "/v1/tts", "id").headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", PATHS)
def test_the_unforeseen_gives_nothing_away(path: str):
    error = KeyError("secret")
    assert status_of(error) == 500
    assert "secret" not in json.dumps(body(error, path))
    assert "id-1" in message(error, path)


def test_a_subclass_counts_as_its_kind():
    class Lost(VoiceNotFound):
        pass

    assert status_of(Lost("x")) == 404
    assert status_of(HTTPException(405)) == 405
