"""Which build of torch `make install` takes: chosen from the GPUs, from PyTorch's own index where it is reached."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.paths import ROOT

pytestmark = pytest.mark.skipif(os.uname().sysname != "Linux", reason="elsewhere there is one build")

FAILED = "NVIDIA-SMI has failed because it could not communicate with the driver"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files that make reads, and an environment whose Python and pip only print."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / "bin").mkdir()
    return tmp_path


def make(project: Path, *arguments: str) -> str:
    """What `make packages` prints, and would install."""
    path = f"{project / 'bin'}:{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if name != "TORCH"} | {"PATH": path}
    command = ["make", "--no-print-directory", "packages", "RUN=true", "PIP=echo pip --no-deps", *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("gpus", "build"),
    [
        ("", "cpu"),
        (FAILED, "cpu"),
        ("580.82.07, 9.0", "cu130"),
        ("580.82.07, 7.0", "cu126"),  # a V100
        ("570.86.15, 8.9", "cu126"),  # a driver for CUDA 12
        ("580.82.07, 9.0\n580.82.07, 6.1", "cu126"),  # the weakest decides
    ],
)
def test_it_fits_the_gpus_and_their_driver(project: Path, gpus: str, build: str) -> None:
    tool = project / "bin" / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '%s\\n' '{gpus}'\n")
    tool.chmod(0o755)
    told = make(project, "TORCH_INDEX=http://127.0.0.1:9")
    assert f"with torch for {build} (" in told
    assert ("cannot be reached" in told) == (build != "cu130")
    assert "pip --no-deps -r requirements.txt" in told
    tool.unlink()
    assert "Nothing to be done" in make(project), "what was chosen stays"


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an index that has torch."""
    folder = tmp_path_factory.mktemp("index")
    (folder / "torch").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_cpu_s_holds_nothing_of_nvidia(project: Path, index: str) -> None:
    told = make(project, "TORCH=cpu", f"TORCH_INDEX={index}")
    assert "cannot be reached" not in told and "-r requirements.txt" not in told
    assert f"--index-url {index} torch==2.11.0 torchaudio==2.11.0" in told
    others = (project / ".venv" / "others.txt").read_text().splitlines()
    pinned = (project / "requirements.txt").read_text().splitlines()
    left_out = {line.split("==")[0] for line in pinned} - {line.split("==")[0] for line in others}
    assert {"torch", "torchaudio", "triton", "nvidia-cublas", "cuda-toolkit", "nvidia-nvtx"} <= left_out
    kept = {line.split("==")[0] for line in others if line.startswith(("nvidia", "cuda", "torch"))}
    assert kept == {"nvidia-ml-py"}, "which asks the driver, and is a file of Python"
