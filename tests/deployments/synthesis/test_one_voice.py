"""Texts without a voice: later segments follow the first one's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.script import VOICE_SECONDS, Script
from deployments.synthesis.voices import VoiceLibrary
from models.text.markers import S1
from models.types import EncodedReference, Sampling, SynthesisRequest
from tests.deployments.fakes import FakeStages, make_pipeline
from tests.deployments.synthesis.telling import TellingStages
from tests.deployments.synthesis.writer import LONG, VOICE, hear, until


def over(folder: Path, stages: FakeStages) -> Pipeline:
    return make_pipeline(stages, VoiceLibrary(str(folder)))


def voices(stages: FakeStages) -> list[tuple[str, ...]]:
    """The transcripts of each prompt's references."""
    return [tuple(reference.text for reference in prompt.references) for prompt in stages.prompts]


@pytest.mark.parametrize("streaming", [True, False])
async def test_later_segments_follow_the_first_ones_voice(tmp_path: Path, streaming: bool) -> None:
    stages = TellingStages()
    await hear(over(tmp_path, stages), SynthesisRequest(LONG, sampling=Sampling(seed=7), streaming=streaming))
    first, *later = stages.prompts
    assert len(later) > 3 and first.keeps_codes and not any(prompt.keeps_codes for prompt in later)
    assert voices(stages) == [(), *[(first.text,)] * len(later)]
    codes = later[0].references[0].codes
    assert (codes == 7).all() and codes.shape == (10, len(first.text))
    assert stages.most_active > 1, "side by side, once there is a voice"


async def test_nothing_but_the_first_starts_before_its_voice_is_there(tmp_path: Path) -> None:
    stages = TellingStages()
    stages.block_seconds = 0.02
    speech = await over(tmp_path, stages).open(SynthesisRequest(LONG))
    assert len(stages.prompts) == 1
    blocks = speech.blocks()
    while not speech.segments:
        assert len(stages.prompts) == 1 or stages.prompts[1].references
        await anext(blocks)
    await until(lambda: len(stages.prompts) > 2)
    await blocks.aclose()
    assert stages.active == 0


async def test_a_voice_that_was_asked_for_is_every_segments(tmp_path: Path) -> None:
    stages = TellingStages()
    await hear(over(tmp_path, stages), SynthesisRequest(LONG, references=(VOICE,)))
    assert set(voices(stages)) == {(VOICE.text,)}
    assert not any(prompt.keeps_codes for prompt in stages.prompts)


async def test_a_text_of_one_segment_brings_no_codes_back(tmp_path: Path) -> None:
    stages = TellingStages()
    await hear(over(tmp_path, stages), SynthesisRequest("Hello there, all of you."))
    assert [prompt.keeps_codes for prompt in stages.prompts] == [False]


async def test_babble_is_no_example(tmp_path: Path) -> None:
    probe = TellingStages()
    await hear(over(tmp_path, probe), SynthesisRequest(LONG))
    stages = TellingStages(babbling={probe.prompts[0].text})
    await hear(over(tmp_path, stages), SynthesisRequest(LONG))
    second = stages.prompts[1].text
    assert voices(stages)[:3] == [(), (), (second,)]


async def test_stages_that_tell_nothing_speak_side_by_side(tmp_path: Path, stages: FakeStages) -> None:
    await hear(over(tmp_path, stages), SynthesisRequest(LONG))
    assert stages.most_active > 1 and set(voices(stages)) == {()}


async def test_who_leaves_while_a_voice_is_awaited_frees_everything(tmp_path: Path) -> None:
    stages = TellingStages()
    stages.block_seconds = 0.05
    before = asyncio.all_tasks()
    speech = await over(tmp_path, stages).open(SynthesisRequest(LONG))
    await speech.aclose()
    assert stages.active == 0 and asyncio.all_tasks() == before


@pytest.mark.parametrize(("seconds", "kept"), [(6.0, 6.0), (15.0, 15.0), (30.0, VOICE_SECONDS)])
def test_a_long_segment_lends_its_beginning(seconds: float, kept: float) -> None:
    script = Script(Sampling(), (), True, True, S1, {}, 50.0)
    words = "word " * 100
    voice: EncodedReference = script.voice(words, np.zeros((8, round(50 * seconds)), np.int16))
    assert voice.codes.shape[1] / 50.0 == kept
    assert len(voice.text) / len(words) == pytest.approx(kept / seconds, abs=0.02)
