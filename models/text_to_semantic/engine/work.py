"""A stream's prompt, its receiver and how it was served, from its submission to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.text_to_semantic.engine.scheduler import Stream
from models.text_to_semantic.network.interface import EncodedPrompt
from models.types import Finished, Sampling

Event = np.ndarray | Finished | Exception
Deliver = Callable[[Event], None]


@dataclass(slots=True, eq=False)
class Work:
    """A stream in the engine's hands. Times are in seconds, by time.monotonic."""

    stream: Stream
    prompt: EncodedPrompt
    sampling: Sampling
    deliver: Deliver
    submitted: float
    placed: float = 0.0
    cached: int = 0
    began: float = 0.0  # when its first frame had been read back
    steps: int = 0
    rows: int = 0  # batch widths of its steps, added up
    delivered: int = 0

    def finished(self, reached_limit: bool) -> Finished:
        """How it was served, if it ends now."""
        now = time.monotonic()
        return Finished(
            frames=self.delivered,
            reached_limit=reached_limit,
            queue_seconds=self.placed - self.submitted,
            seconds=now - self.placed,
            prompt_positions=self.stream.prompt_length,
            cached_positions=self.cached,
            decode_steps=self.steps,
            decode_seconds=now - self.began,
            batch_width=self.rows / self.steps if self.steps else None,
        )
