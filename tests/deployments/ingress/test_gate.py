from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from deployments.protocols import audio
from deployments.synthesis.containers import encoder
from deployments.synthesis.segments import Limits
from models.types import Busy, NotReady
from tests.deployments.fakes import FakeStages, make_app, recording, serving

HELLO = {"text": "Hello there."}


@pytest.fixture
def live(stages: FakeStages, tmp_path: Path) -> Iterator[str]:
    limits = Limits(body_bytes=100_000)
    with serving(make_app(stages, str(tmp_path / "voices"), limits)) as address:
        yield address


@contextmanager
def posted(address: str, body: bytes) -> Iterator[socket.socket]:
    """A raw connection on which a speech request was sent."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST /v1/tts HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        connection.sendall(f"{head}\r\n\r\n".encode() + body)
        yield connection


def until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited for 10 s"
        time.sleep(0.005)


# Departures


def test_a_client_that_leaves_midway_stops_the_work(live: str, stages: FakeStages, caplog):
    stages.endless = True
    caplog.set_level(logging.INFO, "shoal.access")
    with posted(live, b'{"text": "Hello.", "streaming": true}') as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert stages.active == 1
    until(lambda: stages.active == 0)
    until(lambda: " 499 " in caplog.text)
    assert figures(caplog.messages[-1])["ended"] == "Gone"


def test_a_client_that_leaves_before_the_first_audio_stops_the_work(live: str, stages: FakeStages, caplog):
    stages.block_seconds = 60
    caplog.set_level(logging.INFO, "shoal.access")
    with posted(live, b'{"text": "Hello."}'):
        until(lambda: stages.active == 1)
    until(lambda: stages.active == 0)
    until(lambda: " 499 " in caplog.text)


def test_a_client_that_leaves_while_sending_is_forgotten(live: str, stages: FakeStages, caplog):
    caplog.set_level(logging.INFO, "shoal.access")
    host, port = live.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/tts HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
    until(lambda: " 499 " in caplog.text)
    assert stages.prompts == []


def test_a_client_that_stops_reading_does_not_make_the_stages_run_on(live: str, stages: FakeStages):
    text = b"On and on it goes. " * 2000
    with posted(live, b'{"text": "%s", "streaming": true, "format": "wav"}' % text):
        until(lambda: stages.blocks_made > 10)
        before = None
        while before != stages.blocks_made:
            before = stages.blocks_made
            time.sleep(0.2)
            assert before < 1000
    until(lambda: stages.active == 0)


@pytest.mark.parametrize(("speed", "free"), [(1.0, 3), (0.5, 1), (2.0, 6)])
async def test_a_stream_is_made_at_most_so_far_ahead_of_its_playing(
    monkeypatch: pytest.MonkeyPatch, speed: float, free: int
):
    """Under Ray Serve no client that stops reading is felt: the proxy takes everything."""
    now, slept = [0.0], []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    # In this module alone: Serve's threads sleep too.
    monkeypatch.setattr(audio, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(audio, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Speech:
        sample_rate, samples = 8000, 0

        async def blocks(self):
            for _ in range(10):
                self.samples += 8000
                yield np.zeros(8000, np.float32)

    container = encoder("pcm", 8000, streaming=True, speed=speed)
    assert [part async for part in audio.encoded(Speech(), container, lead=3.0)]
    assert slept[:free] == [0.0] * free and all(slept[free:]) and sum(slept) == 10 / speed - 3
    slept.clear()
    assert [part async for part in audio.encoded(Speech(), encoder("pcm", 8000, streaming=True))]
    assert not any(slept), "a whole file is not paced"


async def test_cancelling_the_handler_stops_the_work(stages: FakeStages, tmp_path: Path, caplog):
    """As Ray Serve does it: the app's own task is cancelled."""
    stages.block_seconds = 60
    caplog.set_level(logging.INFO, "shoal.access")
    app = make_app(stages, str(tmp_path))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shoal") as client:
        request = asyncio.create_task(client.post("/v1/tts", json=HELLO))
        async with asyncio.timeout(5):
            while not stages.active:
                await asyncio.sleep(0.001)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    assert stages.active == 0
    assert " 499 " in caplog.text


async def test_a_client_that_leaves_as_the_response_begins_stops_the_work(stages: FakeStages, tmp_path: Path):
    stages.endless = True

    messages = [{"type": "http.request", "body": b'{"text": "Hello.", "streaming": true}'}]

    async def receive():
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message):
        raise OSError("the connection is gone")

    scope = {"type": "http", "method": "POST", "path": "/v1/tts", "query_string": b"", "headers": []}
    await make_app(stages, str(tmp_path))(scope, receive, send)
    assert stages.prompts
    assert stages.active == 0


# Failures


def test_a_failure_midway_breaks_the_connection_off(live: str, stages: FakeStages, caplog):
    stages.fail, stages.fail_after = RuntimeError("the replica died"), 2
    body = HELLO | {"text": "word " * 50, "streaming": True}
    with httpx.stream("POST", f"{live}/v1/tts", json=body) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()
    assert "broke off midway: the replica died" in caplog.text
    stages.fail = None
    assert httpx.post(f"{live}/v1/tts", json=HELLO).status_code == 200


@pytest.mark.parametrize("streaming", [True, False])
def test_an_overload_keeps_its_status(client: TestClient, stages: FakeStages, streaming: bool):
    stages.fail = Busy("Every slot is taken; try again in a moment.", 2.0)
    response = client.post("/v1/tts", json=HELLO | {"streaming": streaming})
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert response.json() == {"status": 429, "message": "Every slot is taken; try again in a moment."}
    stages.fail = NotReady("starting")
    assert client.post("/v1/tts", json=HELLO).status_code == 503


def test_a_whole_file_that_fails_midway_is_an_error(client: TestClient, stages: FakeStages, caplog):
    stages.fail, stages.fail_after = RuntimeError("secret"), 2
    response = client.post("/v1/tts", json={"text": "word " * 50})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert response.headers["x-request-id"] in response.json()["message"]
    assert "secret" in caplog.text, "the cause is in the log"


# The gate


def test_a_body_over_the_limit_is_refused_before_it_is_read(live: str, stages: FakeStages):
    response = httpx.post(f"{live}/v1/tts", json={"text": "a" * 3_000_000})
    assert response.status_code == 413
    assert "limit" in response.json()["message"]
    assert httpx.post(f"{live}/v1/tts", json=HELLO).status_code == 200


def test_a_client_that_sends_all_before_it_reads_gets_the_refusal(live: str):
    with posted(live, b'{"text": "' + b"a" * 8_000_000 + b'"}') as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_over_the_limit_is_refused_while_it_is_read(live: str):
    response = httpx.post(f"{live}/v1/tts", content=(b"a" * 10_000 for _ in range(300)))
    assert response.status_code == 413
    files = {"reference_audio": recording(20)}
    form = httpx.post(f"{live}/v1/tts", data={"text": "Hello.", "reference_text": "a"}, files=files)
    assert form.status_code == 413


def test_request_ids_are_echoed_or_made(client: TestClient):
    assert client.get("/v1/health", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = client.get("/v1/health", headers={"x-request-id": "a b\tc" * 50}).headers["x-request-id"]
    assert len(made) == 32
    assert client.get("/nowhere").headers["x-request-id"] != made


def test_keys(stages: FakeStages, tmp_path: Path, caplog):
    caplog.set_level(logging.DEBUG)
    with TestClient(make_app(stages, str(tmp_path), api_keys=("key-one", "key-two"))) as client:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "key-one"}, {"x-api-key": ""}):
            refused = client.post("/v1/tts", json=HELLO, headers=headers)
            assert refused.status_code == 401, headers
            assert refused.json()["status"] == 401
        for headers in ({"authorization": "Bearer key-two"}, {"xi-api-key": "key-one"}, {"x-api-key": "key-one"}):
            assert client.post("/v1/tts", json=HELLO, headers=headers).status_code == 200, headers
        assert client.post("/v1/audio/speech").json()["error"]["code"] == "invalid_api_key"
        for path in ("/health", "/v1/health", "/v2/health/live", "/v2/health/ready"):
            assert client.get(path).status_code == 200
        assert client.get("/v2").status_code == 401
    assert "key-" not in caplog.text


def test_a_preflight_passes_the_gate_too(client: TestClient, caplog):
    caplog.set_level(logging.INFO, "shoal.access")
    asks = {"origin": "http://localhost", "access-control-request-method": "POST", "x-request-id": "page-1"}
    assert client.options("/v1/tts", headers=asks).headers["x-request-id"] == "page-1"
    assert caplog.messages[0].startswith("OPTIONS /v1/tts 200 ") and caplog.messages[0].endswith(" page-1")


def test_one_log_line_a_request_without_what_was_sent(client: TestClient, caplog):
    caplog.set_level(logging.INFO, "shoal.access")
    client.get("/v1/health?token=secret")
    client.get("/no%0Awhere")
    lines = [record.getMessage() for record in caplog.records if record.name == "shoal.access"]
    assert len(lines) == 2
    assert lines[0].startswith("GET /v1/health 200 ")
    assert lines[1].startswith("GET /no%0Awhere 404 ")
    assert "secret" not in caplog.text


def figures(line: str) -> dict[str, str]:
    return dict(part.split("=") for part in line.split() if "=" in part)


def test_the_line_of_a_synthesis_has_its_figures(client: TestClient, caplog):
    caplog.set_level(logging.INFO, "shoal.access")
    client.post("/v1/tts", json=HELLO, headers={"x-request-id": "turn-1"})
    client.post("/v1/tts", json={"text": " "})
    client.get("/v1/references/list")
    spoken, refused, other = caplog.messages
    assert spoken.startswith("POST /v1/tts 200 ") and spoken.split()[5] == "turn-1"
    told = figures(spoken)
    assert (told["chars"], told["pool"], told["ended"]) == ("12", "cpu", "complete")
    assert 0 <= float(told["first"]) <= float(told["total"]) and float(told["audio"]) > 0
    assert figures(refused).keys() == {"chars", "total", "ended"} and figures(refused)["ended"] == "Unsayable"
    assert figures(other) == {}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/v1/tts", 405), ("PUT", "/v1/references/a", 405)],
)
def test_unknown_routes_answer_in_form(client: TestClient, method: str, path: str, status: int):
    response = client.request(method, path)
    assert response.status_code == status
    assert response.json()["status"] == status
    assert path in response.json()["message"]
    openai = client.get("/v1/audio/speech")
    assert (openai.status_code, openai.json()["error"]["code"]) == (405, "method_not_allowed")
