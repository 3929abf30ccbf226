"""`shoal plan` and `shoal serve`: what this machine would run, and running it. Both need the packages that serve."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from shoal.failures import Exit, Failure

NEEDS = "needs the packages that serve: run `make install` in a clone of the project, and use .venv/bin/shoal"
CONFIG = "serve_config.yaml"


def plan(context: typer.Context) -> None:
    """What would run on this machine and why (--explain, --json; --help for more)."""
    _require("plan", "psutil", "cluster")
    module = importlib.import_module("cluster.__main__")
    raise typer.Exit(module.app(["plan", *context.args], prog_name="shoal", standalone_mode=False) or 0)


def serve(
    config: Annotated[Path | None, typer.Argument(help=f"Settings; else {CONFIG} here, or the project's.")] = None,
    port: Annotated[str | None, typer.Option("--port", help="Else the file's.", show_default=False)] = None,
    host: Annotated[str | None, typer.Option("--host", help="Else this machine alone.", show_default=False)] = None,
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="A folder.", show_default=False)] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps.", show_default=False)] = None,
    voices: Annotated[str | None, typer.Option("--voices", help="A folder or an address.", show_default=False)] = None,
) -> None:
    """Start a server on this machine."""
    _require("serve", "ray", "torch", "deployments")
    found = config or next((path for path in _configs() if path.is_file()), None)
    if found is None or not found.is_file():
        raise Failure(f"{found or CONFIG} is not here: name the file with the server's settings.", Exit.USAGE)
    chosen = {"PORT": port, "HOST": host, "CHECKPOINT": checkpoint, "DEVICE": device, "VOICES": voices}
    environment = os.environ | {name: value for name, value in chosen.items() if value is not None}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "deployments", str(found)], environment)


def _configs() -> list[Path]:
    return [Path(CONFIG), Path(__file__).resolve().parent.parent / CONFIG]


def _require(command: str, *modules: str) -> None:
    absent = [name for name in modules if find_spec(name) is None]
    if absent:
        raise Failure(f"shoal {command} {NEEDS} ({', '.join(absent)} not found).")
