"""A request's figures: by the clock, from the stages, as a row, and never 0 where they are unknown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest

from deployments.monitoring.request_rows import COLUMNS, row
from deployments.monitoring.stats import Generated, Origin, Playback, RequestStats, RequestWatch, SegmentStats, Use
from deployments.synthesis.pipeline import Pipeline
from deployments.synthesis.segments import Limits
from deployments.synthesis.speech import Speech
from deployments.synthesis.voices import VoiceLibrary
from models.types import Busy, Finished, Prompt, Reference, SynthesisRequest
from tests.deployments.fakes import FRAME, FakeStages, make_pipeline, recording

ORIGIN = Origin("replica-1", "gpu-tier", "cuda", "bf16", "none", True)


def segment(frames: int = 40, steps: int = 40, **known: object) -> SegmentStats:
    use = Use(cpu=50.0, gpu_mean=None, gpu_peak=None, vram_peak=None, rss=10**9)
    width = 2.0 if steps else None
    finished = Finished(frames, False, 0.25, 2.0, 100, 60, steps, 1.6 if steps else 0.0, width)
    return SegmentStats(Generated(finished, 5 * 10**8, known.get("use", use)), "cpu", (10, frames), 0.5, 1.5)


class ToldStages(FakeStages):
    """Stages that also tell where segments come from and how they were made."""

    async def speak(self, prompt: Prompt, within: float = 0.0) -> AsyncGenerator:
        yield ORIGIN
        frames = 0
        async for block in super().speak(prompt):
            frames += len(block) // FRAME
            yield block
        yield segment(frames)


@pytest.fixture
def told() -> list[RequestStats]:
    return []


@pytest.fixture
def pipeline(tmp_path: Path, told: list[RequestStats]) -> Pipeline:
    return make_pipeline(ToldStages(), VoiceLibrary(str(tmp_path)), Limits(), told.append)


async def listen(pipeline: Pipeline, request: SynthesisRequest) -> Speech:
    speech = await pipeline.open(request)
    async for _ in speech.blocks():
        pass
    return speech


def test_a_listener_hears_silence_between_what_comes_late() -> None:
    playback = Playback()
    for now, seconds in ((5.0, 0.5), (5.2, 0.5), (6.5, 1.0), (7.5, 1.0)):
        playback.heard(now, seconds)
    assert playback.silence == pytest.approx(0.5)
    assert playback.late_blocks == 1


def test_a_listener_who_takes_their_time_hears_no_silence_of_ours() -> None:
    playback = Playback()
    playback.heard(1.0, 0.5)
    playback.heard(9.0, 0.5, asked=9.0)
    assert (playback.silence, playback.late_blocks) == (0.0, 0)
    playback.heard(10.0, 0.5, asked=9.6)
    assert playback.silence == pytest.approx(0.4)


async def test_a_request_fills_its_figures_on_its_way(pipeline: Pipeline, told: list[RequestStats]) -> None:
    text = " ".join(f"Sentence number {i} is about the sea." for i in range(12))
    request = SynthesisRequest(text, references=(Reference(recording(), "the sea"),), streaming=True, normalize=False)
    speech = await listen(pipeline, request)
    (stats,) = told
    assert (stats.error, stats.status, stats.text_chars, stats.streaming) == (None, 200, len(text), True)
    assert stats.segments == len(stats.ended) > 1
    frames = sum(each.codes_shape[1] for each in stats.ended)
    assert stats.audio_seconds == pytest.approx(frames * FRAME / 44100) == pytest.approx(speech.samples / 44100)
    assert 0 < stats.encode_seconds < stats.ttfa_seconds < stats.wall_seconds
    assert stats.rtf == stats.wall_seconds / stats.audio_seconds
    assert stats.reference_seconds == pytest.approx(4.2, abs=0.1), "and a rest behind it"
    assert stats.underrun_seconds is not None
    assert speech.headers["X-Device"] == "cuda" and speech.headers["X-Precision"] == "bf16"
    assert pipeline.running == 0


async def test_what_a_request_has_not_is_none(pipeline: Pipeline, told: list[RequestStats]) -> None:
    await pipeline.add_voice("sea", recording(), "the sea")
    await listen(pipeline, SynthesisRequest("Hello.", voice="sea"))
    await listen(pipeline, SynthesisRequest("Hello."))
    registered, voiceless = told
    assert registered.encode_seconds is None, "its codes were stored"
    assert registered.reference_seconds == pytest.approx(4.2, abs=0.1)
    assert voiceless.reference_seconds is None
    assert voiceless.underrun_seconds is None, "a whole answer is heard only when it is there"


async def test_failures_and_departures_are_told_once(pipeline: Pipeline, told: list[RequestStats]) -> None:
    pipeline.stages.fail = Busy("full")
    for text in ("Hello.", " "):
        with pytest.raises(Exception, match=r"full|nothing"):
            await pipeline.open(SynthesisRequest(text))
    pipeline.stages.fail, pipeline.stages.fail_after = RuntimeError("died"), 1
    with pytest.raises(RuntimeError):
        await listen(pipeline, SynthesisRequest("Hello there, all of you who swim along."))
    pipeline.stages.fail, pipeline.stages.endless = None, True
    speech = await pipeline.open(SynthesisRequest("Endless."))
    assert pipeline.running == 1
    await speech.aclose()
    await speech.aclose()
    pipeline.stages.block_seconds = 60
    opening = asyncio.create_task(pipeline.open(SynthesisRequest("Endless.")))
    async with asyncio.timeout(5):
        while not pipeline.stages.active:
            await asyncio.sleep(0.001)
    opening.cancel()
    await asyncio.wait([opening])
    assert [(stats.error, stats.status) for stats in told] == [
        ("Busy", 429),
        ("Unsayable", 422),
        ("RuntimeError", 500),
        ("Gone", 499),
        ("Gone", 499),
    ]
    assert [stats.audio_seconds is None for stats in told] == [True, True, False, False, True]
    assert pipeline.running == 0


async def test_stages_that_tell_nothing_leave_figures_unknown(tmp_path: Path, told: list[RequestStats]) -> None:
    pipeline = make_pipeline(FakeStages(), VoiceLibrary(str(tmp_path)), Limits(), told.append)
    speech = await listen(pipeline, SynthesisRequest("Hello."))
    cells = row(told[0], "test")
    assert "X-Precision" not in speech.headers
    assert cells["frames"] is cells["queue_seconds"] is cells["rss_bytes"] is cells["device"] is None
    assert cells["rtf"] > 0


def test_a_row_adds_up_over_segments() -> None:
    stats = RequestStats(50, False, segments=2, wall_seconds=3.0, audio_seconds=4.0, status=200, origin=ORIGIN)
    busy = Use(cpu=80.0, gpu_mean=40.0, gpu_peak=90.0, vram_peak=7, rss=2 * 10**9)
    stats.ended = [segment(40), segment(60, steps=60, use=busy)]
    cells = row(stats, "tier")
    assert list(cells) == COLUMNS
    assert (cells["frames"], cells["codes_shape"], cells["decode_steps"]) == (100, "10x100", 100)
    assert (cells["rtf"], cells["queue_seconds"], cells["frames_per_second"]) == (0.75, 0.25, 25.0)
    assert cells["weights_gb_per_second"] == pytest.approx(100 * 0.5 / 3.2)
    assert cells["cpu_percent"] == pytest.approx(65.0)
    assert (cells["gpu_mean_percent"], cells["gpu_peak_percent"], cells["vram_peak_bytes"]) == (40.0, 90.0, 7)
    assert cells["tier"] == "gpu-tier"
    assert (cells["rss_bytes"], cells["device"], cells["compile"]) == (2 * 10**9, "cuda", "true")


def test_rates_of_no_work_are_unknown() -> None:
    stats = RequestStats(1, False, segments=1, wall_seconds=1.0, audio_seconds=0.1, status=200)
    stats.ended = [segment(1, steps=0)]
    cells = row(stats, "tier")
    assert cells["decode_steps_per_second"] is cells["weights_gb_per_second"] is cells["batch_width"] is None
    assert cells["frames"] == 1


def test_a_failed_request_has_its_kind_and_no_figures_of_stages() -> None:
    stats = RequestStats(9, True, segments=2, status=503, error="NotReady", ended=[segment()])
    cells = row(stats, "tier")
    assert (cells["error"], cells["status"]) == ("NotReady", 503)
    assert all(cells[name] is None for name in ("frames", "queue_seconds", "rtf", "cpu_percent", "codes_shape"))


def test_only_the_first_end_counts(told: list[RequestStats]) -> None:
    watch = RequestWatch(RequestStats(1, True), told.append)
    watch.heard(0.5)
    watch.end()
    watch.end(Busy("late"))
    assert [stats.error for stats in told] == [None]
    assert np.isfinite(told[0].rtf)
