"""What is known before Ray starts is said before Ray starts, all at once."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
import yaml

from deployments.starting import screen
from deployments.starting.checks import Checked, check, check_cluster, check_port
from deployments.starting.config_file import ConfigFile, StartError, read
from tests.graph.server import free_port
from tests.paths import ROOT


@pytest.fixture
def config(tmp_path: Path):
    """Gives the file of this project with other args and limits."""

    def make(limits: dict | None = None, **args: object) -> ConfigFile:
        document = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
        (application,) = document["applications"]
        application["args"] |= {"voices": str(tmp_path / "voices"), **args}
        application["deployments"][0]["user_config"] |= limits or {}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(document))
        return read(path, str(free_port()), None, {})

    return make


def faults(config: ConfigFile, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(StartError) as raised:
        check(config, environment or {})
    assert all(fault and "\n  " not in fault for fault in raised.value.faults)
    return "\n".join(raised.value.faults)


def test_every_fault_is_told_at_once(config, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = faults(config({"body_mb": -64, "text_char": 1}, devise="cpu", stages={"vq_decoder": 3}))
    assert "body_mb" in said and "did you mean 'text_chars'" in said
    assert "did you mean 'device'" in said and "stages.vq_decoder" in said
    assert "voices" in faults(config(voices=str(tmp_path / "file" / "voices")))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"checkpoint": "fishaudio/openaudio-s1-mini"}, "no checkpoint directory at .*: see checkpoints/README.md"),
        ({"stages": {"text_to_semantic": {"quantisation": "int8"}}}, "field 'quantisation' is unknown"),
        ({"stages": {"text_to_semantic": {"memory_gb": 900.0}}}, "GB"),
        ({"tier": "gpu"}, "tier 'gpu' is unknown"),
    ],
)
def test_what_cannot_run_is_refused(config, change: dict, sentence: str) -> None:
    with pytest.raises(StartError, match=sentence):
        check(config(**change), {})


def test_a_damaged_checkpoint_is_named(config, tiny: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny, tmp_path / "broken")
    (broken / "tokenizer.tiktoken").unlink()
    assert "lacks tokenizer.tiktoken" in faults(config(checkpoint=str(broken)))


def test_a_good_start_tells_one_screen(config) -> None:
    checked: Checked = check(config(), {})
    assert checked.planned
    lines = screen.found(checked.machine) + screen.runs(checked.settings, checked.planned)
    lines += screen.slow(checked.planned, checked.weights) + screen.ready("127.0.0.1", 8000, keys=2)
    assert len(lines) < 24 and all(len(line) < 200 and "\x1b" not in line for line in lines)
    said = "\n".join(lines)
    assert "checkpoints/starter" in said and "text-to-semantic" in said and "this machine alone" in said
    assert "2 keys from SHOAL_API_KEYS" in said and "Authorization: Bearer YOUR_KEY" in said
    assert "Expect gaps" not in said, "the starter is fast everywhere"


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            StartError, match=f"port {port} is taken: choose another, for example PORT={port % 65535 + 1}"
        ):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", free_port())
    with pytest.raises(StartError, match=r"cannot listen on 203\.0\.113\.1:8000"):
        check_port("203.0.113.1", 8000)


def test_a_dead_cluster_is_named_with_its_variable() -> None:
    with pytest.raises(StartError, match=r"no Ray cluster answers at .*, which the variable RAY_ADDRESS names"):
        check_cluster(f"127.0.0.1:{free_port()}")
