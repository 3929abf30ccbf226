"""The VQ-decoder stage: pulls codes from text-to-semantic and gives PCM as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import numpy as np
from ray.serve.handle import DeploymentHandle

from cluster.plan import Plan
from deployments.batcher import Batcher
from deployments.replica import dtype_of, prepare
from models.checkpoint import Checkpoint
from models.memory import release
from models.text_to_semantic.blocks import ramp
from models.types import Prompt
from models.vq_decoder.decoder import VQDecoder as Network


class VQDecoder:
    """One replica; ready when it has decoded once. Its streams' states live here from first to last block."""

    def __init__(self, checkpoint: str, plan: Plan, streams: int, text_to_semantic: DeploymentHandle) -> None:
        stage = plan.stages["vq_decoder"]
        prepare(stage)
        source = Checkpoint(checkpoint)
        tensors = source.codec_tensors("decoder")
        self._network = Network(source.codec_config, tensors, stage.device, dtype_of(stage), streams)
        release(tensors)
        self._network.warm_up(ramp(plan.first_block, plan.block))
        self._decode = Batcher(self._network.decode, stage.slots)
        self._generate = text_to_semantic.options(stream=True).generate

    async def stream(self, stream_id: str, prompt: Prompt) -> AsyncGenerator[str | np.ndarray, None]:
        """First the id of the text-to-semantic replica, then float32 PCM blocks (samples,).

        Raises what text-to-semantic raises. Closing the generator stops the work there too.
        """
        blocks = self._generate.remote(stream_id, prompt)
        stream = None
        try:
            async for block in blocks:
                if isinstance(block, str):
                    yield block
                    continue
                if stream is None:
                    stream = await self._decode.run(self._network.open)
                yield await self._decode((stream, block))
        finally:
            blocks.cancel()
            if stream is not None:
                self._decode.later(stream.close)
