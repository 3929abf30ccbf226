"""What a replica says where it cannot compile a network, and the variables that it starts with."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
import torch
from ray.serve._private import constants

from deployments.stages.replica import ONE_LOOP
from deployments.stages.text_to_semantic import TextToSemantic
from models.text_to_semantic import load


@pytest.mark.parametrize(("device", "headers", "named"), [("cuda", "/nowhere", True), ("cpu", "/nowhere", False)])
def test_a_step_that_cannot_be_compiled_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, device: str, headers: str, named: bool
) -> None:
    def fail(network: object) -> None:
        raise RuntimeError("gcc returned non-zero exit status 1.")

    monkeypatch.setattr(load, "TorchNetwork", lambda *args, **options: SimpleNamespace())
    monkeypatch.setattr(load, "compile_network", fail)
    monkeypatch.setattr(load.sysconfig, "get_paths", lambda: {"include": headers})
    options = {"dtype": torch.float32, "quantization": "none", "slots": 1, "threads": 1, "compiled": True}
    load.make_network(SimpleNamespace(), device=device, **options)
    assert "gcc returned non-zero exit status 1." in caplog.text
    assert ("/nowhere/Python.h is missing (Debian, Ubuntu: apt install gcc python3-dev)" in caplog.text) is named


@pytest.mark.parametrize("compiled", [True, False])
def test_health_shows_whether_the_step_is_compiled(compiled: bool) -> None:
    """`engine` of /health is what this gives; `plan` there is what was asked for."""
    replica = object.__new__(TextToSemantic)
    replica._engine = SimpleNamespace(held_bytes=0, compiled=compiled, stats=lambda: {"slots": 4}, stop=lambda: None)
    replica._replicas = 1
    assert asyncio.run(replica.stats())["compiled"] == compiled


def test_serve_knows_the_variables_of_one_loop() -> None:
    """A name that Ray no longer reads would change nothing, unnoticed."""
    assert [getattr(constants, name) for name in ONE_LOOP] == [True, True]
