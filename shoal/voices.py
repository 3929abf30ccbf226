"""`shoal voices`: the library of registered voices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from shoal.failures import Exit, Failure
from shoal.options import AsJson, Key, ServerUrl, VoiceName
from shoal.say import read_recording
from shoal.screen import console, note
from shoal.server import DEFAULT_URL, Server

app = typer.Typer(no_args_is_help=True, help="Voices: list, show, add, rename, delete.")


@app.command("list")
def list_voices(as_json: AsJson = False, server: ServerUrl = DEFAULT_URL, key: Key = None) -> None:
    """Names of the registered voices, a line each."""
    with Server(server, key) as opened:
        names = opened.voices()
    if as_json:
        print(json.dumps(names))
    elif names:
        print("\n".join(names))
    else:
        note("No voice is registered yet: shoal voices add NAME RECORDING --words TEXT")


@app.command()
def show(name: VoiceName, as_json: AsJson = False, server: ServerUrl = DEFAULT_URL, key: Key = None) -> None:
    """The transcript of a voice's recording."""
    with Server(server, key) as opened:
        found = opened.ask("GET", f"/v1/references/{_quoted(name)}")
    print(json.dumps(found) if as_json else found["text"])


@app.command()
def add(
    name: VoiceName,
    recording: Annotated[Path, typer.Argument(help="A recording of 10 to 30 s, in any format.")],
    words: Annotated[str | None, typer.Option("--words", "-w", help="The words that are spoken in it.")] = None,
    words_file: Annotated[Path | None, typer.Option("--words-file", help="A text file with these words.")] = None,
    as_json: AsJson = False,
    server: ServerUrl = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Register a voice from a recording and the words spoken in it."""
    if (words is None) == (words_file is None):
        raise Failure("Give the words that are spoken in the recording, with --words or --words-file.", Exit.USAGE)
    if words is None:
        assert words_file is not None
        words = read_recording(words_file).decode("utf-8-sig", "replace")
    files = {"audio": (recording.name, read_recording(recording))}
    with Server(server, key, timeout=300.0) as opened, console.status(f"Encoding {recording.name}"):
        answer = opened.ask("POST", "/v1/references/add", data={"id": name, "text": words}, files=files)
    print(json.dumps(answer) if as_json else answer["message"])


@app.command()
def rename(
    old: VoiceName,
    new: Annotated[str, typer.Argument(help="Its new name.")],
    as_json: AsJson = False,
    server: ServerUrl = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Give a voice another name."""
    body = {"old_reference_id": old, "new_reference_id": new}
    with Server(server, key) as opened:
        answer = opened.ask("POST", "/v1/references/update", json=body)
    print(json.dumps(answer) if as_json else answer["message"])


@app.command()
def delete(
    name: VoiceName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    server: ServerUrl = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Delete a voice with its recording."""
    if not yes and console.is_terminal:
        typer.confirm(f"Delete the voice {name!r} and its recording?", abort=True)
    with Server(server, key) as opened:
        answer = opened.ask("DELETE", "/v1/references/delete", json={"reference_id": name})
    print(json.dumps(answer) if as_json else answer["message"])


def _quoted(name: str) -> str:
    return quote(name, safe="")
