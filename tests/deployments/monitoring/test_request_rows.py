"""How a finished request is told: by the access log's figures, and by how it ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.monitoring.request_log import newest
from deployments.monitoring.request_rows import brief, row
from deployments.monitoring.stats import RequestStats, current_trace, traced
from tests.deployments.monitoring.test_stats import ORIGIN, segment

SPOKEN = RequestStats(
    text_chars=52,
    streaming=True,
    segments=2,
    encode_seconds=0.3104,
    ttfa_seconds=0.4,
    wall_seconds=4.5,
    audio_seconds=3.2,
    origin=ORIGIN,
    pool="gpu",
    ended=[segment(), segment()],
    status=200,
)


def at_its_limit() -> RequestStats:
    last = segment()
    finished = replace(last.generated.finished, reached_limit=True)
    return replace(SPOKEN, ended=[segment(), replace(last, generated=replace(last.generated, finished=finished))])


@pytest.mark.parametrize(
    ("requests", "told"),
    [
        ([], ""),
        (
            [SPOKEN],
            "chars=52 audio=3.200 queue=0.250 encode=0.310 first=0.400 generate=4.000 decode=1.000 total=4.500 "
            "pool=gpu replica=replica-1 ended=complete",
        ),
        ([RequestStats(7, False, status=429, error="Busy", wall_seconds=0.01)], "chars=7 total=0.010 ended=Busy"),
        ([RequestStats(7, False, pool="cpu")], "chars=7 pool=cpu"),  # still under way
        (
            [SPOKEN, replace(SPOKEN, text_chars=8, ttfa_seconds=0.9, encode_seconds=None)],
            "requests=2 chars=60 audio=6.400 queue=0.250 encode=0.310 first=0.900 generate=8.000 decode=2.000 "
            "total=9.000 pool=gpu replica=replica-1 ended=complete",
        ),
    ],
)
def test_the_access_log_tells_what_is_known(requests: list[RequestStats], told: str) -> None:
    assert " ".join(brief(requests)) == told


def test_a_row_says_how_the_speech_ended() -> None:
    assert row(SPOKEN, "")["ended"] == "complete"
    assert row(at_its_limit(), "")["ended"] == "limit"
    assert row(replace(SPOKEN, error="Gone", status=499), "")["ended"] == "Gone"


def test_requests_belong_to_the_connection_they_came_over() -> None:
    with traced("turn-1") as trace:
        assert current_trace() is trace
        assert RequestStats(1, True).request_id == "turn-1"
        with traced("turn-2"):
            assert RequestStats(1, True).request_id == "turn-2"
        assert current_trace() is trace
    assert RequestStats(1, True).request_id not in ("turn-1", "turn-2", "")


def test_the_newest_of_several_logs_come_first() -> None:
    logs = [[{"time": f"2026-01-0{day}"} for day in days] for days in ((1, 3), (2, 4), ())]
    assert [each["time"][-1] for each in newest(logs, 3)] == ["4", "3", "2"]
