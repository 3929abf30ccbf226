"""The commands of `shoal`, and how each of them ends."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from shoal import download, here, say, status, voices
from shoal.bench.command import bench
from shoal.failures import Exit
from shoal.screen import complain

app = typer.Typer(
    name="shoal",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Speak, clone and keep voices on a Shoal server.",
    epilog="Exit status: 0 done, 1 failed, 2 a mistake here, 3 no server answers, 4 refused, 5 busy, 130 stopped.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(say.say)
app.command()(say.clone)
app.add_typer(voices.app, name="voices")
app.command()(status.status)
app.command()(status.requests)
as_it_is = {"allow_extra_args": True, "ignore_unknown_options": True}  # `plan` has options of its own
app.command(context_settings=as_it_is, add_help_option=False)(here.plan)
app.command()(here.serve)
app.command()(download.download)
app.command()(bench)


def main() -> NoReturn:
    """Run the command line; every fault is one sentence on stderr, and an exit status."""
    try:
        ended = app(prog_name="shoal", standalone_mode=False)
    except typer.TyperException as error:
        if message := error.format_message():  # there is none where the help was shown instead
            complain(message)
        ended = error.exit_code
    except typer.Abort:
        ended = Exit.INTERRUPTED
    sys.exit(ended if isinstance(ended, int) else Exit.DONE)
