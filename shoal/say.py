"""`shoal say` and `shoal clone`: text in, sound out, heard while it is made."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from shoal import sinks, texts
from shoal.failures import Exit, Failure
from shoal.options import AsJson, Key, ServerUrl, Voice
from shoal.screen import console, note
from shoal.server import DEFAULT_URL, Server

FORMATS = ("wav", "mp3", "opus", "flac", "aac", "pcm")
JOINED = ("wav", "mp3", "aac", "pcm")  # formats in which speech of several requests is one file
HEADER = 44  # bytes before the samples of a WAV
SUFFIXES = {"ogg": "opus"}
TOLD = ("x-ignored",)  # headers to show beside those that end in -note

Words = Annotated[list[str] | None, typer.Argument(help="The text; else --file, or stdin as it comes.")]
TextFile = Annotated[Path | None, typer.Option("--file", "-f", help="A text file.")]
Output = Annotated[str | None, typer.Option("--output", "-o", help="A file, or - for stdout; else it is played.")]
Format = Annotated[
    str | None, typer.Option("--format", help=f"{', '.join(FORMATS)}; else by the file's name.", show_default=False)
]
PlayerCommand = Annotated[str | None, typer.Option("--player", help="A program that plays stdin.")]
Speed = Annotated[float, typer.Option("--speed", min=0.5, max=2.0)]
Seed = Annotated[int | None, typer.Option("--seed", help="The same seed gives the same speech.", show_default=False)]
Device = Annotated[str | None, typer.Option("--device", help="The device or pool that must speak.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]


@dataclass
class Spoken:
    """What was heard, for the line at the end and for --json. Times are in seconds from the start."""

    output: str
    first_audio_seconds: float | None = None
    seconds: float = 0.0
    audio_seconds: float | None = None
    bytes: int = 0
    seed: str | None = None
    notes: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The result in words."""
        first = f"first sound after {self.first_audio_seconds or 0:.2f} s"
        length = f"{self.audio_seconds:.1f} s of speech" if self.audio_seconds else f"{self.bytes / 1000:.0f} kB"
        seed = f", seed {self.seed}" if self.seed else ""
        return f"{self.output}: {length} in {self.seconds:.1f} s ({first}{seed})"


def say(
    words: Words = None,
    file: TextFile = None,
    voice: Voice = None,
    output: Output = None,
    format: Format = None,
    player: PlayerCommand = None,
    speed: Speed = 1.0,
    seed: Seed = None,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    server: ServerUrl = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Speak a text: words, a file, or stdin as it comes; to a player, a file, or stdout."""
    text = texts.read(words or [], file)
    format = _format(format, output)
    fields = _fields(voice=voice, speed=speed, seed=seed, device=device, format=format)
    with Server(server, key) as opened:
        requests = ({"json": fields | {"text": piece}} for piece in _pieces(text, format))
        _speak(opened, requests, format, output, player, quiet, as_json)


def clone(
    recording: Annotated[Path, typer.Argument(help="The voice: a recording of 10 to 30 s, in any format.")],
    words: Annotated[str, typer.Option("--words", "-w", help="The words that are spoken in the recording.")],
    text: Annotated[list[str] | None, typer.Argument(help="The text to speak; else --file, or stdin.")] = None,
    file: TextFile = None,
    output: Output = None,
    format: Format = None,
    player: PlayerCommand = None,
    speed: Speed = 1.0,
    seed: Seed = None,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    server: ServerUrl = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Speak a text in the voice of a recording, without registering it."""
    spoken = texts.read(text or [], file)
    format = _format(format, output)
    audio = read_recording(recording)
    fields = _fields(voice=None, speed=speed, seed=seed, device=device, format=format)
    form = {name: str(value) for name, value in fields.items() if name != "prosody"}
    form |= {"speed": str(speed), "reference_text": words}
    with Server(server, key) as opened:
        requests = (
            {"data": form | {"text": piece}, "files": {"reference_audio": (recording.name, audio)}}
            for piece in _pieces(spoken, format)
        )
        _speak(opened, requests, format, output, player, quiet, as_json)


def read_recording(path: Path) -> bytes:
    """The bytes of a recording. Raises Failure."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.", Exit.USAGE) from None


def _format(format: str | None, output: str | None) -> str:
    suffix = Path(output or "-").suffix.lstrip(".").lower()
    chosen = format or SUFFIXES.get(suffix, suffix) or "wav"
    if chosen not in FORMATS:
        raise Failure(f"{chosen} is no format of speech: choose one of {', '.join(FORMATS)}.", Exit.USAGE)
    return chosen


def _fields(voice: str | None, speed: float, seed: int | None, device: str | None, format: str) -> dict[str, Any]:
    seed = secrets.randbelow(2**31) if seed is None else seed  # one for all pieces
    fields = {"reference_id": voice, "seed": seed, "device": device, "format": format, "streaming": True}
    return {name: value for name, value in fields.items() if value is not None} | {"prosody": {"speed": speed}}


def _pieces(text: str | None, format: str) -> Iterator[str]:
    """The text in pieces that are spoken one after the other: all at once, or what has come on stdin each time."""
    if text is not None:
        yield text
    elif format in JOINED:
        yield from texts.as_it_comes(sys.stdin.fileno())
    else:
        yield sys.stdin.read()


def _speak(
    server: Server,
    requests: Iterator[dict[str, Any]],
    format: str,
    output: str | None,
    player: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    sink = sinks.choose(output, player)
    spoken, began = Spoken(sink.name), time.monotonic()
    try:
        with console.status("Waiting for the first sound") as status:
            if quiet:
                status.stop()
            for request in requests:
                with server.speech(**request) as response:
                    for data in _sound(response, format, spoken, began):
                        sink.write(data)
                        status.update(f"{time.monotonic() - began:.0f} s: {_length(spoken)}")
        if not spoken.bytes:
            raise Failure("There was nothing to say.", Exit.USAGE)
    except BaseException:
        sink.discard()
        raise
    spoken.seconds = time.monotonic() - began
    sink.close()
    if as_json:
        print(json.dumps(asdict(spoken)), file=sys.stderr if isinstance(sink, sinks.Stdout) else sys.stdout)
    elif not quiet:
        for each in spoken.notes:
            note(f"note: {each}")
        note(spoken.line())


def _length(spoken: Spoken) -> str:
    return f"{spoken.audio_seconds:.1f} s of speech" if spoken.audio_seconds else f"{spoken.bytes / 1000:.0f} kB"


def _sound(response: httpx.Response, format: str, spoken: Spoken, began: float) -> Iterator[bytes]:
    """The audio of a response, which continues what was heard before."""
    headers = response.headers
    spoken.seed = spoken.seed or headers.get("x-seed")
    spoken.notes += [v for k, v in headers.items() if (k.endswith("-note") or k in TOLD) and v not in spoken.notes]
    rate, first, head = 44_100, not spoken.bytes, b""
    for block in response.iter_bytes():
        data = block
        if format == "wav" and len(head) < HEADER:
            head += block
            if len(head) < HEADER:
                continue
            rate = int.from_bytes(head[24:28], "little")
            data = head if first else sinks.samples_of(head)
        if not data:
            continue
        if spoken.first_audio_seconds is None:
            spoken.first_audio_seconds = time.monotonic() - began
        spoken.bytes += len(data)
        if format == "wav":
            spoken.audio_seconds = (spoken.bytes - HEADER) / (2 * rate)
        yield data
