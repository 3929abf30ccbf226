"""Options that several commands share."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from shoal.server import DEFAULT_URL, Server


def _voices(incomplete: str) -> list[str]:
    """Names that begin as typed, for the shell's completion; nothing where no server answers at once."""
    try:
        url, key = os.environ.get("SHOAL_URL") or DEFAULT_URL, os.environ.get("SHOAL_API_KEY")
        with Server(url, key, timeout=1.0) as server:
            return [name for name in server.voices() if name.startswith(incomplete)]
    except Exception:  # a shell's completion must stay silent, whatever fails
        return []


ServerUrl = Annotated[str, typer.Option("--server", envvar="SHOAL_URL", help="Address of the server.")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="SHOAL_API_KEY", help="API key, where the server asks for one.", show_envvar=True),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Voice = Annotated[
    str | None, typer.Option("--voice", "-v", help="A registered voice.", autocompletion=_voices, show_default=False)
]
VoiceName = Annotated[str, typer.Argument(help="Name of the voice.", autocompletion=_voices)]
