"""A caller of the engine, and voices for it."""

from __future__ import annotations

import queue

import numpy as np

from models.text_to_semantic.engine.engine import Engine
from models.text_to_semantic.prompt import PromptEncoder
from models.types import EncodedReference, Finished, Prompt


class Client:
    """One caller of the engine; `events` fills as the engine delivers."""

    def __init__(self, engine: Engine, encoder: PromptEncoder, name: str, prompt: Prompt) -> None:
        self.events: queue.Queue = queue.Queue()
        engine.submit(name, encoder.encode(prompt), prompt.sampling, self.events.put)

    def codes(self) -> np.ndarray:
        blocks = []
        while isinstance(event := self.events.get(timeout=30), np.ndarray):
            blocks.append(event)
        if isinstance(event, Exception):
            raise event
        assert isinstance(event, Finished) and event.frames == len(blocks)
        self.finished = event
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((4, 0), np.int16)


def voice(seed: int) -> tuple[EncodedReference, ...]:
    codes = np.random.default_rng(seed).integers(0, 1024, (4, 30)).astype(np.int16)
    return (EncodedReference(codes, f"voice {seed}"),)
