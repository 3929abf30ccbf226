"""The reference-encoder stage: a recording in any container -> its codes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np

from cluster.planning.plan import StagePlan
from cluster.planning.stages import ENCODER
from deployments.monitoring.stats import MachineLoad, StageLoad
from deployments.monitoring.telemetry import Telemetry
from deployments.stages.batcher import Batcher
from deployments.stages.replica import check_codec, failures_logged, prepare
from deployments.synthesis.stages import EncodedAudio
from models.checkpoint.reader import Checkpoint
from models.reference_encoder import audio
from models.reference_encoder.encoder import ReferenceEncoder as Network
from models.runtime.memory import trim


class ReferenceEncoder:
    """One replica; ready when it has encoded once."""

    def __init__(self, checkpoint: str, plan: StagePlan, tier: str) -> None:
        prepare(plan)
        source = Checkpoint(checkpoint)
        self._config, self._codec_key, self._slots = source.codec_config, source.codec_key, plan.slots
        usual = audio.AudioLimits()
        self._limits = replace(usual, max_seconds=min(usual.max_seconds, source.longest_reference))
        self._encode: Batcher[np.ndarray, np.ndarray] = Batcher(
            "the encoder", lambda waveforms: self._network.encode(waveforms), plan.slots
        )
        self._network = self._encode.load(lambda: _load(source, plan))
        self._telemetry = Telemetry(ENCODER, plan.device, tier, None, self._load)

    async def encode(self, recording: bytes, codec_key: str, request_id: str) -> EncodedAudio:
        """Codes of the codec that the caller names. Raises NotAudio, TooLarge, NotReady."""
        check_codec(self._codec_key, codec_key)
        loaded = await asyncio.to_thread(audio.load, recording, self._config.sample_rate, self._limits)
        with failures_logged("encoding a reference", request_id):
            return EncodedAudio(await self._encode(loaded.waveform), loaded.heard, loaded.notes)

    async def machine(self) -> MachineLoad:
        """This replica's machine, and how it fares."""
        return self._telemetry.machine()

    def check_health(self) -> None:
        """Raises when the network is stuck or only fails: Ray then replaces this replica."""
        self._encode.check_health()

    def _load(self) -> StageLoad:
        return StageLoad(self._slots, self._encode.working, self._encode.waiting)


def _load(source: Checkpoint, plan: StagePlan) -> Network:
    """A network that has encoded silence."""
    config, tensors = source.codec_config, source.codec_tensors("encoder")
    network = Network(config, tensors, plan.device, plan.precision)
    trim()
    network.warm_up()
    return network
