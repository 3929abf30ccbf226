"""The text-to-semantic stage: prompts -> streams of codes, continuously batched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from ray import serve

from cluster.machine import memory
from cluster.planning.plan import Plan
from cluster.planning.stages import LM
from deployments.monitoring.stats import Generated, MachineLoad, Origin, StageLoad, Use
from deployments.monitoring.telemetry import Telemetry
from deployments.stages.replica import check_codec, failures_logged, prepare
from models.checkpoint.reader import Checkpoint
from models.runtime.precision import DTYPES
from models.text_to_semantic.engine.blocks import Pace, ramp
from models.text_to_semantic.engine.engine import Engine
from models.text_to_semantic.engine.streaming import blocks, submit
from models.text_to_semantic.load import POSITIONS, load_engine
from models.text_to_semantic.network.linear import Quantization
from models.text_to_semantic.prompt import PromptEncoder
from models.types import EncodedReference, Finished, Prompt

# Seconds of audio that a stream may be ahead of its client. Longer than 1,024 frames of S1-mini: a replica
# that goes hears no acknowledgements any more (Serve's routers forget it), and must still finish what it speaks.
LEAD_SECONDS = 60.0


def load_planned(checkpoint: Checkpoint, plan: Plan, lead: int, replicas: int = 1) -> tuple[PromptEncoder, Engine]:
    """The engine that a plan asks for, warmed up; `lead` is in frames, `replicas` share the machine's memory. Raises
    CheckpointError."""
    stage = plan.stages[LM]
    return load_engine(
        checkpoint,
        device=stage.device,
        dtype=DTYPES[stage.precision],
        quantization=cast("Quantization", stage.quantization),  # one of the plan's
        compiled=stage.compile,
        slots=stage.slots,
        positions=stage.max_positions or POSITIONS,
        threads=stage.threads,
        voices=plan.prefix_cache_voices,
        lead=lead,
        memory=partial(memory.claimable, replicas=replicas),
    )


class TextToSemantic:
    """One replica; ready when it has spoken once."""

    def __init__(self, checkpoint: str, plan: Plan, replicas: int, csv: Path | None) -> None:
        """`replicas` like this one may run on a machine, in all pools."""
        stage = plan.stages[LM]
        prepare(stage)
        source = Checkpoint(checkpoint)
        lead = int(LEAD_SECONDS * source.codec_config.frame_rate)
        self._encoder, self._engine = load_planned(source, plan, lead, replicas)
        self._codec_key, self._replicas = source.codec_key, replicas
        self._sizes, self._frame_rate = ramp(plan.first_block, plan.block), source.codec_config.frame_rate
        replica = serve.get_replica_context().replica_id.unique_id
        engine = self._engine  # which is what runs, and the stage what was planned
        self._origin = Origin(replica, plan.tier, stage.device, stage.precision, engine.quantization, engine.compiled)
        # A GPU's work comes in bursts; without one, only the gauges of every second are read.
        interval = 0.1 if stage.device == "cuda" else 1.0
        self._telemetry = Telemetry(LM, stage.device, plan.tier, csv, self._load, interval)

    async def generate(
        self, stream_id: str, prompt: Prompt, codec_key: str
    ) -> AsyncGenerator[Origin | np.ndarray | Generated, None]:
        """First where the stream comes from, then blocks of codes (num_codebooks, n) int16 as they are generated, then
        how it was served.

        Raises Busy, TooLarge, NotReady. Closing the generator frees the slot before the next step.
        """
        check_codec(self._codec_key, codec_key)
        pace = Pace(self._sizes if prompt.streamed else self._sizes[-1:], self._frame_rate)
        events = await submit(self._engine, self._encoder, stream_id, prompt, pace)
        try:
            with failures_logged("generating", stream_id), self._telemetry.monitor.watch() as usage:
                yield self._origin
                async for codes in blocks(events):
                    if isinstance(codes, Finished):
                        yield Generated(codes, self._engine.bytes_per_step, Use.of(usage))
                    else:
                        yield codes
        finally:
            self._engine.abort(stream_id)

    async def room(self, reference: EncodedReference, codec_key: str) -> int:
        """Positions that a voice leaves for text and speech; below zero where it does not fit itself."""
        check_codec(self._codec_key, codec_key)
        prompt = await asyncio.to_thread(self._encoder.encode, Prompt(".", (reference,)))
        return self._engine.stats()["positions"] - prompt.values.shape[1]

    async def acknowledge(self, stream_id: str, frames: int) -> None:
        """The client has been sent `frames` frames of a stream; the caller names this replica to the router."""
        self._engine.acknowledge(stream_id, frames)

    async def stats(self) -> dict[str, int]:
        """Counters and gauges of this replica's engine, the bytes of RAM that it may still claim, and whether its step
        is compiled, which a plan only asks for."""
        claimable = memory.claimable(self._engine.held_bytes, self._replicas)
        return self._engine.stats() | {"memory_claimable": claimable, "compiled": int(self._engine.compiled)}

    async def machine(self) -> MachineLoad:
        """This replica's machine, and how it fares."""
        return self._telemetry.machine()

    def _load(self) -> StageLoad:
        stats = self._engine.stats()
        held = {
            name: stats[name] * stats["kv_bytes_per_position"] for name in ("positions_used", "prefix_cache_positions")
        }
        return StageLoad(
            slots=stats["slots"],
            slots_used=stats["slots_used"],
            waiting=stats["waiting"],
            kv_bytes={"slots": held["positions_used"], "prefixes": held["prefix_cache_positions"]},
            cache_hits=stats["prefix_cache_hits"],
            cache_misses=stats["prefix_cache_misses"],
        )

    async def clear_prefixes(self, halve: bool) -> None:
        """Forget what takes memory of voices; `halve` also halves the room for them until the replica is replaced."""
        self._engine.clear_prefixes(halve)

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Slots that are taken or waited for: the autoscaling policy's measure."""
        stats = self._engine.stats()
        return {"slots_wanted": float(stats["slots_used"] + stats["waiting"])}

    def check_health(self) -> None:
        """Raises when the engine's loop is dead or stuck: Ray then replaces this replica."""
        self._engine.check_health()

    def __del__(self) -> None:
        engine: Engine | None = getattr(self, "_engine", None)
        if engine is not None:
            engine.stop()
