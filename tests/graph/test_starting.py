"""The command that `make serve` and the image run, as a process: its screen, its end, and a start that cannot be."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.graph.server import STAGES, eventually, free_port
from tests.paths import ROOT

LONG = "This sentence is long enough that it is still being spoken when the signal to stop arrives. " * 8


def refused(answer: httpx.Response) -> bool:
    """Whether a request got the answer of a server that is stopping."""
    return answer.status_code == 503 and "is stopping" in answer.json()["message"] and "retry-after" in answer.headers


def command(config: Path, **environment: str) -> subprocess.Popen[str]:
    """`python -m deployments` on a port of its own, given by the variable that `make serve PORT=` sets."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_SERVE")}
    clean |= {"RAY_ADDRESS": "", "RAY_AUTH_MODE": "disabled", "SHOAL_API_KEYS": "", "PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", "deployments", str(config)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(call, cwd=config.parent, env=clean | environment, text=True, **pipes)


@pytest.fixture(scope="module")
def config(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starting")
    document = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    args = {"checkpoint": str(tiny), "voices": str(folder / "voices"), "stages": STAGES}
    document["applications"][0]["args"] |= args
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def started(config: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command, and its address."""
    port = free_port()
    process = command(config, PORT=str(port))
    address = f"http://127.0.0.1:{port}"

    def status() -> int:
        assert process.poll() is None, process.communicate()
        try:
            return httpx.get(address + "/health", timeout=10).status_code
        except httpx.TransportError:
            return 0

    try:
        eventually(status, lambda found: found == 200, within=300)
        yield process, address
    finally:
        process.kill()


def test_what_cannot_start_ends_with_one_sentence_and_status_1(config: Path) -> None:
    process = command(config, CHECKPOINT="checkpoints/nowhere", PORT=str(free_port()))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(r"no checkpoint directory at \S+/nowhere: see checkpoints/README\.md\n", err), err
    assert out == ""


def test_it_speaks_shows_one_screen_and_ends_quietly(started: tuple[subprocess.Popen[str], str]) -> None:
    process, address = started
    spoken = httpx.post(address + "/v1/tts", json={"text": "Hello."}, timeout=60)
    assert spoken.status_code == 200 and spoken.content[:4] == b"RIFF"
    with httpx.stream("POST", address + "/v1/tts", json={"text": LONG, "streaming": True}, timeout=60) as stream:
        parts = stream.iter_bytes()
        sound = next(parts)
        process.send_signal(signal.SIGTERM)
        eventually(lambda: httpx.post(address + "/v1/tts", json={"text": "Hello."}, timeout=60), refused)
        sound += b"".join(parts)
    assert len(sound) > 100_000, "what ran when the signal came was spoken to its end"
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and err == "", err
    lines = out.splitlines()
    assert "Shoal is ready." in lines and len(lines) < 24, out
    assert max(map(len, lines)) < 300 and "\x1b" not in out
    for said in ("text-to-semantic", "this machine alone", address.replace("127.0.0.1", "localhost"), "curl -f"):
        assert said in out, out
    (logs,) = (Path(line.split()[-1]) for line in lines if line.split()[:1] == ["logs"])
    assert (logs / "shoal.log").is_file()
