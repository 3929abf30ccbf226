"""`python -m deployments serve_config.yaml`: check the file and the machine, start Ray and the graph, serve until told
to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from dotenv import load_dotenv

from deployments.settings import ROOT
from deployments.starting import main

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def serve(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("serve_config.yaml"),
    port: Annotated[str | None, typer.Option(envvar="PORT", help="Instead of the file's.")] = None,
    host: Annotated[str | None, typer.Option(envvar="HOST", help="Address to listen on; 0.0.0.0 for all.")] = None,
) -> None:
    """Serve a configuration file on this machine, or on the cluster that RAY_ADDRESS names."""
    raise typer.Exit(main.serve(config, port or None, host or None))


if __name__ == "__main__":
    load_dotenv(ROOT / ".env")  # before PORT and HOST are read; what the environment has already wins
    app()
