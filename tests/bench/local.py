"""The stages in one process, without Ray: what the graph is compared with."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator

import numpy as np

from cluster.planning.plan import Plan
from cluster.planning.stages import DECODER, LM
from deployments.stages.batcher import Batcher
from deployments.stages.text_to_semantic import load_planned
from deployments.synthesis.stages import STARTED_WITHIN, EncodedAudio
from models.checkpoint.reader import Checkpoint
from models.text_to_semantic.engine.blocks import Pace, ramp
from models.text_to_semantic.engine.streaming import blocks, submit
from models.types import Finished, NotReady, Prompt
from models.vq_decoder.decoder import VQDecoder


class LocalStages:
    """Implements `deployments.synthesis.stages.Stages` for voices whose codes are stored: there is no encoder."""

    def __init__(self, checkpoint: Checkpoint, plan: Plan) -> None:
        lm, decoder, config = plan.stages[LM], plan.stages[DECODER], checkpoint.codec_config
        self.sample_rate, self.frame_rate, self.codec_key = config.sample_rate, config.frame_rate, checkpoint.codec_key
        never_pauses = 1 << 30
        self._encoder, self._engine = load_planned(checkpoint, plan, never_pauses)
        tensors = checkpoint.codec_tensors("decoder")
        self._network = VQDecoder(config, tensors, decoder.device, decoder.precision, max_streams=2 * lm.slots)
        self._sizes = ramp(plan.first_block, plan.block)
        self._network.warm_up(self._sizes)
        self._decode = Batcher("the decoder", self._network.decode, decoder.slots)

    async def encode(self, audio: bytes) -> EncodedAudio:
        raise NotReady("these stages have no encoder: store the voice's codes first")

    async def speak(self, prompt: Prompt, within: float = STARTED_WITHIN) -> AsyncGenerator[np.ndarray, None]:
        stream = self._network.open()
        stream_id = uuid.uuid4().hex
        try:
            events = await submit(self._engine, self._encoder, stream_id, prompt, Pace(self._sizes, self.frame_rate))
            async for codes in blocks(events):
                if isinstance(codes, Finished):
                    break
                yield await self._decode((stream, codes))
        finally:
            self._engine.abort(stream_id)
            self._decode.later(stream.close)

    def close(self) -> None:
        self._engine.stop()
