"""The three stages as the pipeline sees them, reached through Ray Serve handles."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
from ray.exceptions import ObjectLostError, RayActorError, RayError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    RequestCancelledError,
)
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from deployments.monitoring.stats import Origin, SegmentStats, current_trace
from deployments.stages.batcher import STALLED_AFTER
from deployments.synthesis.stages import STARTED_WITHIN, EncodedAudio
from models.types import Busy, EncodedReference, Gone, NotReady, OtherCodec, Prompt

T = TypeVar("T")

ACKNOWLEDGE_EVERY = 10.0  # seconds of audio; a call takes a few milliseconds of this process and of the replica
ASK_AGAIN = 1.0  # seconds


class RayStages:
    """Implements `deployments.synthesis.stages.Stages` for one pool. `frame_length` is in samples."""

    def __init__(
        self,
        reference_encoder: DeploymentHandle[Any],
        text_to_semantic: DeploymentHandle[Any],
        vq_decoder: DeploymentHandle[Any],
        *,
        sample_rate: int,
        frame_length: int,
        codec_key: str,
    ) -> None:
        self.sample_rate, self.codec_key = sample_rate, codec_key
        self.frame_rate = sample_rate / frame_length
        self._frame_length = frame_length
        self._encode = reference_encoder.encode
        self._room = text_to_semantic.room
        self._acknowledge = text_to_semantic.options(method_name="acknowledge")
        # By value over gRPC, not through Ray's object store: 9 ms less to the first audio, a fifth less CPU.
        # Messages may have 4 MiB, which blocks and prompts have not; recordings go by reference.
        self._stream = vq_decoder.options(stream=True, _by_reference=False).stream
        self._machines = text_to_semantic.machine, vq_decoder.machine
        self.active = 0
        self.failed_at = -math.inf

    async def encode(self, audio: bytes) -> EncodedAudio:
        """Raises NotAudio, TooLarge, Busy, NotReady."""
        with _translated():
            async with asyncio.timeout(STALLED_AFTER):
                request_id = current_trace().request_id
                ask = partial(self._encode.remote, audio, self.codec_key, request_id)
                return await _of_the_same_codec(ask)

    async def room(self, reference: EncodedReference) -> int:
        """Raises NotReady."""
        with _translated():
            async with asyncio.timeout(STARTED_WITHIN):
                return await _of_the_same_codec(lambda: self._room.remote(reference, self.codec_key))

    def wake(self) -> None:
        """Start what stands by; returns at once."""
        # Together: a request alone would start text-to-semantic only when the decoder is there to ask it.
        for machine in self._machines:
            machine.remote()

    async def speak(
        self, prompt: Prompt, within: float = STARTED_WITHIN
    ) -> AsyncGenerator[Origin | np.ndarray | SegmentStats, None]:
        """As `Stages.speak`; the client's pace reaches the engine as acknowledgements."""
        # One request has several streams; the stages' logs name the stream, and so the request.
        stream_id = f"{current_trace().request_id}.{uuid.uuid4().hex[:8]}"
        blocks: DeploymentResponseGenerator[Any] | None = None
        frames = acknowledged = 0

        async def begin() -> tuple[Origin, DeploymentResponseGenerator[Any]]:
            nonlocal blocks
            blocks = cast("DeploymentResponseGenerator[Any]", self._stream.remote(stream_id, prompt, self.codec_key))
            return await anext(blocks), blocks

        self.active += 1
        try:
            with _translated():
                async with asyncio.timeout(within):
                    origin, stream = await _of_the_same_codec(begin)
                yield origin
                async for block in stream:
                    yield block
                    if not isinstance(block, np.ndarray):
                        continue
                    frames += len(block) // self._frame_length
                    if frames - acknowledged >= ACKNOWLEDGE_EVERY * self.frame_rate:
                        acknowledged = frames
                        self._acknowledge.options(multiplexed_model_id=origin.replica).remote(stream_id, frames)
        except NotReady:
            self.failed_at = time.monotonic()
            raise
        finally:
            self.active -= 1
            if blocks is not None:
                blocks.cancel()


async def _of_the_same_codec(ask: Callable[[], Awaitable[T]]) -> T:
    """The result of `ask`. Where another checkpoint is being deployed it is asked again, until it reaches a replica
    with the codec of this ingress; raises OtherCodec after as long as a request waits for a replica that is loading."""
    deadline = time.monotonic() + STARTED_WITHIN
    while True:
        try:
            with _translated():
                return await ask()
        except OtherCodec:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(ASK_AGAIN)


@contextmanager
def _translated() -> Iterator[None]:
    """Ray's errors as the domain's."""
    try:
        yield
    except (RayError, RayServeException, TimeoutError) as error:
        raise plain(error) from None


def plain(error: Exception) -> Exception:
    """A stage's own error comes wrapped with a remote traceback, and so does that of a stage which it asked itself."""
    if isinstance(error, RayTaskError):
        return plain(error.cause) if isinstance(error.cause, Exception) else error
    if isinstance(error, TimeoutError):
        return NotReady("no replica was free to take the request in time: try again in a few seconds")
    if isinstance(error, BackPressureError):
        return Busy("every place in the queue is taken: try again shortly")
    if isinstance(error, (RayActorError, ObjectLostError, DeploymentUnavailableError)):
        return NotReady("a stage is restarting: try again in a few seconds")
    if isinstance(error, (TaskCancelledError, RequestCancelledError)):
        return Gone("the request was cancelled")
    return error
