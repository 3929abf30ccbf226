"""The text-to-semantic stage: prompts -> streams of codes, continuously batched."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import numpy as np
from ray import serve

from cluster import memory
from cluster.plan import Plan
from deployments.replica import dtype_of, prepare
from models.checkpoint import Checkpoint
from models.text_to_semantic.engine import Engine
from models.text_to_semantic.load import load_engine
from models.text_to_semantic.prompt import PromptEncoder
from models.text_to_semantic.streaming import blocks, submit
from models.types import Prompt

LEAD_SECONDS = 20.0  # of audio that a stream may be ahead of what its client has been sent


def load_planned(checkpoint: Checkpoint, plan: Plan, lead: int) -> tuple[PromptEncoder, Engine]:
    """The engine that a plan asks for, warmed up; `lead` is in frames. Raises CheckpointError."""
    stage = plan.stages["text_to_semantic"]
    return load_engine(
        checkpoint,
        device=stage.device,
        dtype=dtype_of(stage),
        quantization=stage.quantization,
        compiled=stage.compile,
        slots=stage.slots,
        threads=stage.threads,
        voices=plan.prefix_cache_voices,
        lead=lead,
        memory=memory.claimable,
    )


class TextToSemantic:
    """One replica; ready when it has spoken once."""

    def __init__(self, checkpoint: str, plan: Plan) -> None:
        prepare(plan.stages["text_to_semantic"])
        source = Checkpoint(checkpoint)
        lead = int(LEAD_SECONDS * source.codec_config.frame_rate)
        self._encoder, self._engine = load_planned(source, plan, lead)
        self._blocks = plan.first_block, plan.block
        self._replica = serve.get_replica_context().replica_id.unique_id

    async def generate(self, stream_id: str, prompt: Prompt) -> AsyncGenerator[str | np.ndarray, None]:
        """First this replica's id, then blocks of codes (num_codebooks, n) int16 as they are generated.

        Raises Busy, TooLarge, NotReady. Closing the generator frees the slot before the next step.
        """
        events = await submit(self._engine, self._encoder, stream_id, prompt)
        try:
            yield self._replica
            async for codes in blocks(events, *self._blocks):
                yield codes
        finally:
            self._engine.abort(stream_id)

    async def acknowledge(self, stream_id: str, frames: int) -> None:
        """The client has been sent `frames` frames of a stream; the caller names this replica to the router."""
        self._engine.acknowledge(stream_id, frames)

    async def stats(self) -> dict[str, int]:
        """Counters and gauges of this replica's engine, and the bytes of RAM that it may still claim."""
        return self._engine.stats() | {"memory_claimable": memory.claimable()}

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What the autoscaling policy looks at: slots that are taken or waited for."""
        stats = self._engine.stats()
        return {"slots_wanted": float(stats["slots_used"] + stats["waiting"])}

    def check_health(self) -> None:
        """Raises when the engine's loop is dead or stuck: Ray then replaces this replica."""
        self._engine.check_health()

    def __del__(self) -> None:
        engine: Engine | None = getattr(self, "_engine", None)
        if engine is not None:
            engine.stop()
