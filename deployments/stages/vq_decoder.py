"""The VQ-decoder stage: pulls codes from text-to-semantic and gives PCM as they come."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import numpy as np
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from cluster.planning.plan import Plan
from cluster.planning.stages import DECODER
from deployments.monitoring.stats import Generated, MachineLoad, Origin, SegmentStats, StageLoad
from deployments.monitoring.telemetry import Telemetry
from deployments.stages.batcher import Batcher
from deployments.stages.replica import check_codec, failures_logged, prepare
from models.checkpoint.reader import Checkpoint
from models.runtime.buckets import doublings
from models.runtime.memory import trim
from models.text_to_semantic.engine.blocks import ramp
from models.types import Prompt
from models.vq_decoder.decoder import Stream
from models.vq_decoder.decoder import VQDecoder as Network


class VQDecoder:
    """One replica; ready when it has decoded once. Its streams' states live here from first to last block."""

    def __init__(
        self, checkpoint: str, plan: Plan, streams: int, text_to_semantic: DeploymentHandle[Any], csv: Path | None
    ) -> None:
        stage = plan.stages[DECODER]
        prepare(stage)
        self._decode = Batcher("the decoder", self._decode_batch, stage.slots)
        source = Checkpoint(checkpoint)
        self._codec_key = source.codec_key
        self._network = self._decode.load(lambda: _load(source, plan, streams))
        self._generate = text_to_semantic.options(stream=True, _by_reference=False).generate
        self._device, self._streams, self._open = stage.device, streams, 0
        self._telemetry = Telemetry(DECODER, stage.device, plan.tier, csv, self._load)

    async def stream(
        self, stream_id: str, prompt: Prompt, codec_key: str
    ) -> AsyncGenerator[Origin | np.ndarray | SegmentStats, None]:
        """First where the codes come from, then float32 PCM blocks (samples,), then how the segment was made.

        Raises what text-to-semantic raises. Closing the generator stops the work there too. Where the caller takes no
        more blocks it waits, once gRPC's window is full.
        """
        check_codec(self._codec_key, codec_key)
        blocks = cast("DeploymentResponseGenerator[Any]", self._generate.remote(stream_id, prompt, codec_key))
        stream, codebooks, seconds = None, 0, 0.0
        widths: list[int] = []
        kept: list[np.ndarray] = []
        try:
            async for block in blocks:
                if isinstance(block, Origin):
                    yield block
                    continue
                if isinstance(block, Generated):
                    shape = codebooks, 0 if stream is None else stream.position
                    width = sum(widths) / len(widths) if widths else None
                    codes = np.concatenate(kept, axis=1) if kept else None
                    yield SegmentStats(block, self._device, shape, seconds, width, codes)
                    continue
                began = time.perf_counter()
                if stream is None:
                    stream = self._network.open()
                    self._open += 1
                with failures_logged("decoding", stream_id):
                    pcm, width = await self._decode((stream, block))
                seconds += time.perf_counter() - began
                widths.append(width)
                codebooks = len(block)
                if prompt.keeps_codes:
                    kept.append(block)
                yield pcm
        finally:
            blocks.cancel()
            if stream is not None:
                self._open -= 1
                self._decode.later(stream.close)  # after the block that may be under way

    def _decode_batch(self, batch: list[tuple[Stream, np.ndarray]]) -> list[tuple[np.ndarray, int]]:
        """PCM of each block, and how many were decoded together."""
        return [(pcm, len(batch)) for pcm in self._network.decode(batch)]

    async def machine(self) -> MachineLoad:
        """This replica's machine, and how it fares."""
        return self._telemetry.machine()

    def check_health(self) -> None:
        """Raises when the network is stuck or only fails: Ray then replaces this replica."""
        self._decode.check_health()

    def _load(self) -> StageLoad:
        return StageLoad(self._streams, self._open, self._decode.waiting)


def _load(source: Checkpoint, plan: Plan, streams: int) -> Network:
    """A network that has decoded every shape of batch that it will meet."""
    stage = plan.stages[DECODER]
    tensors = source.codec_tensors("decoder")
    network = Network(source.codec_config, tensors, stage.device, stage.precision, streams)
    trim()
    if stage.device == "cpu":
        network.warm_up(ramp(plan.first_block, plan.block))
    else:
        network.warm_up(doublings(plan.first_block, plan.block), doublings(1, stage.slots))
    return network
