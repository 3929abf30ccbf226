"""The library: what is added is there, and every answer can be read by a program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deployments.fakes import recording
from tests.shoal.command import sentence, shoal
from tests.shoal.conftest import Run


@pytest.fixture
def voice(tmp_path: Path) -> str:
    path = tmp_path / "voice.wav"
    path.write_bytes(recording(4.0))
    return str(path)


def test_a_voice_from_its_recording_to_its_end(run: Run, voice: str, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("the sea\n")
    added = run("voices", "add", "José", voice, "--words-file", str(words))
    assert added.returncode == 0 and "'José' is registered" in added.stdout.decode()
    assert run("voices", "list").stdout.decode() == "José\n"
    assert run("voices", "show", "José").stdout.decode() == "the sea\n"
    assert json.loads(run("voices", "show", "José", "--json").stdout)["reference_id"] == "José"
    assert run("say", "Hi.", "-v", "José").stdout.startswith(b"RIFF")
    assert run("voices", "rename", "José", "田中").returncode == 0
    assert json.loads(run("voices", "list", "--json").stdout) == ["田中"]
    assert run("voices", "delete", "田中").returncode == 0, "no terminal, no question"
    empty = run("voices", "list")
    assert empty.stdout == b"" and b"shoal voices add" in empty.stderr


def test_mistakes_are_told(run: Run, voice: str) -> None:
    assert "with --words or --words-file" in sentence(run("voices", "add", "sea", voice), 2)
    assert "cannot be read" in sentence(run("voices", "add", "sea", "/no/such.wav", "-w", "the sea"), 2)
    assert "cannot name a voice" in sentence(run("voices", "add", "a/b", voice, "-w", "the sea"), 4)
    assert "cannot belong to" in sentence(run("voices", "add", "sea", voice, "-w", "a word " * 900), 4)
    assert "nobody" in sentence(run("voices", "show", "nobody"), 4)
    assert "nobody" in sentence(run("voices", "delete", "nobody", "-y"), 4)


def test_the_shell_completes_names(run: Run, voice: str, address: str) -> None:
    assert run("voices", "add", "allison", voice, "-w", "the sea").returncode == 0
    variables = {"_SHOAL_COMPLETE": "complete_bash", "COMP_WORDS": "shoal voices show al", "COMP_CWORD": "3"}
    done = shoal(variables=variables | {"SHOAL_URL": address})
    assert done.stdout.decode().split() == ["allison"]
    nowhere = shoal(variables=variables | {"SHOAL_URL": "localhost:9"})
    assert (nowhere.stdout.split(), nowhere.stderr) == ([], b"")
