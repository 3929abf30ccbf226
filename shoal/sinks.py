"""Where sound goes: a file, stdout, or a player."""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO, Protocol

import typer

from shoal.failures import Exit, Failure

# Players that take sound from stdin, best first.
PLAYERS = (
    "ffplay -autoexit -nodisp -loglevel error -i -",
    "mpv --really-quiet --no-video -",
    "play -q -t wav -",
    "aplay -q -",
    "pw-play -",
    "paplay",
)


class Sink(Protocol):
    """Takes sound as it comes."""

    name: str

    def write(self, data: bytes) -> None:
        """Take more. Raises Failure."""

    def close(self) -> None:
        """All is written, and was heard where it is played."""

    def discard(self) -> None:
        """The sound broke off."""


def choose(output: str | None, player: str | None) -> Sink:
    """The file, stdout ("-"), or a player, as asked for. Without a wish, sound is piped on where stdout is a pipe."""
    if output not in (None, "-"):
        return File(Path(str(output)))
    if output == "-" or (player is None and not sys.stdout.isatty()):
        return Stdout()
    command = shlex.split(player) if player else _found()
    if command is None:
        names = ", ".join(each.split()[0] for each in PLAYERS[:4])
        raise Failure(f"No player is installed ({names}): give a file with -o hello.wav, or --player.", Exit.USAGE)
    return Player(command)


def _found() -> list[str] | None:
    return next((shlex.split(each) for each in PLAYERS if shutil.which(each.split()[0])), None)


class File:
    """A file that appears whole. A WAV gets its true sizes at the end: a stream begins without them."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._part = path.with_name(path.name + ".part")
        try:
            self._file: BinaryIO = self._part.open("w+b")
        except OSError as error:
            raise Failure(f"{path} cannot be written: {error.strerror}.", Exit.USAGE) from None

    def write(self, data: bytes) -> None:
        """Append to the file."""
        try:
            self._file.write(data)
        except OSError as error:
            raise Failure(f"{self._path} cannot be written: {error.strerror}.") from None

    def close(self) -> None:
        """Put it in its place."""
        with self._file as file:
            size = file.tell()
            file.seek(0)
            head = sized(file.read(64), size)
            file.seek(0)
            file.write(head)
        self._part.replace(self._path)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        self._part.unlink(missing_ok=True)


class Stdout:
    """The next program of a pipeline."""

    name = "stdout"

    def write(self, data: bytes) -> None:
        """Pass it on."""
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # the next program has had enough: what Python still holds goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(Exit.DONE) from None

    def close(self) -> None:
        """Nothing is left to do."""

    def discard(self) -> None:
        """What was passed on is gone."""


class Player:
    """A program that plays what it is given. It takes sound no faster than it plays, so a thread hands it over."""

    def __init__(self, command: list[str]) -> None:
        self.name = command[0]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        except OSError as error:
            raise Failure(f"{command[0]} cannot be started: {error.strerror}.", Exit.USAGE) from None
        self._waiting: queue.Queue[bytes | None] = queue.Queue()
        self._thread = threading.Thread(target=self._hand_over, daemon=True)
        self._thread.start()

    def _hand_over(self) -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            while (data := self._waiting.get()) is not None:
                pipe.write(data)
                pipe.flush()

    def write(self, data: bytes) -> None:
        """Give it to the thread."""
        if self._process.poll() is not None:
            raise self._failed(self._process.returncode)
        self._waiting.put(data)

    def close(self) -> None:
        """Wait until all was played."""
        self._waiting.put(None)
        self._thread.join()
        if status := self._process.wait():
            raise self._failed(status)

    def discard(self) -> None:
        """End the player."""
        self._process.terminate()
        self._process.wait()

    def _failed(self, status: int) -> Failure:
        return Failure(f"{self.name} ended with status {status}: choose another with --player, or a file with -o.")


def sized(head: bytes, size: int) -> bytes:
    """The beginning of a WAV of `size` bytes with its true sizes; of any other file, as it is."""
    data = head.find(b"data")
    if not head.startswith(b"RIFF") or data < 0 or data + 8 > len(head):
        return head
    sizes = [(4, size - 8), (data + 4, size - data - 8)]
    head_ = bytearray(head)
    for at, value in sizes:
        head_[at : at + 4] = min(value, 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(head_)


def samples_of(wav: bytes) -> bytes:
    """What follows the header of a WAV, whose first bytes these are."""
    data = wav.find(b"data")
    return wav[data + 8 :] if wav.startswith(b"RIFF") and data >= 0 else wav
