"""Utterances bounded by their text: what is cut off, what is split, and how a caller hears of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from starlette.testclient import TestClient

from deployments.ingress.asgi import create_app
from deployments.monitoring.request_rows import row
from deployments.monitoring.stats import RequestStats
from deployments.synthesis import bounds
from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.script import Script
from deployments.synthesis.segments import Limits
from deployments.synthesis.sound.trimming import FADE_SECONDS, HELD_SECONDS, Tail
from deployments.synthesis.voices import VoiceLibrary
from models.text.markers import S1
from models.text.reader import Reader, ReaderOptions, Segment
from models.types import EncodedReference, Reference, Sampling, SynthesisRequest, TooLarge
from tests.deployments.fakes import FRAME, INFO, make_pipeline, recording
from tests.deployments.synthesis.telling import TellingStages

RATE = 16_000
FRAME_RATE = 50.0  # the starter's
PACE = {"en": 0.05}
UNPUNCTUATED = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey yankee zulu"
)


def script(references: tuple[EncodedReference, ...] = (), frames: int = 1024) -> Script:
    return Script(Sampling(max_new_tokens=frames), references, False, False, S1, PACE, FRAME_RATE)


def segment(text: str, language: str | None = None) -> Segment:
    reader = Reader(ReaderOptions(1000, language=language, pace=PACE), S1)
    (only,) = [*reader.feed(text), *reader.finish()]
    return only


def seconds(text: str, **voice: object) -> float:
    """The longest that an utterance of the text may get."""
    return script(**voice).prompt(segment(text), 0).sampling.max_new_tokens / FRAME_RATE


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("Hi", 1.0, 1.6),
        ("5", 1.2, 1.8),
        ("Okay.", 1.2, 1.8),
        ("How are you today?", 2.5, 3.5),
        ("4821", 2.5, 6.0),
        ("(laughing)", 4.0, 9.0),
        ("(excited) Hi!", 1.2, 3.0),
        ("你好，很高兴认识你。", 5.0, 8.0),
    ],
)
def test_an_utterance_may_take_what_its_text_needs_and_some_more(text: str, least: float, most: float) -> None:
    assert least <= seconds(text) <= most


def test_a_slow_voice_has_more_time() -> None:
    def voice(taken: float) -> tuple[EncodedReference, ...]:
        return (EncodedReference(np.zeros((8, round(taken * FRAME_RATE)), np.int16), "a" * 100),)

    usual = bounds.slowness(voice(6.0), FRAME_RATE, PACE)
    assert usual == 1.0 and seconds("How are you?", references=voice(6.0)) == seconds("How are you?")
    assert 1.9 < bounds.slowness(voice(14.0), FRAME_RATE, PACE) < 2.3
    assert seconds("How are you?", references=voice(14.0)) > 1.4 * seconds("How are you?")
    assert bounds.slowness(voice(1000.0), FRAME_RATE, PACE) == bounds.SLOWEST, "silence, or another text"


def test_the_requests_own_limit_holds() -> None:
    prompt = script(frames=8).prompt(segment("How are you today?"), 0)
    assert (prompt.sampling.max_new_tokens, prompt.needs) == (8, 8)
    assert not script(frames=8).bounded(prompt)
    assert script().bounded(script().prompt(segment("How are you today?"), 0))


def test_a_text_without_an_estimate_has_no_bound() -> None:
    assert script().prompt(Segment("Hello."), 0).sampling.max_new_tokens == 1024


@pytest.mark.parametrize("frames", [150, 250, 400, 700, 10_000])
def test_parts_need_no_more_than_there_is(frames: int) -> None:
    whole = Segment(UNPUNCTUATED, 0.7, "en", 0.05 * len(UNPUNCTUATED))
    parts = script().parts(whole, frames)
    assert " ".join(part.text for part in parts) == UNPUNCTUATED
    assert all(script().prompt(part, 0).needs <= frames for part in parts)
    assert [part.pause for part in parts] == [0.0] * (len(parts) - 1) + [0.7]
    assert (len(parts) > 1) == (frames < 700)


def test_parts_too_short_to_be_spoken_are_none() -> None:
    whole = Segment(UNPUNCTUATED, 0.7, "en", 0.05 * len(UNPUNCTUATED))
    for frames in (60, -300):
        parts = script().parts(whole, frames)
        assert min(len(part.text) for part in parts) > 10
        assert all(script().parts(part, frames) == [part] for part in parts)


@pytest.fixture
def told() -> list[RequestStats]:
    return []


@pytest.fixture
def make(tmp_path, told: list[RequestStats]) -> Callable[[TellingStages], Pipeline]:
    def pipeline(stages: TellingStages) -> Pipeline:
        return make_pipeline(stages, VoiceLibrary(str(tmp_path)), Limits(), told.append)

    return pipeline


async def test_babble_is_cut_where_it_is_quietest_and_told(
    make: Callable[[TellingStages], Pipeline], told: list[RequestStats]
) -> None:
    stages = TellingStages(babbling={"Bye."})
    speech = await make(stages).open(SynthesisRequest("Bye."))
    heard = np.concatenate([block async for block in speech.blocks()])
    longest = stages.prompts[0].sampling.max_new_tokens * FRAME
    assert longest - HELD_SECONDS * stages.sample_rate <= len(heard) < longest < 2.5 * stages.sample_rate
    assert abs(heard[-1]) < 1e-3, "faded"
    assert speech.ended == "limit" and told[0].reached_limit and row(told[0], "")["ended"] == "limit"


async def test_an_end_that_the_request_asked_for_is_to_the_frame(make: Callable[[TellingStages], Pipeline]) -> None:
    stages = TellingStages()
    speech = await make(stages).open(SynthesisRequest("How are you today?", sampling=Sampling(max_new_tokens=7)))
    assert sum([len(block) async for block in speech.blocks()]) == 7 * FRAME
    assert speech.ended == "limit"


async def test_what_ends_by_itself_is_whole(make: Callable[[TellingStages], Pipeline]) -> None:
    text = "How are you today?"
    speech = await make(TellingStages()).open(SynthesisRequest(text))
    assert sum([len(block) async for block in speech.blocks()]) == len(text) * FRAME
    assert speech.ended == "complete"


@pytest.mark.parametrize("positions", [330, 380, 450, 600])
async def test_segments_without_room_are_said_in_parts(
    make: Callable[[TellingStages], Pipeline], positions: int
) -> None:
    """A reference of 4.2 s takes 97 positions."""
    text = f"{UNPUNCTUATED} {UNPUNCTUATED} {UNPUNCTUATED}"
    stages = TellingStages(positions=positions)
    stages.frame_rate = FRAME_RATE  # what is left then goes less far
    request = SynthesisRequest(
        text,
        references=(Reference(recording(), "The sea and all of its fish were quiet on that day."),),
        normalize=False,
    )
    speech = await make(stages).open(request)
    assert sum([len(block) async for block in speech.blocks()]) > 0
    assert re.findall(r"\w+", " ".join(each.text for each in speech.segments)) == re.findall(r"\w+", text)
    assert speech.ended == "complete" and stages.active == 0


async def test_no_room_at_all_is_a_refusal(make: Callable[[TellingStages], Pipeline]) -> None:
    stages = TellingStages(positions=140)
    with pytest.raises(TooLarge, match="room for"):
        await make(stages).open(
            SynthesisRequest(
                UNPUNCTUATED,
                references=(Reference(recording(), "The sea and all of its fish were quiet on that day."),),
            )
        )
    assert stages.active == 0 and not stages.prompts


def test_an_end_at_a_limit_reaches_the_client(make: Callable[[TellingStages], Pipeline]) -> None:
    with TestClient(create_app(make(TellingStages(babbling={"Bye."})), INFO)) as client:
        whole = client.post("/v1/tts", json={"text": "Bye."})
        assert whole.headers["X-Ended"] == "limit"
        assert "X-Ended" not in client.post("/v1/tts", json={"text": "Hello."}).headers
        asked = {"input": "Bye.", "stream_format": "sse"}
        assert '"ended": "limit"' in client.post("/v1/audio/speech", json=asked).text
        assert '"ended": "complete"' in client.post("/v1/audio/speech", json=asked | {"input": "Hello."}).text


def feed(tail: Tail, pcm: np.ndarray, block: int) -> np.ndarray:
    return np.concatenate([tail.feed(pcm[at : at + block]) for at in range(0, len(pcm), block)])


@pytest.mark.parametrize("block", [320, 1500, 8000])
def test_a_tail_is_held_until_the_end_is_known(block: int) -> None:
    pcm = np.random.default_rng(1).uniform(-0.5, 0.5, 2 * RATE).astype(np.float32)
    tail = Tail(2.0, RATE)
    heard = feed(tail, pcm, block)
    assert 2.0 - HELD_SECONDS - block / RATE <= len(heard) / RATE <= 2.0 - HELD_SECONDS
    np.testing.assert_array_equal(np.concatenate([heard, tail.rest(cut=False)]), pcm)


@pytest.mark.parametrize("quiet", [1.5, 1.6, 1.8, 1.95])
def test_a_cut_is_made_in_the_quiet(quiet: float) -> None:
    pcm = np.random.default_rng(1).uniform(-0.5, 0.5, 2 * RATE).astype(np.float32)
    pcm[int((quiet - 0.02) * RATE) : int((quiet + 0.02) * RATE)] *= 0.01
    tail = Tail(2.0, RATE)
    heard = np.concatenate([feed(tail, pcm, 400), tail.rest(cut=True)])
    assert len(heard) / RATE == pytest.approx(quiet, abs=0.02)
    np.testing.assert_array_equal(heard[: -round(FADE_SECONDS * RATE)], pcm[: len(heard) - round(FADE_SECONDS * RATE)])


def test_an_utterance_shorter_than_what_would_be_held() -> None:
    tail = Tail(0.3, RATE)
    assert not len(tail.feed(np.ones(10, np.float32)))
    assert len(tail.rest(cut=True)) <= 10
    assert len(Tail(0.3, RATE).rest(cut=True)) == 0


def test_a_stage_that_goes_on_past_its_limit_is_heard_and_nothing_piles_up() -> None:
    tail, block = Tail(1.0, RATE), np.ones(RATE // 10, np.float32)
    heard = [len(tail.feed(block)) for _ in range(30)]
    assert sum(heard) == 30 * len(block) and max(heard) <= 2 * HELD_SECONDS * RATE + 2 * len(block)
    assert len(tail.rest(cut=True)) == 0
