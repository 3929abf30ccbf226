"""/v1/tts/live over a real server and a real client, on fake stages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import ormsgpack
import pytest
from websockets.sync.client import ClientConnection, connect

from deployments.protocols import live
from deployments.protocols.fish import STOCK_VOICES
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from models.types import Busy, SynthesisRequest
from tests.deployments.fakes import FRAME, FakeStages, make_app, make_pipeline, serving
from tests.deployments.protocols.talking import SEA, in_pieces, messages, seconds, until


@pytest.fixture
def address(stages: FakeStages, tmp_path: Path) -> Iterator[str]:
    with serving(make_app(stages, str(tmp_path / "voices"), Limits(lead_seconds=1e9))) as address:
        yield address


@contextmanager
def talk(address: str, **headers: str) -> Iterator[ClientConnection]:
    with connect(f"{address.replace('http', 'ws')}/v1/tts/live", additional_headers=headers) as socket:
        yield socket


def tell(socket: ClientConnection, *events: dict[str, Any]) -> None:
    for event in events:
        socket.send(ormsgpack.packb(event))


def start(**request: Any) -> dict[str, Any]:
    return {"event": "start", "request": {"text": "", "format": "pcm", "seed": 7} | request}


def text(piece: str) -> dict[str, Any]:
    return {"event": "text", "text": piece}


NEXT, STOP = {"event": "flush"}, {"event": "stop"}


def hear(socket: ClientConnection) -> dict[str, Any]:
    event = ormsgpack.unpackb(socket.recv(timeout=10))
    assert isinstance(event, dict)
    return event


def turn(socket: ClientConnection) -> bytes:
    """The audio until `finish`."""
    audio = b""
    while (event := hear(socket))["event"] == "audio":
        audio += event["audio"]
    assert event == {"event": "finish", "reason": "stop"}
    return audio


def failure(socket: ClientConnection) -> tuple[dict[str, Any], int]:
    """The last event, and the close code."""
    heard, code = messages(socket)
    return ormsgpack.unpackb(heard[-1]), code


def spoken(stages: FakeStages) -> list[str]:
    return [prompt.text for prompt in stages.prompts]


# What is heard


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize("format", ["wav", "mp3", "pcm"])
def test_pieces_split_anywhere_sound_as_the_whole_text(address: str, size: int, format: str) -> None:
    whole = httpx.post(f"{address}/v1/tts", json={"text": SEA, "format": format, "seed": 7, "streaming": True})
    with talk(address) as socket:
        tell(socket, start(format=format), *map(text, in_pieces(SEA, size)), STOP)
        assert turn(socket) == whole.content


def test_the_text_of_the_start_comes_first(address: str, stages: FakeStages) -> None:
    with talk(address) as socket:
        tell(socket, start(text="Hello "), text("there."), STOP)
        turn(socket)
    assert spoken(stages) == ["Hello there."]


@pytest.mark.parametrize(("format", "mark"), [("wav", b"RIFF"), ("opus", b"OpusHead"), ("flac", b"fLaC")])
def test_a_speech_is_one_container(address: str, stages: FakeStages, format: str, mark: bytes) -> None:
    with talk(address) as socket:
        tell(socket, start(format=format))
        for sentence in ("One is here.", "Two is here.", "Three is here."):
            tell(socket, text(sentence), NEXT)
        tell(socket, STOP)
        audio = turn(socket)
    assert audio.count(mark) == 1
    assert round(seconds(audio) * stages.sample_rate) >= FRAME * sum(map(len, spoken(stages)))


def test_the_cloud_s_clients_get_mp3_where_they_name_no_format(address: str) -> None:
    with talk(address, model="s1") as socket:
        tell(socket, {"event": "start", "request": {}}, text(SEA), STOP)
        assert turn(socket).startswith(b"ID3")


def test_what_has_no_effect_is_told(address: str) -> None:
    with talk(address) as socket:
        tell(socket, start(latency="low", chunk_lenght=200, reference_id=min(STOCK_VOICES)))
        assert "latency, chunk_lenght (did you mean chunk_length?)" in hear(socket)["message"]
        assert "the model chose one" in hear(socket)["message"]


# When it is heard


def test_a_sentence_is_spoken_before_the_next_is_written(address: str, stages: FakeStages) -> None:
    with talk(address) as socket:
        tell(socket, start(), text("Hel"), text("lo the"), text("re. "))
        assert hear(socket)["event"] == "audio"
        tell(socket, text("And then"), NEXT)
        until(lambda: spoken(stages) == ["Hello there.", "And then"])
        tell(socket, text(" it ended."), STOP)
        turn(socket)
    assert spoken(stages) == ["Hello there.", "And then", "it ended."]


def test_several_turns_use_one_socket(address: str, stages: FakeStages) -> None:
    with talk(address) as socket:
        for number in range(3):
            tell(socket, start(format="wav"), text(f"Turn {'abc'[number]}. "), NEXT, STOP)
            assert turn(socket).startswith(b"RIFF")
    assert spoken(stages) == ["Turn a.", "Turn b.", "Turn c."]


def test_a_speech_without_text_is_silent_and_no_request(address: str, stages: FakeStages) -> None:
    with talk(address) as socket:
        tell(socket, start(), text(" "), NEXT, STOP)
        assert turn(socket) == b""
    assert not stages.prompts


# How it ends early


def test_a_closed_socket_frees_every_stage(address: str, stages: FakeStages) -> None:
    stages.endless, stages.block_seconds = True, 0.01
    with talk(address) as socket:
        tell(socket, start(), *[text("A sentence that never ends. "), NEXT] * 5)
        hear(socket)
        until(lambda: stages.active == 1)  # without a voice, later segments follow the first one's
    until(lambda: stages.active == 0)


@pytest.mark.parametrize(
    ("sent", "words", "code"),
    [
        ([b"\xc1"], "not valid msgpack", 1007),
        (["text"], "binary msgpack", 1007),
        ([[1, 2]], "named fields", 1007),
        ([{}], "needs an 'event'", 1007),
        ([{"event": "begin"}], "start, text, flush, stop", 1007),
        ([{"event": ["start"]}], "needs an 'event'", 1007),
        ([text("Hello.")], "send 'start' first", 1007),
        ([NEXT], "send 'start' first", 1007),
        ([STOP], "send 'start' first", 1007),
        ([{"event": "start"}], "request: Field required", 1007),
        ([{"event": "start", "request": "now"}], "request", 1007),
        ([start(format="mp4")], "unknown audio format", 1007),
        ([start(format="opus", sample_rate=44100)], "sample rate", 1007),
        ([start(chunk_length=5)], "chunk_length", 1007),
        ([start(temperature=7)], "temperature", 1007),
        ([start(reference_id="nobody")], "nobody", 1008),
        ([start(), start()], "within a speech", 1007),
        ([start(), {"event": "text"}], "text: Field required", 1007),
        ([start(), {"event": "text", "text": 5}], "text", 1007),
        ([start(), text("a" * 2_000_000)], "limit", 1009),
        ([start(), text("Hello."), b"\xc1"], "not valid msgpack", 1007),
        ([start(), text("Hello."), STOP, text("More.")], "has ended", 1007),
        ([start(), text("Hello."), STOP, STOP], "has ended", 1007),
    ],
)
def test_a_malformed_message_is_told_and_ends_the_speech(
    address: str, stages: FakeStages, sent: list[Any], words: str, code: int
) -> None:
    stages.endless, stages.block_seconds = True, 0.01
    with talk(address) as socket:
        for each in sent:
            socket.send(each if isinstance(each, (bytes, str)) else ormsgpack.packb(each))
        event, closed = failure(socket)
    assert (event["event"], event["reason"], closed) == ("finish", "error", code)
    assert words in event["message"]
    until(lambda: stages.active == 0)


def test_a_full_server_says_so(address: str, stages: FakeStages) -> None:
    stages.fail = Busy("Every slot is taken.")
    with talk(address) as socket:
        tell(socket, start(), text("Hello."), STOP)
        event, code = failure(socket)
    assert (event["status"], event["message"], code) == (429, "Every slot is taken.", 1013)


@pytest.mark.parametrize("events", [[], [start()], [start(), text("Hello.")]])
def test_a_silent_client_is_let_go(
    address: str, stages: FakeStages, monkeypatch: pytest.MonkeyPatch, events: list[Any]
) -> None:
    monkeypatch.setattr(live, "IDLE", 0.2)
    with talk(address) as socket:
        tell(socket, *events)
        event, code = failure(socket)
    assert (event["status"], code) == (408, 1008)
    until(lambda: stages.active == 0)


# Who is slower


def test_a_slow_listener_holds_the_stages_back(address: str, stages: FakeStages) -> None:
    with talk(address) as socket:
        tell(socket, start(), *[text("On and on it goes. " * 100)] * 20, NEXT)
        made = -1
        while made < stages.blocks_made:
            made = stages.blocks_made
            assert made < 1000
            time.sleep(0.2)
        for _ in range(made):
            hear(socket)
        assert stages.blocks_made > made


async def test_text_waits_for_its_reader(stages: FakeStages, tmp_path: Path) -> None:
    turn = live.Turn(make_pipeline(stages, VoiceLibrary(str(tmp_path))), SynthesisRequest(""))
    saying = asyncio.create_task(turn.say("word " * (live.ROOM // 5)))
    await asyncio.sleep(0)
    assert not saying.done()
    async with aclosing(turn.audio()) as parts:
        await anext(parts)
        await saying
    assert stages.active == 0
