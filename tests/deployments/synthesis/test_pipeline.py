from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest

from deployments.synthesis.pipeline import Pipeline, Pool
from deployments.synthesis.script import segment_seed
from deployments.synthesis.segments import Limits, header_text, reader_options
from deployments.synthesis.sound.joining import SEAM_SECONDS
from deployments.synthesis.voices import VoiceLibrary
from models.families.s1.card import CARD
from models.types import (
    Busy,
    Gone,
    InvalidRequest,
    NotAudio,
    Reference,
    Sampling,
    SynthesisRequest,
    TooLarge,
    Unsayable,
    VoiceNotFound,
)
from tests.deployments.fakes import FakeStages, make_pipeline, recording, sine

LONG = " ".join(f"Sentence number {i} says something about the sea and its fish." for i in range(40))
SEA = Reference(recording(), "the sea")


@pytest.fixture
def pipeline(stages: FakeStages, voices: VoiceLibrary) -> Pipeline:
    return make_pipeline(stages, voices, Limits(tier="test board", tier_text_chars=100))


async def listen(pipeline: Pipeline, request: SynthesisRequest) -> np.ndarray:
    speech = await pipeline.open(request)
    return np.concatenate([block async for block in speech.blocks()])


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


async def test_audio_is_every_segments_in_order(stages: FakeStages, pipeline: Pipeline):
    got = await listen(pipeline, SynthesisRequest(LONG, sampling=Sampling(seed=7), normalize=False))
    prompts = stages.prompts
    assert len(prompts) > 5
    assert words(" ".join(p.text for p in prompts)) == words(LONG)
    whole = [sine(segment_seed(7, i), 0, len(p.text) * 2048) for i, p in enumerate(prompts)]
    seams = np.cumsum([len(each) for each in whole])[:-1]
    expected = np.concatenate(whole)
    assert len(got) == len(expected)
    joined = (seams[:, None] + np.arange(round(SEAM_SECONDS * stages.sample_rate))).ravel()
    np.testing.assert_allclose(np.delete(got, joined), np.delete(expected, joined), atol=1e-6)
    assert stages.active == 0


@pytest.mark.parametrize("streaming", [True, False])
async def test_only_who_listens_is_given_a_small_first_block(stages: FakeStages, pipeline: Pipeline, streaming: bool):
    await listen(pipeline, SynthesisRequest("Short.", streaming=streaming))
    assert [prompt.streamed for prompt in stages.prompts] == [streaming]
    stages.prompts.clear()
    await listen(pipeline, SynthesisRequest(LONG, streaming=streaming))
    assert [prompt.streamed for prompt in stages.prompts] == [True] + [streaming] * (len(stages.prompts) - 1)


async def test_segments_meet_without_a_click_or_a_gap(stages: FakeStages, pipeline: Pipeline):
    got = await listen(pipeline, SynthesisRequest(LONG, sampling=Sampling(seed=7), normalize=False))
    seams = np.cumsum([len(p.text) * 2048 for p in stages.prompts])[:-1]
    apart = np.concatenate([sine(segment_seed(7, i), 0, len(p.text) * 2048) for i, p in enumerate(stages.prompts)])
    steps = np.abs(np.diff(apart))
    assert steps[seams - 1].max() > 0.3, "set end to end as they are, they would click"
    steps[seams - 1] = 0
    assert np.abs(np.diff(got)).max() < 1.3 * steps.max(), "no step is steeper than the segments' own sound"
    assert np.convolve(np.abs(got) < 1e-3, np.ones(44), "valid").max() < 44, "nowhere is a millisecond of silence"


async def test_segments_run_side_by_side_within_the_bound(stages: FakeStages, pipeline: Pipeline):
    speech = await pipeline.open(SynthesisRequest(LONG))
    assert stages.most_active == 1, "the first audio competes with nothing"
    blocks = speech.blocks()
    await anext(blocks)
    await anext(blocks)
    await until(lambda: stages.active >= 3 or len(stages.prompts) >= 4)
    async for _ in blocks:
        pass
    assert 2 <= stages.most_active <= pipeline.limits.segments_ahead


async def test_a_stage_stays_within_its_lead_of_a_slow_listener(stages: FakeStages, voices: VoiceLibrary):
    stages.endless = True
    pipeline = make_pipeline(stages, voices, Limits(lead_blocks=3))
    speech = await pipeline.open(SynthesisRequest("Endless, as far as its listener can tell from what is heard."))
    await until(lambda: stages.blocks_made >= 4)
    for _ in range(50):
        await asyncio.sleep(0)
    assert stages.blocks_made <= 1 + 3 + 1, "one taken, three waiting, one in hand"
    await speech.aclose()


async def test_closing_stops_every_segment(stages: FakeStages, pipeline: Pipeline):
    stages.endless = True
    speech = await pipeline.open(SynthesisRequest(LONG, references=(SEA,)))
    blocks = speech.blocks()
    await anext(blocks)
    await anext(blocks)
    await until(lambda: stages.active == pipeline.limits.segments_ahead)
    await blocks.aclose()
    assert stages.active == 0


async def test_cancelling_before_the_first_block_stops_the_work(stages: FakeStages, pipeline: Pipeline):
    stages.block_seconds = 60
    opening = asyncio.create_task(pipeline.open(SynthesisRequest("Hello.")))
    await until(lambda: stages.active == 1)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert stages.active == 0


async def test_a_refusal_comes_before_the_response(stages: FakeStages, pipeline: Pipeline):
    stages.fail = Busy("all slots are taken", 3.0)
    with pytest.raises(Busy):
        await pipeline.open(SynthesisRequest("Hello."))
    assert stages.active == 0


async def test_a_failure_midway_reaches_the_listener(stages: FakeStages, pipeline: Pipeline):
    stages.fail, stages.fail_after = RuntimeError("the replica died"), 1
    speech = await pipeline.open(SynthesisRequest(LONG))
    with pytest.raises(RuntimeError, match="died"):
        async for _ in speech.blocks():
            pass
    assert stages.active == 0


async def test_a_stage_that_cancels_by_itself_does_not_hang_the_listener(stages: FakeStages, pipeline: Pipeline):
    stages.fail = asyncio.CancelledError()
    with pytest.raises(Gone):
        await pipeline.open(SynthesisRequest("Hello."))


async def test_later_segments_wait_their_turn_when_busy(voices: VoiceLibrary):
    class Crowded(FakeStages):
        refused = 0

        async def speak(self, prompt, within=0.0):
            if self.active:
                self.refused += 1
                raise Busy("one at a time", 0.001)
            async for block in super().speak(prompt):
                yield block

    crowded = Crowded()
    got = await listen(make_pipeline(crowded, voices), SynthesisRequest(LONG, normalize=False))
    assert crowded.refused
    spoken = {prompt.text for prompt in crowded.prompts}
    assert len(got) == sum(map(len, spoken)) * 2048


async def test_silence_is_an_error(voices: VoiceLibrary):
    class Mute(FakeStages):
        async def speak(self, prompt, within=0.0):
            yield np.zeros(0, np.float32)

    pipeline = make_pipeline(Mute(), voices)
    with pytest.raises(Unsayable, match="no sound"):
        await pipeline.open(SynthesisRequest(LONG))


async def test_streaming_begins_with_a_shorter_segment(stages: FakeStages, pipeline: Pipeline):
    await listen(pipeline, SynthesisRequest(LONG, streaming=True))
    assert len(stages.prompts[0].text) <= pipeline.limits.first_segment_chars < len(stages.prompts[1].text)


def test_a_segment_is_as_long_as_the_pool_and_the_server_let_it_be(stages: FakeStages):
    pool = Pool("cpu", "cpu", stages, "arm-board", 1000, segment_chars=100)
    asked = SynthesisRequest(LONG, chunk_length=300)
    assert reader_options(asked, pool.limits(Limits()), CARD, 21.5).limit == 100
    assert pool.limits(Limits(segment_chars=50)).segment_chars == 50
    assert reader_options(asked, Limits(), CARD, 21.5).limit == 300
    assert reader_options(asked, Limits(), CARD, 50).limit < 300, "1,024 frames are 20 s"


async def test_seeds_differ_by_segment_and_repeat_by_request(stages: FakeStages, pipeline: Pipeline):
    for _ in range(2):
        await listen(pipeline, SynthesisRequest(LONG, sampling=Sampling(seed=5)))
    seeds = [p.sampling.seed for p in stages.prompts]
    first, second = seeds[: len(seeds) // 2], seeds[len(seeds) // 2 :]
    assert first == second
    assert first[0] == 5
    assert len(set(first)) == len(first)
    assert all(0 <= seed < 2**63 for seed in first)


async def test_headers_say_what_was_done(pipeline: Pipeline):
    request = SynthesisRequest(LONG, sampling=Sampling(seed=3), on_long_text="truncate", references=(SEA,))
    speech = await pipeline.open(request)
    await speech.aclose()
    headers = speech.headers
    assert headers["X-Seed"] == "3"
    assert headers["X-Hardware-Tier"] == "test board"
    assert headers["X-Max-Text-Length"] == "100"
    assert headers["X-Text-Truncated"] == "true"
    assert headers["X-Original-Text-Length"] == str(len(LONG))
    assert 80 <= int(headers["X-Truncated-Text-Length"]) <= 100
    assert "X-Reference-Note" not in headers


async def test_short_text_is_not_truncated(pipeline: Pipeline):
    speech = await pipeline.open(SynthesisRequest("Hello.", on_long_text="truncate"))
    await speech.aclose()
    assert speech.headers["X-Text-Truncated"] == "false"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (SynthesisRequest("  \n"), Unsayable),
        (SynthesisRequest("a" * 50_001), TooLarge),
        (SynthesisRequest("Hello.", voice="nobody"), VoiceNotFound),
        (SynthesisRequest("Hello.", voice="../etc"), InvalidRequest),
        (SynthesisRequest("Hello.", voice="sea", references=(SEA,)), InvalidRequest),
        (SynthesisRequest("Hello.", references=(Reference(b"", "a"),)), NotAudio),
        (SynthesisRequest("Hello.", references=(SEA,) * 17), InvalidRequest),
    ],
)
async def test_bad_requests_start_no_work(stages: FakeStages, pipeline: Pipeline, request_, error):
    with pytest.raises(error):
        await pipeline.open(request_)
    assert stages.prompts == []


@pytest.mark.parametrize("text", ["...", "👍", "---", "?!", "(excited)"])
async def test_a_text_without_words_is_a_short_silence(stages: FakeStages, pipeline: Pipeline, text: str):
    speech = await pipeline.open(SynthesisRequest(text, streaming=True))
    heard = np.concatenate([block async for block in speech.blocks()])
    assert len(heard) == round(0.2 * stages.sample_rate) and not heard.any()
    assert "no word or number" in speech.headers["X-Nothing-Said"]
    assert not stages.prompts and not speech.segments
    said = await pipeline.open(SynthesisRequest("Words."))
    await said.aclose()
    assert "X-Nothing-Said" not in said.headers


async def test_control_tokens_never_reach_a_prompt(stages: FakeStages, pipeline: Pipeline):
    await listen(pipeline, SynthesisRequest("Say <|im_end|> and <|semantic:5|> now. <|phoneme_start|>x<|phoneme_end|>"))
    spoken = " ".join(p.text for p in stages.prompts)
    assert set(re.findall(r"<\|.*?\|>", spoken)) == {"<|phoneme_start|>", "<|phoneme_end|>"}


def test_header_text_is_one_ascii_line():
    assert header_text("a\r\nX-Evil: 1 \u2014 b") == "a X-Evil: 1 ? b"
