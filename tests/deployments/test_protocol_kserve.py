from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from deployments.ingress import create_app
from deployments.voices import VoiceLibrary
from tests.deployments.fakes import INFO, FakeStages, make_pipeline

MODELS = {"reference_encoder", "text_to_semantic", "vq_decoder", "fish_speech"}


@pytest.fixture
def half_ready(tmp_path: Path):
    async def ready() -> dict[str, bool]:
        return {"vq_decoder": False, "reference_encoder": True}

    pipeline = make_pipeline(FakeStages(), VoiceLibrary(str(tmp_path)))
    with TestClient(create_app(pipeline, replace(INFO, ready=ready))) as client:
        yield client


def test_health_and_server_metadata(client: TestClient):
    assert client.get("/v2/health/live").status_code == 200
    assert client.get("/v2/health/ready").status_code == 200
    assert client.get("/v2").json()["name"] == "shoal"


def test_readiness_follows_the_stages(half_ready: TestClient):
    assert half_ready.get("/v2/health/live").status_code == 200
    for path in ("/v2/health/ready", "/health", "/v2/models/vq_decoder/ready", "/v2/models/fish_speech/ready"):
        assert half_ready.get(path).status_code == 503, path
    assert half_ready.get("/v2/models/reference_encoder/ready").status_code == 200
    states = {row["name"]: row["state"] for row in half_ready.post("/v2/repository/index").json()}
    assert states["vq_decoder"] == states["fish_speech"] == "UNAVAILABLE"
    assert states["reference_encoder"] == "READY"


def test_every_model_is_described(client: TestClient):
    assert {row["name"] for row in client.post("/v2/repository/index").json()} == MODELS
    for name in MODELS:
        for path in (f"/v2/models/{name}", f"/v2/models/{name}/versions/1"):
            metadata, config = client.get(path).json(), client.get(f"{path}/config").json()
            assert metadata["name"] == config["name"] == name
            assert {t["name"] for t in metadata["inputs"]} == {t["name"] for t in config["input"]}
            assert client.get(f"{path}/ready").status_code == 200


def test_the_ensemble_names_its_steps(client: TestClient):
    config = client.get("/v2/models/fish_speech/config").json()
    steps = [step["model_name"] for step in config["ensemble_scheduling"]["step"]]
    assert steps == ["reference_encoder", "text_to_semantic", "vq_decoder"]
    assert config["platform"] == "ensemble"


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/v2/models/bert", 404, "fish_speech"),
        ("GET", "/v2/models/fish_speech/versions/2", 404, "version 1"),
        ("POST", "/v2/models/fish_speech/infer", 501, "/v1/tts"),
        ("POST", "/v2/models/bert/infer", 404, "bert"),
        ("GET", "/v2/nothing", 404, "/v2/nothing"),
    ],
)
def test_errors_have_kserves_form(client: TestClient, method, path, status, says):
    response = client.request(method, path)
    assert response.status_code == status
    assert set(response.json()) == {"error"}
    assert says in response.json()["error"]
