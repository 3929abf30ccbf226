"""The real tritonclient over HTTP: health, metadata, configuration and inference."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException

from tests.paths import RECORDINGS

VOICE = RECORDINGS / "june-fr.wav"
MODELS = ["reference_encoder", "text_to_semantic", "vq_decoder", "fish_speech"]


@pytest.fixture
def client(server: str):
    with tritonclient.http.InferenceServerClient(server.removeprefix("http://")) as client:
        yield client


def test_the_server(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["name"] == "shoal"
    assert sorted(row["name"] for row in client.get_model_repository_index()) == sorted(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_model(client, name: str):
    assert client.is_model_ready(name)
    assert client.is_model_ready(name, "1")
    metadata, config = client.get_model_metadata(name), client.get_model_config(name)
    assert metadata["name"] == config["name"] == name
    assert [t["name"] for t in metadata["outputs"]] == [t["name"] for t in config["output"]]


def test_what_is_not_there(client):
    assert not client.is_model_ready("bert")
    with pytest.raises(InferenceServerException, match="bert"):
        client.get_model_metadata("bert")


def given(name: str, value: object, datatype: str = "BYTES", kind: type = np.object_) -> tritonclient.http.InferInput:
    tensor = tritonclient.http.InferInput(name, [1], datatype)
    tensor.set_data_from_numpy(np.array([value], kind))
    return tensor


@pytest.mark.parametrize("binary", [True, False])
def test_infer(client, binary: bool):
    inputs = [given("TEXT", b"One fish, two fish."), given("SEED", 3, "INT64", np.int64)]
    inputs += [given("MAX_NEW_TOKENS", 12, "INT32", np.int32), given("TEMPERATURE", 0.7, "FP32", np.float32)]
    inputs += [given("REFERENCE_AUDIO", VOICE.read_bytes()), given("REFERENCE_TEXT", "Félicitations !".encode())]
    pcm = tritonclient.http.InferRequestedOutput("PCM", binary_data=binary)
    said = [client.infer("fish_speech", inputs, outputs=outputs, request_id="a") for outputs in ([pcm], None)]
    assert said[0].get_response()["parameters"]["sample_rate"] > 0 and said[0].get_response()["id"] == "a"
    assert said[0].as_numpy("PCM").dtype == np.float32 and np.abs(said[0].as_numpy("PCM")).max() > 0
    assert np.array_equal(said[0].as_numpy("PCM"), said[1].as_numpy("PCM")), "the same request, the same sound"


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(client, algorithm: str):
    inputs = [given("TEXT", b"One fish."), given("MAX_NEW_TOKENS", 12, "INT32", np.int32)]
    said = client.infer("fish_speech", inputs, request_compression_algorithm=algorithm)
    assert np.abs(said.as_numpy("PCM")).max() > 0


def test_a_faulty_inference_says_what_to_do(client):
    with pytest.raises(InferenceServerException, match="TEXT is BYTES, not INT32"):
        client.infer("fish_speech", [given("TEXT", 1, "INT32", np.int32)])
    with pytest.raises(InferenceServerException, match="infer that"):
        client.infer("vq_decoder", [given("TEXT", b"a")])
