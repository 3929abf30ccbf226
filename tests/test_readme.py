"""The README's examples, run as they stand against the real graph."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import av
import httpx
import pytest

from deployments.settings import Settings
from tests.graph.server import eventually, run
from tests.paths import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def heard(path: Path) -> float:
    """Seconds of sound in a file."""
    with av.open(str(path)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.fixture(scope="module")
def starter(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `make serve` serves: the real graph on the starter voice."""
    return run(ray_address, "starter", ROOT / Settings().checkpoint, tmp_path_factory.mktemp("voices"), "/starter")


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_examples_speak(starter: str, tmp_path: Path) -> None:
    curls = [text for kind, text in BLOCKS if not kind and text.startswith("curl")]
    pythons = [text for kind, text in BLOCKS if kind == "python"]
    assert len(curls) == 2 and len(pythons) == 2
    shutil.copytree(ROOT / "tests" / "voices", tmp_path / "tests" / "voices")
    for text in curls:
        script = text.replace("http://localhost:8000", starter).replace(
            "| ffplay -autoexit -nodisp -i -", "> played.wav"
        )
        script = re.sub(r"curl ", "curl --silent --show-error --fail-with-body ", script)
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert heard(tmp_path / "played.wav") > 0
    assert heard(tmp_path / "hello.mp3") > 0
    for text in pythons:
        names: dict = {}
        script = text.replace("http://localhost:8000", starter).replace("hello.mp3", str(tmp_path / "sdk.mp3"))
        exec(script, names)
        if "audio" in names:
            (tmp_path / "sdk.mp3").write_bytes(names["audio"])
        assert heard(tmp_path / "sdk.mp3") > 0
        (tmp_path / "sdk.mp3").unlink()


PATHS = ["/health", "/system-status", "/emotions", "/languages", "/metrics"]
PATHS += ["/v1/models", "/v1/references/list", "/v2", "/v2/health/ready"]


@pytest.mark.parametrize("path", PATHS)
def test_every_route_in_the_table_answers(graph: str, path: str) -> None:
    assert f"{path}`" in README or path.split("/")[1] in ("v1", "v2")
    # The agents of Ray hear of a new graph within some seconds.
    eventually(lambda: httpx.get(graph + path, timeout=30).status_code, lambda status: status == 200)


DOCUMENTS = [path for path in ROOT.rglob("*.md") if ".venv" not in path.parts]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    for path in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / path).exists(), path


def test_it_is_read_in_one_sitting() -> None:
    assert len(README.split()) < 1300
    assert (ROOT / "tests/voices/allison-en.wav").exists() and (ROOT / "serve_config.yaml").exists()
