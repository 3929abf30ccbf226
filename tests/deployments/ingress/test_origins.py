"""Which web pages, extensions and apps may use the server from a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from deployments.ingress.asgi import create_app
from deployments.settings import Settings
from deployments.synthesis.voices import VoiceLibrary
from tests.deployments.fakes import INFO, FakeStages, make_pipeline


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("https://127.0.0.1", True),
        ("https://shoal.example", True),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),
    ],
)
def test_web_pages_of_this_machine_and_of_named_origins_may_ask(
    stages: FakeStages, tmp_path: Path, origin: str, allowed: bool
):
    pipeline = make_pipeline(stages, VoiceLibrary(str(tmp_path)))
    app = create_app(pipeline, INFO, ("secret",), ["https://shoal.example"])
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    with TestClient(app) as client:
        preflight = client.options("/v1/audio/speech", headers={"origin": origin, **asks})
        assert preflight.is_success == allowed
        for key, status in (("secret", 200), ("wrong", 401)):  # a page must be able to read the refusal too
            headers = {"origin": origin, "authorization": f"Bearer {key}"}
            answer = client.post("/v1/tts", json={"text": "Hi."}, headers=headers)
            assert answer.status_code == status
            assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)


@pytest.mark.parametrize(
    "origin",
    ["chrome-extension://abcdefgh", "moz-extension://1f-2e", "app://obsidian.md", "capacitor://localhost", "null"],
)
def test_what_is_no_web_page_may_ask_where_it_is_named(stages: FakeStages, tmp_path: Path, origin: str):
    pipeline = make_pipeline(stages, VoiceLibrary(str(tmp_path)))
    assert Settings.model_validate({"origins": [origin]}).origins == [origin]
    asks = {"origin": origin, "access-control-request-method": "POST"}
    for named, allowed in (([origin], True), (["*"], True), ([], False), (["https://shoal.example"], False)):
        with TestClient(create_app(pipeline, INFO, origins=named)) as client:
            preflight = client.options("/v1/tts", headers=asks)
            assert preflight.is_success == allowed
            told = preflight.headers.get("access-control-allow-origin")
            assert (told in (origin, "*")) == allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("http://localhost:3000", True), ("https://shoal.example", True), ("https://evil.example", False)],
)
def test_a_page_on_the_internet_may_reach_a_server_at_home_where_it_is_named(
    stages: FakeStages, tmp_path: Path, origin: str, allowed: bool
):
    asks = {"origin": origin, "access-control-request-method": "POST", "access-control-request-private-network": "true"}
    app = create_app(make_pipeline(stages, VoiceLibrary(str(tmp_path))), INFO, origins=["https://shoal.example"])
    with TestClient(app) as client:
        preflight = client.options("/v1/tts", headers=asks)
    assert preflight.is_success == allowed
    assert preflight.headers.get("access-control-allow-private-network") == ("true" if allowed else None)
