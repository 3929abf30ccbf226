"""How a server fares, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from tests.deployments.fakes import serving
from tests.shoal.command import sentence, shoal
from tests.shoal.conftest import Run

ROW: dict[str, Any] = {
    "request_id": "abc-1",
    "time": "2026-11-30T21:00:00+00:00",
    "status": 200,
    "text_chars": 40,
    "encode_seconds": None,
    "queue_seconds": 0.01,
    "ttfa_seconds": 0.25,
    "wall_seconds": 1.5,
    "audio_seconds": 3.0,
    "rtf": 0.5,
    "ended": "complete",
    "error": None,
}
MACHINE = {
    "host": "heron",
    "cpu_percent": 40.0,
    "ram_percent": 50.0,
    "ram_available_bytes": 2**33,
    "temperature_celsius": 61.0,
    "gpus": [{"index": 0, "utilization_percent": None}],
}
SYSTEM = {"recommended_action": "heron: wait", "machines": [MACHINE]}
HEALTH = {
    "status": "not ready",
    "version": "0.2",
    "checkpoint": "s1-mini",
    "device": "cuda",
    "precision": "bf16",
    "tier": "nvidia-large",
    "stages": {"vq_decoder": False, "text_to_semantic": True},
    "engine": {"slots": 8, "slots_used": 3, "waiting": 1},
    "uptime_seconds": 7300.0,
}


async def system_requests(request: Any) -> JSONResponse:
    rows = [ROW, ROW | {"request_id": "def-2", "error": "the replica died", "status": 500}]
    wanted = request.query_params.get("id")
    return JSONResponse({"requests": [row for row in rows if wanted in (None, row["request_id"])]})


@pytest.fixture(scope="module")
def busy() -> Any:
    """A server whose decoder is still starting."""
    routes = [
        Route("/health", lambda request: JSONResponse(HEALTH, 503)),
        Route(
            "/system-status", lambda request: JSONResponse({"recommended_action": "heron: wait", "machines": [MACHINE]})
        ),
        Route("/system/requests", system_requests),
        Route("/v1/references/list", lambda request: PlainTextResponse("hello")),
    ]
    with serving(Starlette(routes=routes)) as address:
        yield address


def test_a_server_that_is_well(run: Run) -> None:
    done = run("status")
    assert done.returncode == 0 and "fake on cpu (fp32)" in done.stdout.decode()
    told = json.loads(run("status", "--json").stdout)
    assert told["health"]["status"] == "ok" and "machines" in told["system"]


def test_a_server_that_is_not_ready_is_shown_and_told(busy: str) -> None:
    done = shoal("status", variables={"SHOAL_URL": busy})
    assert "vq_decoder cannot work yet" in sentence(done, 5)
    shown = done.stdout.decode()
    for words in (
        "s1-mini on cuda (bf16)",
        "2 h 1 min",
        "vq_decoder NOT READY",
        "3 of 8 slots",
        "61 °C",
        "GPU 0 unknown",
    ):
        assert words in shown


def test_requests_and_where_their_time_went(busy: str) -> None:
    done = shoal("requests", variables={"SHOAL_URL": busy})
    assert "abc-1" in done.stdout.decode() and "0.25" in done.stdout.decode()
    assert "def-2: the replica died" in done.stderr.decode()
    (row,) = json.loads(shoal("requests", "--id", "abc-1", "--json", variables={"SHOAL_URL": busy}).stdout)
    assert row == ROW


def test_what_is_no_shoal_is_told(busy: str) -> None:
    assert "no Shoal server" in sentence(shoal("voices", "list", variables={"SHOAL_URL": busy}), 1)


def test_the_plan_is_that_of_this_machine() -> None:
    profile = str(Path(__file__).parents[1] / "cluster" / "profiles" / "h100.json")
    plan = json.loads(shoal("plan", "--profile", profile, "--json").stdout)
    assert plan
    assert "--explain" in shoal("plan", "--help").stdout.decode()
    assert "error: " in shoal("plan", "--profile", "/no/such.json").stderr.decode()


def test_a_start_without_its_settings_is_told(tmp_path: Path) -> None:
    assert "no-such.yaml is not here" in sentence(shoal("serve", str(tmp_path / "no-such.yaml")), 2)


def test_a_start_that_cannot_be_ends_in_a_sentence(tmp_path: Path) -> None:
    done = shoal("serve", "--checkpoint", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stderr.decode().startswith("no checkpoint directory at") and len(done.stderr.splitlines()) == 1


def test_every_command_has_help() -> None:
    top = shoal("--help").stdout.decode()
    for name in ("say", "clone", "voices", "status", "requests", "plan", "serve", "download", "bench"):
        assert name in top
    assert (shoal().returncode, shoal().stderr) == (2, b"")
