"""Listeners that leave and sources that fail, while a text arrives in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from deployments.monitoring.stats import RequestStats
from deployments.synthesis.pipeline import Pipeline
from models.types import FLUSH, InvalidRequest
from tests.deployments.fakes import FRAME, FakeStages
from tests.deployments.synthesis.writer import LONG, SENTENCES, Writer, asked, quiet, until


async def hears_nothing_yet(pipeline: Pipeline, writer: Writer, stages: FakeStages) -> None:
    opening = asyncio.create_task(pipeline.open(asked(writer.pieces())))
    await until(lambda: writer.asked)
    opening.cancel()
    await asyncio.wait({opening})


async def waits_for_the_first_block(pipeline: Pipeline, writer: Writer, stages: FakeStages) -> None:
    stages.block_seconds = 60
    writer.write("The first sentence is this one. ")
    opening = asyncio.create_task(pipeline.open(asked(writer.pieces())))
    await until(lambda: stages.active)
    opening.cancel()
    await asyncio.wait({opening})


async def hears_and_leaves(pipeline: Pipeline, writer: Writer, stages: FakeStages) -> None:
    stages.endless = True
    writer.write(LONG)
    speech = await pipeline.open(asked(writer.pieces()))
    await until(lambda: stages.active == pipeline.limits.segments_ahead)
    await speech.aclose()


async def waits_for_more_text(pipeline: Pipeline, writer: Writer, stages: FakeStages) -> None:
    writer.write("The first sentence is this one. ")
    speech = await pipeline.open(asked(writer.pieces()))
    heard = []

    async def listen() -> None:
        async for block in speech.blocks():
            heard.append(block)

    listening = asyncio.create_task(listen())
    await until(lambda: heard and not stages.active)
    listening.cancel()
    await asyncio.wait({listening})


async def is_behind(pipeline: Pipeline, writer: Writer, stages: FakeStages) -> None:
    """Segments are due and the source is not asked."""
    stages.endless = True
    writer.write(*[sentence + " " for sentence in SENTENCES], None)
    speech = await pipeline.open(asked(writer.pieces()))
    await quiet()
    await speech.aclose()


@pytest.mark.parametrize(
    "leave", [hears_nothing_yet, waits_for_the_first_block, hears_and_leaves, waits_for_more_text, is_behind]
)
async def test_who_leaves_frees_everything(
    stages: FakeStages,
    pipeline: Pipeline,
    writer: Writer,
    told: list[RequestStats],
    leave: Callable[[Pipeline, Writer, FakeStages], Awaitable[None]],
) -> None:
    before = asyncio.all_tasks()
    await leave(pipeline, writer, stages)
    assert stages.active == 0 and writer.closed and pipeline.running == 0
    assert [stats.error for stats in told] == ["Gone"]
    assert asyncio.all_tasks() == before


async def test_a_source_that_fails_at_once_is_a_refusal(stages: FakeStages, pipeline: Pipeline, writer: Writer) -> None:
    writer.write("Half a sen", InvalidRequest("the message is not msgpack"))
    with pytest.raises(InvalidRequest, match="msgpack"):
        await pipeline.open(asked(writer.pieces()))
    assert not stages.prompts and writer.closed and pipeline.running == 0


async def test_a_source_that_fails_later_is_heard_to_where_it_failed(
    stages: FakeStages, pipeline: Pipeline, writer: Writer, told: list[RequestStats]
) -> None:
    writer.write("One. ", FLUSH, "Two. ", FLUSH, "Thr", InvalidRequest("the message is not msgpack"))
    speech = await pipeline.open(asked(writer.pieces()))
    heard = []
    with pytest.raises(InvalidRequest, match="msgpack"):
        async for block in speech.blocks():
            heard.append(block)
    assert sum(map(len, heard)) == FRAME * len("One.Two.")
    assert stages.active == 0 and writer.closed
    assert [(stats.error, stats.status) for stats in told] == [("InvalidRequest", 400)]


async def test_a_source_that_is_stopped_is_no_end_of_the_text(pipeline: Pipeline) -> None:
    async def stopped() -> AsyncGenerator[str, None]:
        yield "Half a sentence"
        raise asyncio.CancelledError

    with pytest.raises(Exception, match="source of the text was stopped"):
        await pipeline.open(asked(stopped()))
