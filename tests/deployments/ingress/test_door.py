"""The door over real connections: full, it refuses before it reads or asks anything; half-sent bodies end."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.ingress.admission import Admission, AdmissionLimits
from deployments.ingress.asgi import create_app
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from tests.deployments.fakes import INFO, FakeStages, make_pipeline, serving

ENDLESS = {"text": "Hello.", "streaming": True}


@contextmanager
def door(stages: FakeStages, folder: Path, limits: AdmissionLimits, keys: tuple[str, ...] = ()) -> Iterator[str]:
    """A server with two places, whose bodies must arrive within a fifth of a second."""
    pipeline = make_pipeline(stages, VoiceLibrary(str(folder)), Limits(body_seconds=0.2))
    with serving(create_app(pipeline, INFO, keys, admission=Admission(2, limits))) as address:
        yield address


@contextmanager
def sent(address: str, data: bytes) -> Iterator[socket.socket]:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)
        yield connection


def head(path: str, length: int = 1000) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n".encode()


@pytest.fixture
def full(stages: FakeStages, tmp_path: Path) -> Iterator[str]:
    """Two listeners hear something endless, and no one waits."""
    stages.endless = True
    with door(stages, tmp_path, AdmissionLimits(wait_seconds=0.0)) as address:
        for _ in range(2):  # so that how long one takes is known
            stages.endless = False
            assert httpx.post(f"{address}/v1/tts", json={"text": "Hello."}).status_code == 200
        stages.endless = True
        with (
            httpx.stream("POST", f"{address}/v1/tts", json=ENDLESS),
            httpx.stream("POST", f"{address}/v1/tts", json=ENDLESS),
        ):
            yield address


@pytest.mark.parametrize("path", ["/v1/tts", "/v1/audio/speech", "/v2/models/fish_speech/infer"])
def test_a_full_server_refuses_before_it_reads_or_asks(full: str, stages: FakeStages, path: str) -> None:
    asked = len(stages.prompts)
    with sent(full, head(path)) as connection:  # and not one byte of the body
        answer = connection.recv(4000).decode()
    assert answer.startswith("HTTP/1.1 429 ") and "retry-after: " in answer.lower()
    assert len(stages.prompts) == asked


def test_the_refusal_has_the_protocols_form(full: str) -> None:
    openai = httpx.post(f"{full}/v1/audio/speech", json={"input": "Hi."})
    assert (openai.status_code, openai.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert httpx.post(f"{full}/v1/tts", json={"text": "Hi."}).json()["status"] == 429
    assert set(httpx.post(f"{full}/v2/models/fish_speech/infer", json={}).json()) == {"error"}


@pytest.mark.parametrize("path", ["/health", "/v1/health", "/v1/models", "/v2/health/ready", "/v1/references/list"])
def test_what_does_not_speak_needs_no_place(full: str, path: str) -> None:
    assert httpx.get(full + path).status_code == 200


def test_a_place_that_is_left_is_free(stages: FakeStages, tmp_path: Path) -> None:
    stages.endless = True
    with door(stages, tmp_path, AdmissionLimits(wait_seconds=0.0)) as address:
        for _ in range(5):
            with httpx.stream("POST", f"{address}/v1/tts", json=ENDLESS) as response:
                assert response.status_code == 200
        deadline = time.monotonic() + 10
        while stages.active:
            assert time.monotonic() < deadline
            time.sleep(0.005)


@pytest.mark.parametrize("keys", [("one", "two"), ()])
def test_one_client_cannot_take_every_place(stages: FakeStages, tmp_path: Path, keys: tuple[str, ...]) -> None:
    """Where no keys are asked for, one that is sent along identifies no client: the address counts."""
    stages.endless = True
    with door(stages, tmp_path, AdmissionLimits(key_streams=1), keys) as address:

        def ask(key: str) -> Any:
            headers = {"authorization": f"Bearer {key}"}
            return httpx.stream("POST", f"{address}/v1/tts", json=ENDLESS, headers=headers)

        with ask("one") as first, ask("one") as again, ask("two") as other:
            assert (first.status_code, again.status_code) == (200, 429)
            assert other.status_code == (200 if keys else 429)


def test_a_body_that_does_not_come_ends(stages: FakeStages, tmp_path: Path) -> None:
    with door(stages, tmp_path, AdmissionLimits()) as address:
        with sent(address, head("/v1/tts") + b'{"text": "He') as connection:
            answer = b"".join(iter(lambda: connection.recv(4000), b"")).decode()
        assert answer.startswith("HTTP/1.1 408 ") and "0.2 s" in answer, "and the connection was closed"
        assert httpx.post(f"{address}/v1/tts", json={"text": "Hello."}).status_code == 200
    assert [prompt.text for prompt in stages.prompts] == ["Hello."]
