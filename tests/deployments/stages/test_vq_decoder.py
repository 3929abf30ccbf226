"""The decoder's replica, with the real codec and codes from a stand-in for text-to-semantic."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest

from cluster.machine.hardware import detect
from cluster.planning.plan import Plan, PlanOptions
from cluster.planning.planner import make
from deployments.stages.vq_decoder import VQDecoder
from models.checkpoint.reader import Checkpoint
from models.types import NotReady, Prompt
from tests.graph.server import eventually


class Codes:
    """A handle whose stream is one block of four frames."""

    def options(self, **options: object) -> Codes:
        return self

    @property
    def generate(self) -> Codes:
        return self

    def remote(self, stream_id: str, prompt: Prompt, codec_key: str) -> Codes:
        return self

    async def __aiter__(self) -> AsyncGenerator[np.ndarray, None]:
        yield np.zeros((4, 4), np.int16)

    def cancel(self) -> None: ...


@pytest.fixture
def plan() -> Plan:
    return make([detect()], PlanOptions("cpu"))


async def test_a_client_that_leaves_while_its_first_block_is_decoded_takes_no_row_along(tiny: Path, plan: Plan) -> None:
    decoder, key = VQDecoder(str(tiny), plan, 1, Codes(), None), Checkpoint(tiny).codec_key
    decoding, go_on = threading.Event(), threading.Event()
    decode = decoder._network.decode

    def slowly(batch: list) -> list:
        decoding.set()
        go_on.wait(30)
        return decode(batch)

    decoder._network.decode = slowly
    for _ in range(2):  # of one row
        decoding.clear()
        go_on.clear()
        leaving = asyncio.ensure_future(anext(decoder.stream("a", Prompt("x"), key)))
        await asyncio.to_thread(decoding.wait, 30)
        leaving.cancel()
        await asyncio.wait({leaving})
        assert not decoder._network._free  # the row is still written to
        go_on.set()
        eventually(lambda: len(decoder._network._free), lambda free: free == 1)
    decoder._network.decode = decode
    heard = [block async for block in decoder.stream("b", Prompt("x"), key)]
    assert len(heard) == 1 and len(heard[0]) > 0
    assert decoder._load().slots_used == 0


async def test_a_decoder_that_only_fails_says_so(tiny: Path, plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    decoder = VQDecoder(str(tiny), plan, 1, Codes(), None)

    def fails(batch: list) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    decoder._network.decode = fails
    for _ in range(3):
        decoder.check_health()
        with pytest.raises(RuntimeError):
            await anext(decoder.stream("turn-1.a", Prompt("x"), Checkpoint(tiny).codec_key))
    assert caplog.messages == ["decoding of turn-1.a failed"] * 3, "the log names the request"
    with pytest.raises(NotReady, match="the decoder failed 3 times in a row"):
        decoder.check_health()
