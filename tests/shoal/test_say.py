"""Text in, sound out: every way that both may take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import soundfile

from tests.deployments.fakes import FRAME, FakeStages, make_app, recording, serving
from tests.shoal.command import environment, sentence, shoal
from tests.shoal.conftest import Run

TEXT = "The shoal turns as one."


def samples(file: Path | int) -> int:
    return int(soundfile.info(str(file)).frames)


def test_words_become_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "hello.wav"
    done = run("say", "The", "shoal", "turns", "as", "one.", "-o", str(file), "--seed", "7")
    assert done.returncode == 0 and done.stdout == b""
    assert samples(file) == len(TEXT) * FRAME
    assert "1.1 s of speech" in done.stderr.decode() and "seed 7" in done.stderr.decode()
    data = file.read_bytes()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8, "a file tells its true size, though it was streamed"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("name", "kind"), [("a.mp3", "MP3"), ("a.ogg", "OGG"), ("a.flac", "FLAC"), ("a.bin", "WAV")])
def test_the_format_is_that_of_the_name_or_the_one_asked_for(run: Run, tmp_path: Path, name: str, kind: str) -> None:
    file = tmp_path / name
    wish = ["--format", "wav"] if name.endswith("bin") else []
    assert run("say", TEXT, "-o", str(file), *wish).returncode == 0
    assert soundfile.info(str(file)).format == kind


def test_a_pipe_gets_the_sound_and_a_terminal_the_words(run: Run, tmp_path: Path) -> None:
    done = run("say", TEXT)
    assert done.stdout.startswith(b"RIFF") and b"s of speech" in done.stderr
    assert run("say", TEXT, "--quiet").stderr == b""
    told = json.loads(run("say", TEXT, "--json").stderr)
    assert told["audio_seconds"] == pytest.approx(len(TEXT) * FRAME / 44_100, abs=0.001)


def test_a_file_of_text(run: Run, tmp_path: Path, stages: FakeStages) -> None:
    book = tmp_path / "book.txt"
    book.write_text("\ufeffFélicitations.\nAnd more.\n")
    assert run("say", "--file", str(book)).returncode == 0
    assert "Félicitations" in " ".join(prompt.text for prompt in stages.prompts)


def test_stdin_is_spoken_as_it_comes(address: str, tmp_path: Path, stages: FakeStages) -> None:
    """The first sentence sounds while the second one is still being written."""
    file = tmp_path / "live.wav"
    stages.prompts.clear()
    command = [sys.executable, "-m", "shoal", "say", "-o", str(file), "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(SHOAL_URL=address)
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write("One fish. Two fish, sagte der Bär".encode()[:-2])
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not stages.prompts and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [prompt.text for prompt in stages.prompts] == ["One fish."], "and not the half of a sentence"
        process.stdin.write("är. Ende".encode()[1:])
        process.stdin.close()
        told = json.loads(process.stdout.read())
    spoken = [prompt.text for prompt in stages.prompts]
    assert " ".join(spoken).endswith("Ende") and "B\u00e4r." in " ".join(spoken) and "\ufffd" not in " ".join(spoken)
    assert samples(file) == sum(map(len, spoken)) * FRAME, "one file, with one header"
    assert told["audio_seconds"] == pytest.approx(samples(file) / 44_100, abs=0.001)


def test_a_player_is_fed_while_it_plays(run: Run, tmp_path: Path) -> None:
    heard = tmp_path / "heard.wav"
    player = f"{sys.executable} -c \"import sys; open('{heard}', 'wb').write(sys.stdin.buffer.read())\""
    assert run("say", TEXT, "--player", player).returncode == 0
    assert heard.read_bytes().startswith(b"RIFF")
    failing = run("say", TEXT, "--player", "false")
    assert "false" in sentence(failing, 1) and "--player" in sentence(failing, 1)
    assert "no-such-player cannot be started" in sentence(run("say", TEXT, "--player", "no-such-player"), 2)


def test_a_reader_that_has_had_enough_ends_it_quietly(address: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "shoal", "say", TEXT * 400, "-q"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(SHOAL_URL=address),
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")


def test_a_recording_s_voice(run: Run, tmp_path: Path, stages: FakeStages) -> None:
    voice = tmp_path / "voice.wav"
    voice.write_bytes(recording(2.0))
    done = run("clone", str(voice), "--words", "the sea", "Hello", "there.")
    assert done.stdout.startswith(b"RIFF")
    assert [reference.text for reference in stages.prompts[-1].references] == ["the sea"]
    assert "note: The reference audio holds only" in done.stderr.decode()


def test_ctrl_c_leaves_no_half_file(tmp_path: Path) -> None:
    slow = FakeStages()
    slow.endless, slow.block_seconds = True, 0.01
    with serving(make_app(slow, str(tmp_path / "voices"))) as address:
        file = tmp_path / "half.wav"
        with subprocess.Popen(
            [sys.executable, "-m", "shoal", "say", TEXT, "-o", str(file), "-q"],
            stderr=subprocess.PIPE,
            env=environment(SHOAL_URL=address),
        ) as process:
            part = tmp_path / "half.wav.part"
            deadline = time.monotonic() + 60
            while not (part.exists() and part.stat().st_size > 50_000) and time.monotonic() < deadline:
                time.sleep(0.02)
            os.kill(process.pid, 2)
            assert process.wait(30) == 130
            assert process.stderr and process.stderr.read() == b""
        assert not file.exists() and not part.exists()


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    from models.types import Busy

    stages = FakeStages()
    stages.fail = Busy("all slots are taken", 1.0)
    with serving(make_app(stages, str(tmp_path / "voices"))) as address:
        threading.Timer(4.0, lambda: setattr(stages, "fail", None)).start()
        done = shoal("say", TEXT, variables={"SHOAL_URL": address})
    assert done.returncode == 0 and done.stdout.startswith(b"RIFF")
    assert len(stages.prompts) > 1


MISTAKES = {
    "no text": (("say",), b"", 2, "nothing to say"),
    "words and a file": (("say", "a", "--file", "b"), None, 2, "not both"),
    "a file that is not there": (("say", "--file", "/no/such"), None, 2, "/no/such cannot be read: No such file"),
    "a folder to write to": (("say", "a", "-o", "/no/such/a.wav"), None, 2, "/no/such/a.wav cannot be written"),
    "an unknown format": (("say", "a", "-o", "a.txt"), None, 2, "txt is no format of speech: choose one of wav, mp3"),
    "an unknown option": (("say", "--vioce", "a", "b"), None, 2, "No such option: --vioce"),
    "an unknown voice": (("say", "a", "-v", "nobody"), None, 4, "nobody"),
    "text that is none": (("say", " \t "), None, 4, "say"),
    "a speed out of range": (("say", "a", "--speed", "9"), None, 2, "--speed"),
    "a recording that is none": (("clone", __file__, "-w", "words", "a"), None, 4, "cannot be decoded: it is text"),
    "a recording without its words": (("clone", __file__, "a"), None, 2, "--words"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(run: Run, mistake: str) -> None:
    arguments, given, status, words = MISTAKES[mistake]
    assert words in sentence(run(*arguments, given=given), status)


def test_without_a_server_it_says_how_to_start_one() -> None:
    done = shoal("say", "a", variables={"SHOAL_URL": "localhost:9"})
    assert sentence(done, 3).startswith("No server answers at http://localhost:9: start one with `shoal serve`")
    assert "is no address" in sentence(shoal("say", "a", "--server", "ftp://x"), 2)


def test_a_key_is_asked_for_and_sent(tmp_path: Path) -> None:
    with serving(make_app(FakeStages(), str(tmp_path / "voices"), api_keys=("secret",))) as address:
        without = shoal("say", "a", variables={"SHOAL_URL": address})
        assert "give one with --key or SHOAL_API_KEY" in sentence(without, 4)
        assert shoal("say", "a", "--key", "secret", variables={"SHOAL_URL": address}).returncode == 0
        assert shoal("say", "a", variables={"SHOAL_URL": address, "SHOAL_API_KEY": "secret"}).returncode == 0
