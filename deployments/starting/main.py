"""A start from its first check to its end."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from rich.console import Console

from deployments import variables
from deployments.starting import checks, config_file, screen
from deployments.starting.config_file import StartError
from models.native import build

GRACE = 30.0  # seconds
STARTS = "Starting: about half a minute, the first time on an NVIDIA GPU a minute or two. Ctrl-C stops it."


def serve(path: Path, port: str | None, host: str | None) -> int:
    """Serve the file until a signal comes; returns the exit status: 1 where the start failed, after one sentence for
    each fault."""
    stopping = threading.Event()
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    _listen(stopping)
    try:
        return _serve(path, port, host, console, stopping)
    except StartError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 1


def _serve(path: Path, port: str | None, host: str | None, console: Console, stopping: threading.Event) -> int:
    config = config_file.read(path, port, host)
    for line in variables.notes(os.environ):
        console.print(line)
    checked = checks.check(config)
    for line in screen.found(checked.machine):
        console.print(line)
    if checked.planned:
        told = screen.runs(checked.settings, checked.planned) + screen.scarce(checked.planned)
        for line in told + screen.slow(checked.planned, checked.weights):
            console.print(line)
    if stopping.is_set():
        return 0
    _allow_many_connections()
    from deployments.starting import graph  # Ray takes a second to import, and what is wrong was told before

    with graph.cluster(os.environ.get("RAY_ADDRESS") or "local") as logs:
        _listen(stopping)  # Ray has set handlers of its own
        console.print(f"  {'logs':<{screen.WIDTH}} {logs}")
        with console.status(STARTS) as status:
            if not console.is_terminal:
                console.print(STARTS)
            graph.deploy(config)
            if not graph.wait(config.name, lambda how: status.update(f"{STARTS} Now {how}."), stopping.is_set):
                return 0
        for line in [*screen.kernels(build.available()), *screen.ready(config.host, config.port, _keys(checked))]:
            console.print(line)
        stopping.wait()
        console.print(f"Stopping: running requests have {GRACE:g} s to finish; Ctrl-C ends them at once.")
        stopping.clear()
        graph.stop(config.name, GRACE, stopping.is_set)
    return 0


def _listen(stopping: threading.Event) -> None:
    """Let Ctrl-C and SIGTERM set the event."""

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _keys(checked: checks.Checked) -> int:
    return len(checked.settings.api_keys)


def _allow_many_connections() -> None:
    """Ray and its proxy hold a file a connection: as many as the system lets a process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
