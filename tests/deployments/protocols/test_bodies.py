"""Bodies as clients send them, on every route: character sets, forms, msgpack, base64."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import ormsgpack
import pytest
import soundfile
from starlette.testclient import TestClient

from tests.deployments.fakes import FakeStages
from tests.deployments.protocols.asking import FISH, SEA, TEXT, URL_SAFE, WORDS, ask, spoken


@pytest.mark.parametrize("path", TEXT)
@pytest.mark.parametrize(
    ("kind", "encoding"),
    [
        ("application/json", "utf-8-sig"),
        ("application/json; charset=utf-8", "utf-8-sig"),
        ("application/json", "utf-16"),
        ("application/json; charset=utf-16", "utf-16"),
        ("application/json; charset=utf-16le", "utf-16-le"),
        ("application/json; charset=iso-8859-1", "iso-8859-1"),
        ('application/json; charset="ISO-8859-1"', "iso-8859-1"),
        ("application/json;charset=windows-1252", "cp1252"),
        ("text/plain; charset=us-ascii", "ascii"),
    ],
)
def test_json_of_any_character_set_is_read(
    client: TestClient, stages: FakeStages, path: str, kind: str, encoding: str
) -> None:
    word = "Hello." if encoding == "ascii" else "Déjà vu."
    body = json.dumps({TEXT[path]: word, "normalize": False}, ensure_ascii=False).encode(encoding)
    response = client.post(path, content=body, headers={"content-type": kind})
    assert response.status_code == 200, response.text
    assert stages.prompts[-1].text == word


@pytest.mark.parametrize(("charset", "status"), [("klingon", 415), ("utf-16", 400), ("ascii", 400), ("hex", 415)])
def test_a_character_set_that_does_not_fit_is_named(client: TestClient, charset: str, status: int) -> None:
    body, kind = '{"text": "Déjà vu"}'.encode(), f"application/json; charset={charset}"
    response = client.post(FISH, content=body, headers={"content-type": kind})
    assert response.status_code == status and charset in response.json()["message"]


@pytest.mark.parametrize("path", TEXT)
@pytest.mark.parametrize("multipart", [True, False])
def test_a_form_speaks_on_every_route(client: TestClient, stages: FakeStages, path: str, multipart: bool) -> None:
    form = {TEXT[path]: "Hé 5 & more", "seed": "7", "temperature": "0.5", "normalize": "0", "device": ""}
    response = client.post(path, data=form, files={"unused": b"x"} if multipart else None)
    assert response.status_code == 200, response.text
    (prompt,) = stages.prompts
    assert (prompt.text, prompt.sampling.seed, prompt.sampling.temperature) == ("Hé 5 & more", 7, 0.5)
    assert response.headers.get("x-ignored") == ("unused" if multipart else None)


def test_curls_data_is_a_form(client: TestClient, stages: FakeStages) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"text=Hello", b"text=Hello+there&format=mp3", b"text=%48ello"):
        assert client.post(FISH, content=body, headers=kind).status_code == 200
    assert [prompt.text for prompt in stages.prompts] == ["Hello", "Hello there", "Hello"]
    twice = client.post(FISH, content=b"text=Hello&text=there", headers=kind)
    assert twice.status_code == 400 and "text" in twice.json()["message"]


def test_a_form_carries_what_is_nested_as_json(client: TestClient, stages: FakeStages) -> None:
    references = json.dumps([{"audio": base64.b64encode(SEA).decode(), "text": "the sea"}])
    form = {"text": WORDS, "format": "wav", "references": references, "prosody": '{"speed": 2.0}'}
    response = client.post(FISH, data=form)
    assert response.status_code == 200, response.text
    assert stages.prompts[-1].references[0].text == "the sea"
    assert len(soundfile.read(io.BytesIO(response.content))[0]) < 0.6 * len(WORDS) * 2048


def test_speed_and_volume_may_stand_beside_the_other_fields(client: TestClient) -> None:
    def wav(**body: Any) -> np.ndarray:
        return soundfile.read(io.BytesIO(spoken(client, FISH, format="wav", **body).content))[0]

    nested, beside = wav(prosody={"speed": 2.0, "volume": -6}), wav(speed=2.0, volume="-6")
    np.testing.assert_array_equal(nested, beside)


@pytest.mark.parametrize(
    "audio",
    [
        base64.b64encode(SEA).decode(),
        base64.b64encode(SEA).decode().rstrip("="),
        base64.b64encode(SEA + b"\0").decode().rstrip("="),
        URL_SAFE,
        URL_SAFE.rstrip("="),
        base64.encodebytes(SEA).decode(),
        "data:audio/wav;base64," + base64.b64encode(SEA).decode(),
        "DATA:audio/wav;BASE64," + URL_SAFE,
        "Data:;base64," + URL_SAFE.rstrip("="),
    ],
)
def test_base64_comes_in_every_dress(client: TestClient, stages: FakeStages, audio: str) -> None:
    spoken(client, FISH, references=[{"audio": audio, "text": "the sea"}])
    assert stages.prompts[-1].references[0].text == "the sea"


@pytest.mark.parametrize("audio", ["not base64!", "AAAAA", "https://example.org/a.wav", "file:///etc/passwd", "é" * 8])
def test_what_is_no_base64_says_what_to_send(client: TestClient, audio: str) -> None:
    response = ask(client, FISH, references=[{"audio": audio, "text": "the sea"}])
    assert response.status_code == 400 and "base64" in response.json()["message"]


def test_msgpack_is_read_alike(client: TestClient, stages: FakeStages) -> None:
    body = {"text": WORDS, "seed": 7.0, "ref_audio": SEA, "ref_text": "the sea", "latency": "low"}
    kind = {"content-type": "application/msgpack"}
    response = client.post(FISH, content=ormsgpack.packb(body), headers=kind)
    assert response.status_code == 200 and response.headers["x-ignored"] == "latency"
    assert stages.prompts[-1].sampling.seed == 7 and stages.prompts[-1].references[0].text == "the sea"
