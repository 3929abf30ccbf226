"""Engines on a tiny checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.checkpoint.reader import Checkpoint
from models.text_to_semantic.engine.engine import Engine
from models.text_to_semantic.engine.scheduler import Scheduler
from models.text_to_semantic.prefix_cache import PrefixCache
from models.text_to_semantic.prompt import PromptEncoder
from tests.models.text_to_semantic.network.networks import network

LEAD = 10_000


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> PromptEncoder:
    return Checkpoint(tiny).prompt_encoder()


@pytest.fixture
def make_engine(tiny: Path, encoder: PromptEncoder) -> Iterator:
    engines = []

    def make(
        slots: int = 4, lead: int = LEAD, waiting: int = 16, quantization: str = "none", path: Path = tiny
    ) -> Engine:
        scheduler = Scheduler(slots, waiting, prefill_chunk=16, lead=lead, frame_rate=20.0)
        made = network(path, slots=slots, positions=400, quantization=quantization)
        engine = Engine(made, scheduler, PrefixCache(200))
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.stop()
