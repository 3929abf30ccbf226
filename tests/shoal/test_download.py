"""Checkpoints from a Hub that stands in for the real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.deployments.fakes import serving
from tests.shoal.command import sentence, shoal
from tests.shoal.hub import SHA, Hub

REPOSITORY = "fishaudio/openaudio-s1-mini"
FILES = {
    "config.json": b"{}",
    "model.pth": bytes(range(256)) * 4096,
    "codec.pth": b"codec" * 1000,
    "tokenizer.tiktoken": b"IQ== 0\n",
    "special_tokens.json": b"{}",
    "README.md": b"# S1",
    "samples/hello.wav": b"RIFF",
}


@contextmanager
def standing_in(hub: Hub) -> Iterator[dict[str, str]]:
    """The variables with which the command finds this Hub."""
    with serving(hub.app()) as address:
        yield {"HF_ENDPOINT": address, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


@pytest.fixture
def hub() -> Hub:
    return Hub(REPOSITORY, dict(FILES))


def fetch(variables: dict[str, str], tmp_path: Path, *options: str, name: str = REPOSITORY) -> CompletedProcess[bytes]:
    home = {"HF_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    return shoal("download", name, "--to", str(tmp_path / "s1"), *options, variables=variables | home)


def held(tmp_path: Path) -> dict[str, bytes]:
    folder = tmp_path / "s1"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def test_a_checkpoint_comes_with_its_licence_and_what_to_do_next(hub: Hub, tmp_path: Path) -> None:
    with standing_in(hub) as variables:
        done = fetch(variables, tmp_path)
        assert done.returncode == 0, done.stderr.decode()
        told = done.stderr.decode()
        assert "Licence: cc-by-nc-sa-4.0" in told and f"/{REPOSITORY}" in told
        assert f"shoal serve --checkpoint {tmp_path / 's1'}" in told
        assert held(tmp_path) == {name: data for name, data in FILES.items() if not name.startswith("samples")}
        again = json.loads(fetch(variables, tmp_path, "--json").stdout)
    assert again == {
        "repository": REPOSITORY,
        "revision": SHA,
        "folder": str(tmp_path / "s1"),
        "licence": "cc-by-nc-sa-4.0",
    }


def test_what_broke_off_goes_on_where_it_was(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"model.pth": bytes(range(256)) * (96 << 10)}  # the client writes 10 MiB at a time
    hub.break_after = 15 << 20
    with standing_in(hub) as variables:
        for _ in range(3):
            if fetch(variables, tmp_path).returncode == 0:
                break
    assert held(tmp_path) == hub.files
    assert [each for each in hub.ranges if int(each.removeprefix("bytes=").split("-")[0]) > 0], "nothing came twice"


def test_a_gated_checkpoint_asks_for_a_token_in_words(hub: Hub, tmp_path: Path) -> None:
    hub.token = "hf_good"
    with standing_in(hub) as variables:
        told = fetch(variables, tmp_path)
        assert told.returncode == 4
        last = told.stderr.decode().splitlines()[-1]
        assert "accepted its licence: log in at" in last and "--token or HF_TOKEN" in last
        assert fetch(variables, tmp_path, "--token", "hf_good").returncode == 0
    assert held(tmp_path)["codec.pth"] == FILES["codec.pth"]


@pytest.mark.parametrize(
    ("name", "options", "status", "words"),
    [
        ("fishaudio/no-such", (), 4, "has no fishaudio/no-such"),
        (REPOSITORY, ("--revision", "v9"), 4, "no such revision"),
        ("a b", (), 2, "no repository's name"),
    ],
)
def test_mistakes_are_told(
    hub: Hub, tmp_path: Path, name: str, options: tuple[str, ...], status: int, words: str
) -> None:
    with standing_in(hub) as variables:
        assert words in sentence(fetch(variables, tmp_path, *options, name=name), status)


def test_without_a_network_it_says_how_to_go_on(tmp_path: Path) -> None:
    done = fetch({"HF_ENDPOINT": "http://127.0.0.1:9"}, tmp_path)
    assert "Run it again, and it goes on from there" in sentence(done, 1)
