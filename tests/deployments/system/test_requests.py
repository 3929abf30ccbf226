"""GET /system/requests: the columns of the CSV log, behind the key, without what was said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from starlette.testclient import TestClient

from deployments.ingress.asgi import create_app
from deployments.monitoring.request_log import KEPT, RequestLog, newest
from deployments.monitoring.request_rows import COLUMNS, Row
from deployments.monitoring.stats import RequestStats
from deployments.synthesis.segments import Limits
from deployments.synthesis.voices import VoiceLibrary
from deployments.system.requests import SpeechRequest
from tests.deployments.fakes import INFO, FakeStages, make_pipeline

KEY = {"authorization": "Bearer key"}


def test_it_has_the_columns_of_the_csv_log() -> None:
    assert list(SpeechRequest.model_fields) == [*COLUMNS, "ingress"]


def test_the_last_requests_the_newest_first(tmp_path: Path) -> None:
    stages, log = FakeStages(), RequestLog("test", None)

    async def rows() -> list[Row]:
        return newest([log.latest])

    pipeline = make_pipeline(stages, VoiceLibrary(str(tmp_path)), Limits(), log.record)
    with TestClient(create_app(pipeline, replace(INFO, requests=rows), ("key",))) as client:
        for number in range(3):
            body = {"text": "A secret " + "word " * number, "streaming": number == 2}
            client.post("/v1/tts", json=body, headers=KEY | {"x-request-id": f"turn-{number}"})
        client.post("/v1/tts", json={"text": " "}, headers=KEY | {"x-request-id": "turn-3"})
        assert client.get("/system/requests").status_code == 401
        answer = client.get("/system/requests", headers=KEY)
        (one,) = client.get("/system/requests?id=turn-1", headers=KEY).json()["requests"]
    told = answer.json()["requests"]
    assert [each["request_id"] for each in told] == ["turn-3", "turn-2", "turn-1", "turn-0"]
    assert [each["ended"] for each in told] == ["Unsayable", "complete", "complete", "complete"]
    assert [each["streaming"] for each in told] == [False, True, False, False]
    assert one == told[2] and one["wall_seconds"] > 0 and one["queue_seconds"] is None
    assert "secret" not in answer.text


def test_a_few_hundred_are_kept() -> None:
    log = RequestLog("test", None)
    for number in range(KEPT + 5):
        log.record(RequestStats(number, False, status=200))
    assert [log.latest[0]["text_chars"], log.latest[-1]["text_chars"]] == [5, KEPT + 4]
