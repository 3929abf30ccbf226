"""Text in, speech out, beside OpenAI's speech: the WebSocket /v1/audio/speech/stream as vLLM-Omni and SGLang-Omni have
it. Events are JSON with a `type`, audio is binary."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_core import from_json
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from deployments.protocols import bodies, fields, live
from deployments.protocols.base import Protocol, pipeline_of
from deployments.protocols.openai import SpeechRequest, chosen_voice, error_body
from models.types import InvalidRequest


class Config(fields.Fields):
    """What the next utterances are spoken with: the fields of /v1/audio/speech, beside `type` or in `session`,
    with `wav` as the usual format."""

    type: Literal["session.config"]
    session: dict[str, Any] | None = None


class Text(fields.Fields):
    """The next piece of an utterance's text; it may end within a word."""

    type: Literal["input.text"]
    text: str


class Done(fields.Fields):
    """The utterance's text is complete."""

    type: Literal["input.done"]


class Cancel(fields.Fields):
    """What is spoken now is not wanted any more; harmless where nothing is."""

    type: Literal["input.cancel"]


class Close(fields.Fields):
    """The client has nothing more to say."""

    type: Literal["session.close"]


Event = Config | Text | Done | Cancel | Close
EVENTS: dict[str, type[Event]] = {
    "session.config": Config,
    "input.text": Text,
    "input.done": Done,
    "input.cancel": Cancel,
    "session.close": Close,
}


@dataclass(frozen=True, slots=True)
class Session:
    """What a `session.config` asks for; `voice` is the registered one that it means."""

    asked: SpeechRequest
    voice: str | None


async def live_speech(socket: WebSocket) -> None:
    """`session.config`, then for each utterance `input.text` and at last `input.done`. The answer to an utterance is
    `audio.start`, audio in a container of its own, `audio.done` and `session.done`."""
    await socket.accept()
    session: Session | None = None
    number = 0
    while True:
        event = await _heard(socket, live.IDLE)
        match event:
            case Config():
                session = await _configure(socket, event)
            case Close():
                return
            case Text() | Done():
                if session is None:
                    raise InvalidRequest(f"{event.type!r} came before 'session.config'.")
                await _utter(socket, session, event, number)
                number += 1


async def _configure(socket: WebSocket, config: Config) -> Session:
    """Raises InvalidRequest, VoiceNotFound. What has no effect is told in the answer."""
    given = config.session if config.session is not None else dict(config.model_extra or {})
    asked = fields.check(SpeechRequest, {"input": "", "response_format": "wav", **given})
    if asked.input:
        raise fields.InvalidField("input: the text comes in 'input.text' events", "input")
    voice, note = await chosen_voice(socket, asked)
    turn = await live.begin(socket, asked.synthesis(voice))  # so that a fault is told now, not with the first text
    answer = {"format": asked.response_format, "sample_rate": turn.container.sample_rate}
    more = {"ignored": list(fields.ignored(asked)), "note": note}
    await _tell(socket, "session.configured", **answer, **{name: value for name, value in more.items() if value})
    return Session(asked, voice)


async def _utter(socket: WebSocket, session: Session, first: Text | Done, number: int) -> None:
    turn = live.Turn(pipeline_of(socket), session.asked.synthesis(session.voice))
    speaking = _Speaking(socket, turn, session.asked.response_format, number)
    complete = await live.spoken(speaking.run(), _hear(socket, turn, first))
    if speaking.begun:
        await _tell(
            socket,
            "audio.done",
            utterance_index=number,
            sentence_index=0,
            total_bytes=speaking.bytes,
            error=False,
            cancelled=not complete,
        )
    sentences = int(speaking.begun)  # an utterance is one sound, whose parts no client needs to join
    await _tell(socket, "session.done", utterance_index=number, total_sentences=sentences, cancelled=not complete)


class _Speaking:
    """Sends an utterance's audio, and counts its bytes."""

    def __init__(self, socket: WebSocket, turn: live.Turn, format: str, number: int) -> None:
        self.begun = False
        self.bytes = 0
        self._socket, self._turn, self._format, self._number = socket, turn, format, number

    async def run(self) -> None:
        async with aclosing(self._turn.audio()) as parts:
            async for part in parts:
                if not self.begun:
                    self.begun = True
                    await self._begin()
                self.bytes += len(part)
                await self._socket.send_bytes(part)

    async def _begin(self) -> None:
        rate = self._turn.container.sample_rate
        place = {"utterance_index": self._number, "sentence_index": 0, "sentence_text": ""}
        await _tell(self._socket, "audio.start", **place, format=self._format, sample_rate=rate)


async def _hear(socket: WebSocket, turn: live.Turn, event: Event) -> None:
    """Returns when the speech is to end at once."""
    while not isinstance(event, Cancel):
        match event:
            case Text():
                await turn.say(event.text)
            case Done():
                turn.end()
            case _:
                raise InvalidRequest(f"{event.type!r} came within an utterance: send it after 'session.done'.")
        event = await _heard(socket)


async def _heard(socket: WebSocket, within: float | None = None) -> Event:
    message = await live.received(socket, within)
    if isinstance(message, bytes):
        raise InvalidRequest("Every message is JSON text, and a binary one came.")
    values = bodies.named("JSON", from_json, message.encode(), "message")
    kind = EVENTS.get(name) if isinstance(name := values.get("type"), str) else None
    if kind is None:
        raise InvalidRequest(f"A message needs a 'type', one of {', '.join(EVENTS)}.")
    return fields.check(kind, values)


async def _tell(socket: WebSocket, kind: str, **more: Any) -> None:
    await socket.send_text(json.dumps({"type": kind, **more}))


def _error_event(status: int, message: str, error: Exception) -> str:
    """`message` is vLLM-Omni's, `error` has OpenAI's form."""
    return json.dumps({"type": "error", "message": message, **error_body(status, message, error)})


PROTOCOL = Protocol(
    name="openai live",
    prefixes=("/v1/audio/speech/stream",),
    error_body=error_body,
    error_event=_error_event,
    routes=[WebSocketRoute("/v1/audio/speech/stream", live_speech)],
)
