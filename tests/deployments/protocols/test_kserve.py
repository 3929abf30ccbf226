from __future__ import annotations

import base64
import gzip
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from deployments.ingress.asgi import create_app
from deployments.synthesis.voices import VoiceLibrary
from tests.deployments.fakes import INFO, FakeStages, make_pipeline
from tests.paths import RECORDINGS

VOICE = RECORDINGS / "june-fr.wav"
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


def test_the_configuration_is_that_of_the_plan(tmp_path: Path):
    decoder = INFO.models["vq_decoder"].planned(slots=3, device="cuda", replicas=2)
    info = replace(INFO, models={**INFO.models, "vq_decoder": decoder})
    with TestClient(create_app(make_pipeline(FakeStages(), VoiceLibrary(str(tmp_path))), info)) as client:
        config = client.get("/v2/models/vq_decoder/config").json()
        assert config["max_batch_size"] == 3 and config["instance_group"] == [{"kind": "KIND_GPU", "count": 2}]
        assert client.get("/v2/models/text_to_semantic/config").json()["instance_group"][0]["kind"] == "KIND_AUTO"


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/v2/models/bert", 404, "fish_speech"),
        ("GET", "/v2/models/fish_speech/versions/2", 404, "version 1"),
        ("POST", "/v2/models/fish_speech/infer", 400, "no inference request"),
        ("POST", "/v2/models/vq_decoder/infer", 400, "infer that"),
        ("POST", "/v2/models/bert/infer", 404, "bert"),
        ("GET", "/v2/nothing", 404, "/v2/nothing"),
    ],
)
def test_errors_have_kserves_form(client: TestClient, method, path, status, says):
    response = client.request(method, path)
    assert response.status_code == status
    assert set(response.json()) == {"error"}
    assert says in response.json()["error"]


def words(name: str, *values: object, datatype: str = "BYTES", **more: object) -> dict:
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": list(values)} | more


def test_infer_speaks_in_json(client: TestClient, stages: FakeStages):
    body = {"id": "7", "inputs": [words("TEXT", "Hello."), words("SEED", 5, datatype="INT64")]}
    response = client.post("/v2/models/fish_speech/versions/1/infer", json=body)
    said = response.json()
    assert (said["model_name"], said["id"]) == ("fish_speech", "7") and response.headers["X-Seed"] == "5"
    assert said["parameters"] == {"sample_rate": stages.sample_rate, "seed": 5}
    (output,) = said["outputs"]
    assert output["shape"] == [len(output["data"])] and max(output["data"]) > 0.1
    assert stages.prompts[0].sampling.seed == 5


def test_infer_takes_a_recording_in_base64(client: TestClient, stages: FakeStages):
    audio = base64.b64encode(VOICE.read_bytes()).decode()
    inputs = [words("TEXT", "Hi."), words("REFERENCE_AUDIO", audio), words("REFERENCE_TEXT", "One fish.")]
    assert client.post("/v2/models/fish_speech/infer", json={"inputs": inputs}).status_code == 200
    assert stages.prompts[0].references[0].text == "One fish."


def test_infer_takes_nested_data_and_empty_optional_inputs(client: TestClient, stages: FakeStages):
    nested = {"name": "TEXT", "datatype": "BYTES", "shape": [1, 1], "data": [["Hi."]]}
    empty = [words("VOICE", ""), words("REFERENCE_AUDIO", ""), words("REFERENCE_TEXT", "")]
    response = client.post("/v2/models/fish_speech/infer", json={"inputs": [nested, *empty]})
    assert response.status_code == 200, response.text
    assert stages.prompts[0].references == ()


def test_four_bytes_of_a_bound_are_within_it(client: TestClient, stages: FakeStages):
    size = {"parameters": {"binary_data_size": 4}}
    penalty = {"name": "REPETITION_PENALTY", "datatype": "FP32", "shape": [1], **size}
    head = json.dumps({"inputs": [words("TEXT", "Hi."), penalty]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    body = head + struct.pack("<f", 0.9)
    assert client.post("/v2/models/fish_speech/infer", content=body, headers=headers).status_code == 200
    assert stages.prompts[0].sampling.repetition_penalty == 0.9


@pytest.mark.parametrize(("datatype", "data"), [("FP32", bytes(2**24)), ("BYTES", bytes(2**24))])
def test_millions_of_values_are_refused_before_they_are_read(client: TestClient, datatype: str, data: bytes):
    name = "TEMPERATURE" if datatype == "FP32" else "VOICE"
    many = {"name": name, "datatype": datatype, "shape": [1], "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [words("TEXT", "Hi."), many]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = client.post("/v2/models/fish_speech/infer", content=head + data, headers=headers)
    assert response.status_code == 400 and "takes one value" in response.json()["error"]


@pytest.mark.parametrize(
    ("encoding", "pack", "status", "says"),
    [
        ("gzip", gzip.compress, 200, "PCM"),
        ("deflate", zlib.compress, 200, "PCM"),
        ("identity", bytes, 200, "PCM"),
        ("gzip", bytes, 400, "not gzip"),
        ("br", bytes, 415, "br"),
        ("gzip", lambda body: gzip.compress(body + b" " * 2**27), 413, "over the limit"),
    ],
)
def test_compressed_bodies(client: TestClient, encoding: str, pack, status: int, says: str):
    body = pack(json.dumps({"inputs": [words("TEXT", "Hi.")]}).encode())
    response = client.post("/v2/models/fish_speech/infer", content=body, headers={"content-encoding": encoding})
    assert response.status_code == status and says in response.text


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([], "text"),
        ([words("TEXT", "a", "b")], "takes one value"),
        ([words("TXT", "a")], "did you mean 'TEXT'"),
        ([words("TEXT", "a", datatype="INT32")], "TEXT is BYTES, not INT32"),
        ([words("TEXT", "a", parameters={"binary_data_size": 9})], "ends before its 9 bytes"),
        ([words("TEXT", "a"), words("REFERENCE_TEXT", "b")], "REFERENCE_AUDIO needs"),
        ([words("TEXT", "a"), words("TEMPERATURE", 7.0, datatype="FP32")], "temperature"),
        ([words("TEXT", "a"), words("VOICE", "nobody")], "no voice 'nobody'"),
    ],
)
def test_what_cannot_be_inferred_is_named(client: TestClient, inputs: list, says: str):
    response = client.post("/v2/models/fish_speech/infer", json={"inputs": inputs})
    assert response.status_code in (400, 404) and says in response.json()["error"]


@pytest.mark.parametrize("length", ["-1", "9999", "x"])
def test_a_header_that_lies_about_the_body_is_refused(client: TestClient, length: str):
    headers = {"Inference-Header-Content-Length": length}
    response = client.post("/v2/models/fish_speech/infer", json={"inputs": [words("TEXT", "a")]}, headers=headers)
    assert response.status_code == 400 and "no inference request" in response.json()["error"]
