"""POST /estimate-memory, over an engine whose figures are given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cluster.machine.memory import Costs, claim
from deployments.ingress.asgi import create_app
from deployments.synthesis.voices import VoiceLibrary
from tests.deployments.fakes import INFO, FakeStages, make_pipeline

S1_MINI = {"kv_bytes_per_position": 115_200, "positions": 2048, "memory_claimable": 3 * 10**9}


def client(folder: Path, *engines: dict) -> TestClient:
    async def stats() -> list[dict]:
        return list(engines)

    pipeline = make_pipeline(FakeStages(), VoiceLibrary(str(folder)))
    return TestClient(create_app(pipeline, replace(INFO, engines=stats)))


@pytest.fixture
def http(tmp_path: Path) -> TestClient:
    return client(tmp_path, S1_MINI)


def test_a_sentence_is_safe_and_the_parts_add_up(http: TestClient) -> None:
    got = http.post("/estimate-memory", json={"text": "Hello there.", "reference_seconds": 10}).json()
    assert got["estimate"] == got["cache"] + got["voice_prefix"] + got["audio"]
    assert 0.14e9 < got["cache"] < 0.16e9, "215 frames of voice, its words, and 1,024 new frames"
    assert got["safe"] and got["available"] == 3 * 10**9 and got["safe_limit"] == 2_400_000_000
    assert got["recommended_text_length"] == 1000, "all that the tier allows"


def test_what_does_not_fit_is_unsafe_and_the_recommended_length_is_not(tmp_path: Path) -> None:
    http = client(tmp_path, S1_MINI | {"memory_claimable": 450_000_000})
    long = http.post("/estimate-memory", json={"text_length": 1000}).json()
    assert not long["safe"]
    advised = long["recommended_text_length"]
    assert 0 < advised < 1000
    assert http.post("/estimate-memory", json={"text_length": advised}).json()["safe"]
    assert not http.post("/estimate-memory", json={"text_length": advised + 1}).json()["safe"]


def test_a_chunk_length_beyond_a_segment_changes_nothing(tmp_path: Path) -> None:
    http = client(tmp_path, S1_MINI | {"memory_claimable": 10**10})
    asked = [{"text_length": 1000, "chunk_length": length} for length in (300, 1000)]
    assert len({http.post("/estimate-memory", json=body).json()["estimate"] for body in asked}) == 1
    unlimited = {"text": "Hi.", "max_new_tokens": 0}
    assert http.post("/estimate-memory", json=unlimited).json()["cache"] == -(-2048 * 115_200 // 2**21) * 2**21


def test_nothing_fits_where_nothing_is_free(tmp_path: Path) -> None:
    got = client(tmp_path, S1_MINI | {"memory_claimable": -5}).post("/estimate-memory", json={"text_length": 1}).json()
    assert (got["available"], got["safe"], got["recommended_text_length"]) == (0, False, 0)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "a", "text_length": 1},
        {"text_length": -1},
        {"text_length": 10**400},
        {"text": "a", "reference_seconds": -1},
        {"text": 5},
    ],
)
def test_bad_questions_are_refused(http: TestClient, body: dict) -> None:
    assert http.post("/estimate-memory", json=body).status_code == 400


def test_without_an_engine_the_answer_is_not_ready(tmp_path: Path) -> None:
    assert client(tmp_path).post("/estimate-memory", json={"text": "a"}).status_code == 503


def test_a_claim_grows_with_every_part_and_streaming_holds_no_audio() -> None:
    costs = Costs(115_200, 2048, 21.5, 44_100, segments=4)
    base = {"text_chars": 400, "chunk_chars": 200, "reference_seconds": 5, "max_new_tokens": 200, "streaming": False}
    whole = claim(costs, **base)
    for more in ({"text_chars": 900}, {"reference_seconds": 30}, {"max_new_tokens": 1024}):
        assert claim(costs, **base | more).total > whole.total
    assert claim(costs, **base | {"streaming": True}).audio == 0
    assert claim(costs, **base | {"max_new_tokens": 10**6}).cache == 2 * 113 * 2**21
