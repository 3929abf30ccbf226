"""The configuration file as people write it, and every mistake in it as one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.starting.config_file import StartError, read
from tests.paths import ROOT

FILE = (ROOT / "serve_config.yaml").read_text()


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_port_and_host_win_over_the_files(tmp_path: Path) -> None:
    config = read(written(tmp_path, FILE), "9001", "0.0.0.0", {})
    assert (config.host, config.port, config.name) == ("0.0.0.0", 9001, "shoal")
    assert config.document["http_options"] == {"host": "0.0.0.0", "port": 9001}
    assert config.args["checkpoint"] == "checkpoints/starter" and config.limits["body_mb"] == 64


@pytest.mark.parametrize(
    ("keys", "host", "listens"),
    [("", None, "127.0.0.1"), ("secret", None, "0.0.0.0"), ("", "::", "::"), (" ", None, "127.0.0.1")],
)
def test_without_keys_it_listens_on_this_machine_alone(
    tmp_path: Path, keys: str, host: str | None, listens: str
) -> None:
    assert read(written(tmp_path, FILE), None, host, {"SHOAL_API_KEYS": keys}).host == listens


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            FILE.replace("      device: auto", "\tdevice: auto"),
            r"config.yaml, line \d+, column 1: .*spaces, not with tabs",
        ),
        (FILE.replace("applications:", "aplications:"), "unknown key 'aplications'; did you mean 'applications'"),
        (FILE.replace("proxy_location", "proxy"), "unknown key 'proxy'"),
        ("applications: [", r"config.yaml, line 1, column \d+: .*"),
        ("- a\n- b\n", "must hold a mapping"),
        ("", "must hold a mapping"),
        ("applications: []", "must list one application"),
        (FILE.replace("port: 8000", "port: 80a"), "'80a' is no port number"),
        (FILE.replace("port: 8000", "port: 0"), "0 is no port number"),
        (FILE.replace("port: 8000", "port: true"), "True is no port number"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(StartError, match=sentence) as raised:
        read(written(tmp_path, text), None, None, {})
    assert all(("\n" not in fault and str(tmp_path) in fault) or "port" in fault for fault in raised.value.faults)


@pytest.mark.parametrize("port", ["80a", "-1", "70000", " ", "8000.0"])
def test_what_is_no_port_is_said_to_be_none(tmp_path: Path, port: str) -> None:
    with pytest.raises(StartError, match="is no port number: choose one from 1 to 65535"):
        read(written(tmp_path, FILE), port, None, {})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"nowhere\.yaml cannot be read: No such file"):
        read(tmp_path / "nowhere.yaml", None, None, {})
    (tmp_path / "latin.yaml").write_bytes("größe: 1".encode("latin-1"))
    with pytest.raises(StartError, match=r"latin\.yaml is not UTF-8"):
        read(tmp_path / "latin.yaml", None, None, {})
