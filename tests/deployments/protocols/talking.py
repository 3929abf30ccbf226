"""A live server on fake stages, and what its clients hear."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import av
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

SEA = "The sea is wide and its fish are many and none of them can speak."


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited for 10 s"
        time.sleep(0.002)


def messages(socket: ClientConnection) -> tuple[list[str | bytes], int]:
    """What still comes until the server closes, and its close code."""
    heard: list[str | bytes] = []
    try:
        while True:
            heard.append(socket.recv(timeout=10))
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return heard, closed.rcvd.code


def in_pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def seconds(audio: bytes) -> float:
    with av.open(io.BytesIO(audio)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
