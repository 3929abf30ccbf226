"""`shoal status` and `shoal requests`: how a server fares, and where the time of its last requests went."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from shoal.failures import Exit, Failure
from shoal.options import AsJson, Key, ServerUrl
from shoal.screen import note, show
from shoal.server import DEFAULT_URL, Server

GIB = 2**30


def status(as_json: AsJson = False, server: ServerUrl = DEFAULT_URL, key: Key = None) -> None:
    """What runs where, how its machines fare, and what to do. Status 5 while the server is not ready."""
    with Server(server, key) as opened:
        health = opened.health()
        system = opened.ask("GET", "/system-status")
    ready = health.get("status") == "ok"
    if as_json:
        print(json.dumps({"health": health, "system": system}))
    else:
        _show(health, system, opened.url)
    if not ready:
        waits = [name for name, up in health.get("stages", {}).items() if not up]
        raise Failure(f"The server is not ready: {', '.join(waits) or 'a stage'} cannot work yet.", Exit.BUSY)


def _show(health: dict[str, Any], system: dict[str, Any], url: str) -> None:
    table = Table("", url, title="Server", title_justify="left")
    version = f"{health.get('version')}, up {_duration(health.get('uptime_seconds') or 0)}"
    table.add_row("shoal", version)
    table.add_row("checkpoint", f"{health.get('checkpoint')} on {health.get('device')} ({health.get('precision')})")
    table.add_row("tier", str(health.get("tier")))
    stages = health.get("stages") or {}
    table.add_row("stages", ", ".join(f"{name} {'ready' if up else 'NOT READY'}" for name, up in stages.items()) or "-")
    cache = health.get("reference_cache") or {}
    table.add_row("voices kept", f"{cache.get('entries', 0)} encoded, {cache.get('hits', 0)} found again")
    engine = health.get("engine") or {}
    if "slots" in engine:
        busy = f"{engine.get('slots_used', 0)} of {engine['slots']} slots used, {engine.get('waiting', 0)} waiting"
        table.add_row("engine", busy)
    for machine in system.get("machines", []):
        table.add_row(machine["host"], _load(machine))
    table.add_row("advice", str(system.get("recommended_action")))
    show(table)


def _load(machine: dict[str, Any]) -> str:
    free = machine["ram_available_bytes"] / GIB
    parts = [f"CPU {machine['cpu_percent']:.0f} %", f"RAM {machine['ram_percent']:.0f} % ({free:.1f} GiB free)"]
    if (heat := machine.get("temperature_celsius")) is not None:
        parts.append(f"{heat:.0f} °C")
    for gpu in machine.get("gpus", []):
        use = gpu.get("utilization_percent")
        parts.append(f"GPU {gpu['index']} " + (f"{use:.0f} %" if use is not None else "unknown"))
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds % 60:.0f} s"


REQUEST_COLUMNS = {
    "request": "request_id",
    "came": "time",
    "status": "status",
    "chars": "text_chars",
    "encode": "encode_seconds",
    "queue": "queue_seconds",
    "first audio": "ttfa_seconds",
    "total": "wall_seconds",
    "audio": "audio_seconds",
    "RTF": "rtf",
    "ended": "ended",
}


def requests(
    request_id: Annotated[str | None, typer.Option("--id", help="Only this request.", show_default=False)] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many.")] = 20,
    as_json: AsJson = False,
    server: ServerUrl = DEFAULT_URL,
    key: Key = None,
) -> None:
    """The last speech requests, the newest first, and where their time went (in seconds)."""
    parameters = {"id": request_id} if request_id else {}
    with Server(server, key) as opened:
        rows = opened.ask("GET", "/system/requests", params=parameters)["requests"][:last]
    if as_json:
        print(json.dumps(rows))
        return
    table = Table(*REQUEST_COLUMNS)
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in REQUEST_COLUMNS.values()))
    show(table)
    for row in rows:
        if row.get("error"):
            note(f"{row['request_id']}: {row['error']}")


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
