"""The command `shoal` with the real graph."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile

from tests.paths import RECORDINGS
from tests.shoal.command import shoal

WORDS = (
    "Congratulations! You have successfully installed and executed the Asterisk Open Source PBX. You have also "
    "installed a set of sample sounds and configuration files that should help you to get started."
)


def test_it_clones_speaks_and_tells_where_the_time_went(graph: str, tmp_path: Path) -> None:
    server = {"SHOAL_URL": graph}
    added = shoal("voices", "add", "Zoë", str(RECORDINGS / "allison-en.wav"), "-w", WORDS, variables=server)
    assert added.returncode == 0, added.stderr
    file = tmp_path / "hello.wav"
    done = shoal("say", "Hello", "there.", "-v", "Zoë", "-o", str(file), "--json", variables=server)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["audio_seconds"] == soundfile.info(str(file)).duration
    status = json.loads(shoal("status", "--json", variables=server).stdout)
    assert status["health"]["status"] == "ok" and status["system"]["machines"]
    newest = json.loads(shoal("requests", "--last", "1", "--json", variables=server).stdout)
    assert newest[0]["text_chars"] == len("Hello there.")
    assert shoal("voices", "delete", "Zoë", "-y", variables=server).returncode == 0
