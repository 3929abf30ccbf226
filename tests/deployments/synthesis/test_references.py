"""Whose voice speaks: recordings, their transcripts, and what is kept of both for good."""

from __future__ import annotations

import asyncio
import errno

import numpy as np
import pytest

from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from models.types import InvalidRequest, NoSpace, NotAudio, Reference, SynthesisRequest, TooLarge
from tests.deployments.fakes import FakeStages, make_pipeline, recording
from tests.deployments.synthesis.writer import hear
from tests.models.reference_encoder.recordings import speech, written

SENTENCES = (
    "Congratulations! You have successfully installed and executed the Asterisk Open Source PBX. You have also "
    "installed a set of sample sounds and configuration files that should help you to get started. "
)
LONG = Reference(written(np.tile(speech(14.1), 3)), SENTENCES * 3)
SEA = Reference(recording(), "the sea")
SHORT = Reference(written(speech(14)), SENTENCES.strip())


@pytest.fixture
def pipeline(stages: FakeStages, voices: VoiceLibrary) -> Pipeline:
    return make_pipeline(stages, voices)


async def spoken_with(stages: FakeStages, pipeline: Pipeline, **whose: object) -> tuple[np.ndarray, str, str]:
    """Codes and words of the voice in a prompt, and the note about it."""
    speech = await pipeline.open(SynthesisRequest("Hello.", **whose))
    await speech.aclose()
    (reference,) = stages.prompts[-1].references
    return reference.codes, reference.text, speech.headers.get("X-Reference-Note", "")


async def test_the_words_of_a_long_recording_end_where_its_codes_do(stages: FakeStages, pipeline: Pipeline) -> None:
    codes, words, note = await spoken_with(stages, pipeline, references=(LONG,))
    assert words == (SENTENCES * 2).strip()
    assert codes.shape[1] == pytest.approx(28.2 * stages.frame_rate, abs=6)
    assert "42.3 s long, more than 30 s" in note and 'transcript up to "' in note and "get started." in note


async def test_a_voice_is_kept_as_it_was_matched(stages: FakeStages, pipeline: Pipeline, voices: VoiceLibrary) -> None:
    notes = await pipeline.add_voice("allison", LONG.audio, LONG.text)
    assert "transcript up to" in " ".join(notes)
    assert voices.get("allison").text == LONG.text.strip(), "as it was sent: another codec may keep more of it"
    at_first = await spoken_with(stages, pipeline, references=(LONG,))
    restarted = make_pipeline(stages, voices)
    codes, words, _ = await spoken_with(stages, restarted, voice="allison")
    assert words == at_first[1] and np.array_equal(codes, at_first[0])
    voices.rename("allison", "alice")
    assert (await spoken_with(stages, restarted, voice="alice"))[1] == at_first[1]


@pytest.mark.parametrize(
    ("audio", "text"),
    [
        (written(speech(4)), "a word " * 860),
        (written(speech(10)), SENTENCES * 4),
        (written(speech(90)), SENTENCES * 6),
    ],
    ids=["6,000 characters for 4 s", "a page for 10 s", "90 s with all their words"],
)
async def test_words_and_sound_that_cannot_belong_together_are_refused(
    stages: FakeStages, pipeline: Pipeline, voices: VoiceLibrary, audio: bytes, text: str
) -> None:
    with pytest.raises(InvalidRequest, match="send"):
        await pipeline.add_voice("allison", audio, text)
    with pytest.raises(InvalidRequest, match="send"):
        await pipeline.open(SynthesisRequest("Hello.", references=(Reference(audio, text),)))
    assert voices.list() == [] and stages.prompts == []


async def test_a_voice_that_leaves_no_room_for_speech_is_refused(
    stages: FakeStages, pipeline: Pipeline, voices: VoiceLibrary
) -> None:
    stages.positions = 600
    with pytest.raises(TooLarge, match=r"no room for speech .* shorter recording"):
        await pipeline.add_voice("allison", SHORT.audio, SHORT.text)
    assert voices.list() == []


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_disk_registers_nothing(
    pipeline: Pipeline, voices: VoiceLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = voices._write
    monkeypatch.setattr(voices, "_write", lambda path, data: full() if path.endswith(".npy") else write(path, data))
    with pytest.raises(NoSpace, match="no space left where voices are kept"):
        await pipeline.add_voice("allison", SHORT.audio, SHORT.text)
    assert voices.list() == []


async def test_a_full_disk_keeps_no_voice_from_speaking(
    stages: FakeStages, pipeline: Pipeline, voices: VoiceLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    voices.add("allison", SHORT.audio, SHORT.text)
    monkeypatch.setattr(voices, "_write", full)
    assert (await spoken_with(stages, pipeline, voice="allison"))[1] == SHORT.text


async def test_a_references_text_has_the_limit_of_every_text(pipeline: Pipeline) -> None:
    reference = Reference(b"never read", "a" * (pipeline.limits.text_chars + 1))
    with pytest.raises(TooLarge, match=r"text has .* characters"):
        await pipeline.open(SynthesisRequest("Hello.", references=(reference,)))


async def test_notes_about_references_reach_the_headers(pipeline: Pipeline) -> None:
    speech = await pipeline.open(SynthesisRequest("Hello.", references=(Reference(recording(1.0), "a"),)))
    await speech.aclose()
    assert "only 1" in speech.headers["X-Reference-Note"]


async def test_a_recording_is_encoded_once(stages: FakeStages, pipeline: Pipeline) -> None:
    request = SynthesisRequest("Hello.", references=(SEA, Reference(SEA.audio, "other words")))
    await asyncio.gather(*(hear(pipeline, request) for _ in range(3)))
    assert stages.encodes == 1
    assert [r.text for r in stages.prompts[0].references] == ["the sea", "other words"]


async def test_a_registered_voice_never_encodes_again(
    stages: FakeStages, pipeline: Pipeline, voices: VoiceLibrary
) -> None:
    await pipeline.add_voice("sea", SEA.audio, "the sea")
    restarted = make_pipeline(stages, voices, Limits())
    await hear(restarted, SynthesisRequest("Hello.", voice="sea"))
    assert stages.encodes == 1
    assert stages.prompts[-1].references[0].text == "the sea"


async def test_a_voice_without_codes_is_encoded_once(
    stages: FakeStages, pipeline: Pipeline, voices: VoiceLibrary
) -> None:
    voices.add("sea", SEA.audio, "the sea")
    await hear(pipeline, SynthesisRequest("Hello.", voice="sea"))
    await hear(make_pipeline(stages, voices, Limits()), SynthesisRequest("Hello.", voice="sea"))
    assert stages.encodes == 1


async def test_a_bad_recording_registers_no_voice(pipeline: Pipeline, voices: VoiceLibrary) -> None:
    with pytest.raises(NotAudio):
        await pipeline.add_voice("noise", b"not audio", "words")
    assert voices.list() == []
