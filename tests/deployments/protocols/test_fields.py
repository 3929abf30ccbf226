"""Values of fields in odd but clear types are understood on every route, and what has no effect is told."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from starlette.testclient import TestClient

from deployments.protocols import fields
from tests.deployments.fakes import FakeStages
from tests.deployments.protocols.asking import FISH, OPENAI, SEA, TEXT, ask, spoken

# Types: what loses nothing is taken


@pytest.mark.parametrize("path", TEXT)
@pytest.mark.parametrize(
    ("field", "sent", "means"),
    [
        ("seed", 42.0, 42),
        ("seed", "42", 42),
        ("seed", " 42 ", 42),
        ("seed", "42.0", 42),
        ("seed", str(2**62 + 1), 2**62 + 1),
        ("temperature", "0.7", 0.7),
        ("temperature", ".7", 0.7),
        ("temperature", "7e-1", 0.7),
        ("temperature", 1, 1.0),
        ("top_p", "1", 1.0),
        ("repetition_penalty", "1.25", 1.25),
        ("max_new_tokens", "8.0", 8),
        ("max_new_tokens", 8.0, 8),
    ],
)
def test_a_number_is_taken_as_it_comes(
    client: TestClient, stages: FakeStages, path: str, field: str, sent: Any, means: float
) -> None:
    spoken(client, path, **{field: sent})
    assert getattr(stages.prompts[-1].sampling, field) == means


@pytest.mark.parametrize("path", TEXT)
@pytest.mark.parametrize("truth", ["false", "False", "FALSE", " false", False])
def test_a_truth_is_taken_as_it_comes(client: TestClient, stages: FakeStages, path: str, truth: Any) -> None:
    spoken(client, path, **{TEXT[path]: "It has 12 fish.", "normalize": truth})
    assert "12" in stages.prompts[-1].text


@pytest.mark.parametrize("path", TEXT)
@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("seed", "1.5"),
        ("seed", "0x10"),
        ("seed", "one"),
        ("seed", ""),
        ("seed", "٣٣"),  # digits of another script: which number is meant is not ours to guess
        ("seed", "9" * 5000),
        ("seed", True),
        ("seed", [1]),
        ("seed", -2),
        ("temperature", "warm"),
        ("temperature", "nan"),
        ("temperature", "inf"),
        ("temperature", "1_0"),
        ("temperature", False),
        ("normalize", "yes"),
        ("normalize", 1),
        ("chunk_length", "200.5"),
        ("chunk_length", "99"),
        ("sample_rate", "44.1k"),
    ],
)
def test_what_means_something_else_is_refused_by_name(client: TestClient, path: str, field: str, sent: Any) -> None:
    response = ask(client, path, **{field: sent})
    assert response.status_code == 400 and field in response.text


@pytest.mark.parametrize("path", TEXT)
def test_a_seed_of_minus_one_is_a_fresh_one_and_told(client: TestClient, stages: FakeStages, path: str) -> None:
    told = {spoken(client, path, seed=seed).headers["x-seed"] for seed in (-1, -1.0, "-1", None)}
    assert len(told) == 4 and {str(prompt.sampling.seed) for prompt in stages.prompts} == told


# Fields that have no effect are named


@pytest.mark.parametrize("path", TEXT)
@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, None),
        ({"latency": None}, None),
        ({"latency": "balanced"}, "latency"),
        ({"top_k": 30, "features": ["quality-guard"]}, "top_k, features"),
        ({"temprature": 0.5}, "temprature (did you mean temperature?)"),
        ({"Temperature": 0.5}, "Temperature (did you mean temperature?)"),
        ({"seeed": 0.5}, "seeed (did you mean seed?)"),
        ({"colour": "blue"}, "colour"),
        ({"早口": 1}, "??"),
        ({"a,b\r\nX-Evil": 1}, "a?b X-Evil"),
        ({"references": [{"audio": base64.b64encode(SEA).decode(), "text": "a", "txt": "b"}]}, "references.txt"),
    ],
)
def test_ignored_fields_are_named(client: TestClient, path: str, body: dict[str, Any], named: str | None) -> None:
    told = spoken(client, path, **body).headers.get("x-ignored")
    assert told == named or (named and told.startswith(named))


def test_nested_fields_query_and_unknown_models_are_named(client: TestClient) -> None:
    prosody = {"speed": 1.2, "normalize_loudness": True, "pitch": 2}
    assert spoken(client, FISH, prosody=prosody).headers["x-ignored"] == "prosody.normalize_loudness, prosody.pitch"
    assert client.post(FISH + "?streaming=true", json={"text": "Hi."}).headers["x-ignored"] == "streaming"
    assert spoken(client, OPENAI, model="tts-1").headers["x-ignored"] == "model"
    assert "x-ignored" not in spoken(client, OPENAI, model="fake").headers
    many = spoken(client, FISH, **{f"x{number}": 1 for number in range(50)}).headers["x-ignored"]
    assert many.endswith(", and 30 more") and len(many) < 300


def test_an_error_names_them_too(client: TestClient) -> None:
    response = client.post(FISH, json={"text": " ", "formt": "mp3"})
    assert response.status_code == 422 and response.headers["x-ignored"] == "formt (did you mean format?)"


def test_every_route_with_a_body_names_them(client: TestClient) -> None:
    voice = {"id": "sea", "text": "a", "audio": base64.b64encode(SEA).decode(), "title": "The sea"}
    assert client.post("/v1/references/add", json=voice).headers["x-ignored"] == "title"
    names = {"old_reference_id": "sea", "new_reference_id": "ocean", "reference_id": "x"}
    assert client.post("/v1/references/update", json=names).headers["x-ignored"].startswith("reference_id")
    inputs = [{"name": "TEXT", "datatype": "BYTES", "shape": [1], "data": ["Hi."]}]
    body = {"inputs": inputs, "parameters": {"priority": 1, "binary_data_output": False}, "raw": 1}
    told = client.post("/v2/models/fish_speech/infer", json=body).headers["x-ignored"]
    assert told == "raw, parameters.priority"


def test_a_check_outside_of_a_request_tells_what_it_ignored() -> None:
    """As a WebSocket's first message is read."""
    checked = fields.check(fields.Generation, {"seed": 1, "tempratur": 1, "prosody": {}})
    assert list(fields.ignored(checked)) == ["tempratur (did you mean temperature?)", "prosody"]
