"""Texts that arrive in pieces, spoken as they arrive."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from deployments.monitoring.stats import RequestStats
from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.segments import Limits
from models.types import FLUSH, Busy, Flush, InvalidRequest, Sampling, TooLarge, Unsayable
from tests.deployments.fakes import FRAME, FakeStages
from tests.deployments.synthesis.writer import LONG, SENTENCES, Writer, asked, at_once, hear, quiet, until


def texts(stages: FakeStages) -> list[str]:
    return [prompt.text for prompt in stages.prompts]


@pytest.mark.parametrize("size", [1, 2, 7, 150, 5000])
async def test_a_text_in_pieces_is_spoken_as_the_whole_text(stages: FakeStages, pipeline: Pipeline, size: int) -> None:
    await hear(pipeline, asked(LONG, sampling=Sampling(seed=3)))
    whole = [replace(prompt, references=()) for prompt in stages.prompts]
    stages.prompts.clear()
    pieces = [LONG[at : at + size] for at in range(0, len(LONG), size)]
    await hear(pipeline, asked(at_once(pieces), sampling=Sampling(seed=3)))
    assert len(whole) > 3
    assert [replace(prompt, references=()) for prompt in stages.prompts] == whole


async def test_ten_thousand_pieces_make_no_more_work(stages: FakeStages, pipeline: Pipeline) -> None:
    text = " ".join(SENTENCES * 8)[:10_000]
    await hear(pipeline, asked(at_once(text)))
    assert " ".join(texts(stages)) == text
    assert len(stages.prompts) < 100


async def test_the_first_sentence_sounds_before_the_second_is_written(
    stages: FakeStages, pipeline: Pipeline, writer: Writer
) -> None:
    writer.write("Hel", "lo the", "re. ", "How")
    speech = await pipeline.open(asked(writer.pieces()))
    assert texts(stages) == ["Hello there."]
    blocks = speech.blocks()
    heard = [await anext(blocks)]
    writer.write(" are you? ", None)
    heard += [block async for block in blocks]
    assert texts(stages) == ["Hello there.", "How are you?"]
    assert sum(map(len, heard)) == FRAME * len("Hello there.How are you?")
    assert writer.closed


async def test_sentences_gather_while_another_waits_to_be_spoken(
    stages: FakeStages, pipeline: Pipeline, writer: Writer
) -> None:
    stages.endless = True
    writer.write("One is spoken. ")
    speech = await pipeline.open(asked(writer.pieces()))
    writer.write("Two is next in line. ")
    await until(lambda: len(stages.prompts) == 2)
    writer.write("Three waits. ", "Four waits with it. ")
    await quiet()
    assert len(stages.prompts) == 2
    writer.write(FLUSH)
    await until(lambda: len(stages.prompts) == 3)
    assert texts(stages)[2] == "Three waits. Four waits with it."
    await speech.aclose()


async def test_a_full_segment_starts_at_once(stages: FakeStages, pipeline: Pipeline, writer: Writer) -> None:
    stages.endless = True
    writer.write(SENTENCES[0] + " ")
    speech = await pipeline.open(asked(writer.pieces()))
    for sentence in SENTENCES[1:]:
        writer.write(sentence + " ")
    await until(lambda: stages.active == pipeline.limits.segments_ahead)
    assert all(len(text) > 100 for text in texts(stages)[2:])
    await speech.aclose()


async def test_a_flush_speaks_what_is_there(stages: FakeStages, pipeline: Pipeline, writer: Writer) -> None:
    writer.write("no sentence", FLUSH)
    speech = await pipeline.open(asked(writer.pieces()))
    assert texts(stages) == ["no sentence"]
    writer.write(FLUSH, " nor this", FLUSH, FLUSH, None)
    async for _ in speech.blocks():
        pass
    assert texts(stages) == ["no sentence", "nor this"]


async def test_a_slow_text_holds_no_slot(stages: FakeStages, pipeline: Pipeline, writer: Writer) -> None:
    writer.write("One too. ")
    speech = await pipeline.open(asked(writer.pieces()))
    blocks = speech.blocks()
    heard = [await anext(blocks)]
    while sum(map(len, heard)) < FRAME * len("One too."):
        heard.append(await anext(blocks))
    following = asyncio.ensure_future(anext(blocks))
    await until(lambda: stages.active == 0)
    await quiet()
    assert not following.done()
    writer.write("Two.", None)
    heard += [await following, *[block async for block in blocks]]
    assert sum(map(len, heard)) == FRAME * len("One too.Two.")


async def test_text_is_taken_as_it_is_spoken(stages: FakeStages, pipeline: Pipeline, writer: Writer) -> None:
    stages.endless = True
    writer.write(*(sentence + " " for sentence in SENTENCES * 50))
    speech = await pipeline.open(asked(writer.pieces()))
    await until(lambda: stages.active == pipeline.limits.segments_ahead)
    await quiet()
    asked_for = writer.asked * len(SENTENCES[0])
    assert asked_for < (pipeline.limits.segments_ahead + 8) * 200 < len(SENTENCES * 50) * len(SENTENCES[0])
    await speech.aclose()
    assert stages.active == 0 and writer.closed


async def test_a_piece_has_a_limit_and_a_stream_has_none(stages: FakeStages, pipeline: Pipeline) -> None:
    pipeline.limits = Limits(text_chars=100)
    speech = await hear(pipeline, asked(at_once(sentence + " " for sentence in SENTENCES)))
    assert speech.characters == len(LONG) + 1 > 100
    with pytest.raises(TooLarge, match="101 characters; the limit is 100"):
        await pipeline.open(asked(at_once(["x" * 101])))


@pytest.mark.parametrize("pieces", [[], [" ", "\n"], [FLUSH]])
async def test_a_stream_without_text_is_refused(pipeline: Pipeline, pieces: list[str | Flush]) -> None:
    with pytest.raises(Unsayable, match="is empty"):
        await pipeline.open(asked(at_once(pieces)))


async def test_a_stream_of_dots_is_a_short_silence(stages: FakeStages, pipeline: Pipeline) -> None:
    speech = await pipeline.open(asked(at_once(["..", ".", FLUSH, " !"])))
    heard = np.concatenate([block async for block in speech.blocks()])
    assert len(heard) == round(0.2 * stages.sample_rate) and not heard.any()
    assert "X-Nothing-Said" in speech.headers


async def test_only_a_whole_text_can_be_truncated(pipeline: Pipeline) -> None:
    with pytest.raises(InvalidRequest, match="whole text"):
        await pipeline.open(asked(at_once(["Hello."]), on_long_text="truncate"))
    speech = await hear(pipeline, asked(at_once(["Hello."])))
    assert not [header for header in speech.headers if "Length" in header and "Max" not in header]


async def test_a_refused_beginning_is_spoken_by_the_next_pool(
    stages: FakeStages, pipeline: Pipeline, writer: Writer
) -> None:
    full = FakeStages()
    full.fail = Busy("full")
    (free,) = pipeline._route(None)
    pipeline._route = lambda device: [type(free)("full", "cuda", full, "gpu", 1000), free]
    writer.write("One. ", "Two.", None)
    speech = await hear(pipeline, asked(writer.pieces()))
    assert " ".join(texts(stages)) == "One. Two."
    assert texts(full) == texts(stages)[:1]
    assert speech.headers["X-Pool"] == free.name


async def test_figures_count_what_came(
    stages: FakeStages, pipeline: Pipeline, writer: Writer, told: list[RequestStats]
) -> None:
    writer.write("One. ", FLUSH)
    speech = await pipeline.open(asked(writer.pieces()))
    blocks = speech.blocks()
    following = await anext(blocks)
    following = asyncio.ensure_future(anext(blocks))
    await until(lambda: writer.asked == 3)
    await asyncio.sleep(0.5)  # longer than all that was to be heard
    writer.write("Two.", None)
    await following
    async for _ in blocks:
        pass
    (stats,) = told
    assert (stats.text_chars, stats.segments, stats.status) == (len("One. Two."), 2, 200)
    assert stats.audio_seconds == pytest.approx(FRAME * 8 / stages.sample_rate)
    assert stats.underrun_seconds < 0.1, "the silence before the second sentence was its writer's"


async def test_segments_are_told_with_their_samples(stages: FakeStages, pipeline: Pipeline) -> None:
    speech = await pipeline.open(asked(at_once(["One. ", FLUSH, "Two and a half. ", FLUSH, "Three."])))
    told, samples = [], 0
    async for block in speech.blocks():
        samples += len(block)
        told += speech.segments[len(told) :]
    told += speech.segments[len(told) :]
    lengths = [FRAME * len(text) for text in ("One.", "Two and a half.", "Three.")]
    ends = np.cumsum(lengths).tolist()
    assert [(each.text, each.start, each.end) for each in told] == [
        ("One.", 0, ends[0]),
        ("Two and a half.", ends[0], ends[1]),
        ("Three.", ends[1], ends[2]),
    ]
    assert samples == ends[-1]
