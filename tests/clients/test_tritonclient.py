"""The real tritonclient over HTTP: health, metadata and configuration."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException

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


def test_infer_says_that_it_is_missing(client):
    text = tritonclient.http.InferInput("TEXT", [1], "INT32")
    text.set_data_from_numpy(np.zeros(1, np.int32))
    with pytest.raises(InferenceServerException, match="not implemented"):
        client.infer("fish_speech", [text])
