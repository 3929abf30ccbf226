"""/v1/audio/speech/stream over a real server and a real client, on fake stages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from deployments.synthesis.segments import Limits
from models.types import Busy
from tests.deployments.fakes import FakeStages, make_app, serving
from tests.deployments.protocols.talking import SEA, in_pieces, messages, until

DONE, CANCEL, CLOSE = {"type": "input.done"}, {"type": "input.cancel"}, {"type": "session.close"}


@pytest.fixture
def address(stages: FakeStages, tmp_path: Path) -> Iterator[str]:
    with serving(make_app(stages, str(tmp_path / "voices"), Limits(lead_seconds=1e9))) as address:
        yield address


@contextmanager
def talk(address: str) -> Iterator[ClientConnection]:
    with connect(f"{address.replace('http', 'ws')}/v1/audio/speech/stream") as socket:
        yield socket


def tell(socket: ClientConnection, *events: dict[str, Any]) -> None:
    for event in events:
        socket.send(json.dumps(event))


def config(**fields: Any) -> dict[str, Any]:
    return {"type": "session.config", "response_format": "pcm", "seed": 7, **fields}


def text(piece: str) -> dict[str, Any]:
    return {"type": "input.text", "text": piece}


def hear(socket: ClientConnection) -> Any:
    message = socket.recv(timeout=10)
    return message if isinstance(message, bytes) else json.loads(message)


def utterance(socket: ClientConnection) -> tuple[list[dict[str, Any]], bytes]:
    """The events to `session.done`, and the audio."""
    events: list[dict[str, Any]] = []
    audio = b""
    while not events or events[-1]["type"] != "session.done":
        if isinstance(heard := hear(socket), bytes):
            audio += heard
        else:
            events.append(heard)
    return events, audio


def configured(socket: ClientConnection, **fields: Any) -> dict[str, Any]:
    tell(socket, config(**fields))
    event: dict[str, Any] = hear(socket)
    assert event["type"] == "session.configured"
    return event


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("format", ["wav", "opus", "pcm"])
def test_pieces_split_anywhere_sound_as_the_whole_text(address: str, size: int, format: str) -> None:
    body = {"input": SEA, "response_format": format, "seed": 7}
    whole = httpx.post(f"{address}/v1/audio/speech", json=body).content
    with talk(address) as socket:
        told = configured(socket, response_format=format)
        tell(socket, *map(text, in_pieces(SEA, size)), DONE)
        (begun, ended, done), audio = utterance(socket)
    place = {"utterance_index": 0, "sentence_index": 0}
    sound = {"format": format, "sample_rate": told["sample_rate"]}
    assert begun == {"type": "audio.start", **place, "sentence_text": "", **sound}
    assert ended == {"type": "audio.done", **place, "total_bytes": len(audio), "error": False, "cancelled": False}
    assert done == {"type": "session.done", "utterance_index": 0, "total_sentences": 1, "cancelled": False}
    if format == "opus":  # each Ogg stream has a serial number of its own
        assert (len(audio), audio.count(b"OpusHead")) == (len(whole), 1)
    else:
        assert audio == whole


def test_the_fields_may_stand_in_session_and_wav_is_usual(address: str) -> None:
    with talk(address) as socket:
        tell(socket, {"type": "session.config", "session": {"voice": "alloy", "stream_audio": True}})
        told = hear(socket)
        assert (told["format"], told["ignored"]) == ("wav", ["stream_audio"])
        assert "the model chose one" in told["note"]


def test_utterances_follow_each_other_in_one_session(address: str, stages: FakeStages) -> None:
    with talk(address) as socket:
        configured(socket, response_format="wav")
        for number, words in enumerate(("One is here.", "Two is here.")):
            tell(socket, text(words), DONE)
            events, audio = utterance(socket)
            assert audio.startswith(b"RIFF") and {event["utterance_index"] for event in events} == {number}
        tell(socket, CLOSE)
        assert messages(socket) == ([], 1000)
    assert [prompt.text for prompt in stages.prompts] == ["One is here.", "Two is here."]


def test_an_utterance_without_text_is_silent(address: str, stages: FakeStages) -> None:
    with talk(address) as socket:
        configured(socket)
        tell(socket, CANCEL, DONE)  # a cancellation where nothing is spoken is harmless
        (done,), audio = utterance(socket)
    assert (done["total_sentences"], audio) == (0, b"")
    assert not stages.prompts


def test_a_cancellation_frees_every_stage_and_the_session_goes_on(address: str, stages: FakeStages) -> None:
    stages.endless, stages.block_seconds = True, 0.01
    with talk(address) as socket:
        configured(socket)
        tell(socket, text("A sentence that never ends. " * 30))
        assert hear(socket)["type"] == "audio.start"
        until(lambda: stages.active == 1)  # without a voice, later segments follow the first one's
        tell(socket, CANCEL)
        events, _ = utterance(socket)
        assert [(event["type"], event["cancelled"]) for event in events] == [
            ("audio.done", True),
            ("session.done", True),
        ]
        assert stages.active == 0
        stages.endless = False
        tell(socket, text("And again."), DONE)
        assert utterance(socket)[0][-1]["total_sentences"] == 1


@pytest.mark.parametrize(
    ("sent", "words", "code"),
    [
        (["{"], "not valid JSON", 1007),
        ([b"{}"], "a binary one", 1007),
        ([[]], "named fields", 1007),
        ([{}], "needs a 'type'", 1007),
        ([{"type": "input.audio"}], "input.text, input.done", 1007),
        ([text("Hello.")], "before 'session.config'", 1007),
        ([DONE], "before 'session.config'", 1007),
        ([config(response_format="mp4")], "unknown audio format", 1007),
        ([config(input="Hello.")], "input.text", 1007),
        ([config(voice="nobody")], "nobody", 1008),
        ([config(speed=9)], "speed", 1007),
        ([config(), {"type": "input.text"}], "text: Field required", 1007),
        ([config(), text("Hello."), config()], "within an utterance", 1007),
        ([config(), text("Hello."), DONE, text("More.")], "has ended", 1007),
        ([config(), text("a" * 2_000_000)], "limit", 1009),
    ],
)
def test_a_malformed_message_is_told_and_ends_the_session(
    address: str, stages: FakeStages, sent: list[Any], words: str, code: int
) -> None:
    stages.endless, stages.block_seconds = True, 0.01
    with talk(address) as socket:
        for each in sent:
            socket.send(each if isinstance(each, (bytes, str)) else json.dumps(each))
        heard, closed = messages(socket)
    event = json.loads(heard[-1])
    assert (event["type"], closed) == ("error", code)
    assert words in event["message"] and words in event["error"]["message"]
    until(lambda: stages.active == 0)


def test_a_full_server_says_so(address: str, stages: FakeStages) -> None:
    stages.fail = Busy("Every slot is taken.")
    with talk(address) as socket:
        configured(socket)
        tell(socket, text("Hello."), DONE)
        heard, code = messages(socket)
    assert (json.loads(heard[-1])["error"]["code"], code) == ("rate_limit_exceeded", 1013)
