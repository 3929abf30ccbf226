"""The load test: its figures by hand, and as a process against a server that is fast, full or gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.types import Busy
from shoal.bench.figures import Heard, percentile, playback, summary
from tests.deployments.fakes import FakeStages, make_app, serving
from tests.shoal.command import sentence, shoal
from tests.shoal.conftest import Run

# Blocks of a stream as (when it came, seconds of audio), and (silence heard, in how many places).
STREAMS = {
    "all at once": ([(0.5, 3.0)], (0.0, 0)),
    "ahead of the player": ([(0.5, 1.0), (1.0, 1.0), (1.5, 1.0)], (0.0, 0)),
    "just in time": ([(0.5, 1.0), (1.5, 1.0), (2.5, 1.0)], (0.0, 0)),
    "late once": ([(0.5, 1.0), (2.0, 1.0), (2.5, 1.0)], (0.5, 1)),
    "slower than speech": ([(0.0, 1.0), (2.0, 1.0), (4.0, 1.0)], (2.0, 2)),
    "nothing": ([], (0.0, 0)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_what_a_listener_hears(name: str) -> None:
    arrivals, heard = STREAMS[name]
    assert playback(arrivals) == pytest.approx(heard)


def test_a_phase_counts_everyone_once() -> None:
    well = Heard(200, first_audio=0.2, seconds=1.0, audio=2.0, whole=True)
    late = Heard(200, first_audio=1.5, seconds=2.0, audio=2.0, whole=True)
    stalled = Heard(200, first_audio=0.3, seconds=3.0, audio=2.0, stalled=0.5, underruns=2, whole=True)
    heard = [well, well, late, stalled, Heard(429), Heard(503), Heard(500), Heard(None, error="gone"), Heard(200)]
    found = summary(2.0, 4.0, heard, slo=1.0)
    assert (found.requests, found.answered, found.refused, found.failed) == (9, 4, 2, 3)
    assert found.goodput == 0.5 and found.underruns == 1 and found.stalled_seconds == 0.5
    assert (found.first_audio_p50, found.first_audio_p95, found.rtf_p50) == (0.2, 1.5, 0.5)
    assert percentile([], 50) is None


def test_rising_rates_as_a_table_and_as_json(run: Run, tmp_path: Path) -> None:
    done = run("bench", "--rates", "4,8", "--seconds", "1")
    assert done.returncode == 0 and "goodput" in done.stdout.decode()
    plot = tmp_path / "load.svg"
    told = json.loads(run("bench", "--rates", "20", "--seconds", "1", "--json", "--plot", str(plot)).stdout)
    (phase,) = told["phases"]
    assert phase["answered"] == phase["requests"] > 5
    assert phase["rtf_p50"] < 1 and phase["failed"] == 0
    assert "<svg" in plot.read_text()[:500]


def test_a_full_server_refuses_and_the_doubling_ends(tmp_path: Path) -> None:
    class Full(FakeStages):
        async def speak(self, prompt, within=0.0):
            if len(self.prompts) > 1:  # the first request speaks, and one more
                raise Busy("all slots are taken")
            async for block in super().speak(prompt):
                yield block

    with serving(make_app(Full(), str(tmp_path / "voices"))) as address:
        told = json.loads(shoal("bench", "--seconds", "1", "--json", variables={"SHOAL_URL": address}).stdout)
    last = told["phases"][-1]
    assert len(told["phases"]) <= 2 and last["goodput"] == 0
    assert last["refused"] == last["requests"] > 0 and last["failed"] == 0


def test_mistakes_are_told(run: Run, tmp_path: Path) -> None:
    assert "--rates are numbers above 0" in sentence(run("bench", "--rates", "1,fast"), 2)
    assert "holds no text" in sentence(run("bench", "--texts", "/dev/null"), 2)
    assert "does not speak: 404" in sentence(run("bench", "--server", f"{_address(run)}/elsewhere"), 4)
    gone = shoal("bench", variables={"SHOAL_URL": "http://127.0.0.1:9"})
    assert "http://127.0.0.1:9 does not speak" in sentence(gone, 3)


def _address(run: Run) -> str:
    return str(run.keywords["variables"]["SHOAL_URL"])  # type: ignore[attr-defined]
