"""Fish Audio's WebSocket /v1/tts/live: every message is one msgpack map with an `event`."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, Literal

import ormsgpack
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from deployments.protocols import bodies, fields, live
from deployments.protocols.base import Protocol, plain_body
from deployments.protocols.cloning import registered_voice
from deployments.protocols.fish import STOCK_VOICES, TTSRequest
from models.types import FLUSH, InvalidRequest


class Start(fields.Fields):
    """A speech begins; `request` has the fields of /v1/tts, whose text may be empty."""

    event: Literal["start"]
    request: dict[str, Any]


class Text(fields.Fields):
    """The next piece of the text; it may end within a word."""

    event: Literal["text"]
    text: str


class Flush(fields.Fields):
    """What is there is spoken now."""

    event: Literal["flush"]


class Stop(fields.Fields):
    """The text is complete."""

    event: Literal["stop"]


Event = Start | Text | Flush | Stop
EVENTS: dict[str, type[Event]] = {"start": Start, "text": Text, "flush": Flush, "stop": Stop}


async def live_tts(socket: WebSocket) -> None:
    """`start`, then `text` and `flush`, then `stop`; the answer is `audio` as it is made, then `finish`. The socket
    stays open for another `start`, as LiveKit keeps sockets in a pool. Each start begins a container of its own."""
    await socket.accept()
    while True:
        event = await _heard(socket, live.IDLE)
        if not isinstance(event, Start):
            raise InvalidRequest(f"{event.event!r} came where no speech has begun: send 'start' first.")
        text, turn = await _begin(socket, event)
        await live.spoken(_speak(socket, turn), _hear(socket, turn, text))
        await _tell(socket, event="finish", reason="stop")


async def _begin(socket: WebSocket, start: Start) -> tuple[str, live.Turn]:
    """The text that `start` brings, and the turn. What had no effect is told in a `log` event: it is too late for
    headers, and clients pass over events that they do not know."""
    cloud = "model" in socket.headers  # as on /v1/tts
    usual = {"text": "", "format": "mp3" if cloud else "wav", "streaming": True}
    given = {name: value for name, value in start.request.items() if value is not None}
    asked = fields.check(TTSRequest, usual | given)
    voice, note = await registered_voice(socket, asked.reference_id, STOCK_VOICES)
    turn = await live.begin(socket, asked.synthesis(voice), asked.volume_db)
    if names := list(fields.ignored(asked)):
        await _tell(socket, event="log", message=f"Without effect here: {fields.ignored_header(names)}.")
    if note:
        await _tell(socket, event="log", message=note)
    return asked.text, turn


async def _hear(socket: WebSocket, turn: live.Turn, text: str) -> None:
    if text:
        await turn.say(text)
    while True:
        event = await _heard(socket)
        match event:
            case Text():
                await turn.say(event.text)
            case Flush():
                await turn.say(FLUSH)
            case Stop():
                turn.end()
            case Start():
                raise InvalidRequest("'start' came within a speech: send 'stop' and wait for 'finish' before.")


async def _speak(socket: WebSocket, turn: live.Turn) -> None:
    async with aclosing(turn.audio()) as parts:
        async for part in parts:
            await _tell(socket, event="audio", audio=part)


async def _heard(socket: WebSocket, within: float | None = None) -> Event:
    message = await live.received(socket, within)
    if isinstance(message, str):
        raise InvalidRequest("Every message is binary msgpack, and a text message came.")
    values = bodies.named("msgpack", ormsgpack.unpackb, message, "message")
    kind = EVENTS.get(name) if isinstance(name := values.get("event"), str) else None
    if kind is None:
        raise InvalidRequest(f"A message needs an 'event', one of {', '.join(EVENTS)}.")
    return fields.check(kind, values)


async def _tell(socket: WebSocket, **event: str | bytes) -> None:
    await socket.send_bytes(ormsgpack.packb(event))


def _error_event(status: int, message: str, error: Exception) -> bytes:
    return ormsgpack.packb({"event": "finish", "reason": "error", "status": status, "message": message})


PROTOCOL = Protocol(
    name="fish live",
    prefixes=("/v1/tts/live",),
    error_body=plain_body,
    error_event=_error_event,
    routes=[WebSocketRoute("/v1/tts/live", live_tts)],
)
