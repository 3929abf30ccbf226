"""References of a request: encoded once, told about, bounded."""

from __future__ import annotations

import asyncio

import pytest

from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from models.types import NotAudio, Reference, SynthesisRequest, TooLarge
from tests.deployments.fakes import FakeStages, make_pipeline, recording

SEA = Reference(recording(), "the sea")


@pytest.fixture
def pipeline(stages: FakeStages, voices: VoiceLibrary) -> Pipeline:
    return make_pipeline(stages, voices)


async def listen(pipeline: Pipeline, request: SynthesisRequest) -> None:
    speech = await pipeline.open(request)
    async for _ in speech.blocks():
        pass


async def test_a_references_text_has_the_limit_of_every_text(pipeline: Pipeline):
    reference = Reference(b"never read", "a" * (pipeline.limits.text_chars + 1))
    with pytest.raises(TooLarge, match=r"text has .* characters"):
        await pipeline.open(SynthesisRequest("Hello.", references=(reference,)))


async def test_notes_about_references_reach_the_headers(pipeline: Pipeline):
    speech = await pipeline.open(SynthesisRequest("Hello.", references=(Reference(recording(1.0), "a"),)))
    await speech.aclose()
    assert "only 1" in speech.headers["X-Reference-Note"]


async def test_a_recording_is_encoded_once(stages: FakeStages, pipeline: Pipeline):
    request = SynthesisRequest("Hello.", references=(SEA, Reference(SEA.audio, "other words")))
    await asyncio.gather(*(listen(pipeline, request) for _ in range(3)))
    assert stages.encodes == 1
    assert [r.text for r in stages.prompts[0].references] == ["the sea", "other words"]


async def test_a_registered_voice_never_encodes_again(stages: FakeStages, pipeline: Pipeline, voices: VoiceLibrary):
    await pipeline.add_voice("sea", SEA.audio, "the sea")
    restarted = make_pipeline(stages, voices, Limits())
    await listen(restarted, SynthesisRequest("Hello.", voice="sea"))
    assert stages.encodes == 1
    assert stages.prompts[-1].references[0].text == "the sea"


async def test_a_voice_without_codes_is_encoded_once(stages: FakeStages, pipeline: Pipeline, voices: VoiceLibrary):
    voices.add("sea", SEA.audio, "the sea")
    await listen(pipeline, SynthesisRequest("Hello.", voice="sea"))
    await listen(make_pipeline(stages, voices, Limits()), SynthesisRequest("Hello.", voice="sea"))
    assert stages.encodes == 1


async def test_a_bad_recording_registers_no_voice(pipeline: Pipeline, voices: VoiceLibrary):
    with pytest.raises(NotAudio):
        await pipeline.add_voice("noise", b"not audio", "words")
    assert voices.list() == []
