"""Whose voice speaks: registered ones by their names, and recordings that come along, on every route."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.deployments.fakes import FakeStages, recording
from tests.deployments.protocols.asking import FISH, OPENAI, SEA, TEXT, URL_SAFE, WORDS, ask, spoken


@pytest.fixture
def sea(client: TestClient) -> str:
    form = {"id": " Señor 海.wav ", "text": "the sea"}
    added = client.post("/v1/references/add", data=form, files={"audio": SEA})
    assert added.json()["reference_id"] == "Señor 海.wav", added.text
    return "Señor 海.wav"


def test_a_voice_is_found_by_its_name_on_every_route(client: TestClient, stages: FakeStages, sea: str) -> None:
    for path, field in ((FISH, "reference_id"), (OPENAI, "voice")):
        for name in (sea, f" {sea}\n", [sea], {"id": sea}):
            spoken(client, path, **{field: name})
            assert stages.prompts[-1].references[0].text == "the sea"
    assert client.get("/v1/references/Se%C3%B1or%20%E6%B5%B7.wav").json()["reference_id"] == sea
    assert client.get("/v1/audio/voices").json()["voices"] == [{"id": sea, "name": sea}]
    renamed = {"old_reference_id": sea, "new_reference_id": "50% #1?"}
    assert client.post("/v1/references/update", json=renamed).status_code == 200
    assert client.delete("/v1/references/50%25%20%231%3F").status_code == 200


@pytest.mark.parametrize("path", TEXT)
def test_several_voices_are_refused_and_none_is_none(client: TestClient, stages: FakeStages, path: str) -> None:
    field = "reference_id" if path == FISH else "voice"
    several = ask(client, path, **{field: ["a", "b"]})
    assert several.status_code == 400 and "dialogue" in several.text and field in several.text
    for none in ("", "  ", None, [], "default", "DEFAULT"):
        spoken(client, path, **{field: none})
        assert stages.prompts[-1].references == ()


@pytest.mark.parametrize("name", ["alloy", "Alloy", " ALLOY ", {"id": "Nova"}, "default"])
def test_stock_names_are_known_without_case(client: TestClient, name: Any) -> None:
    assert "registered" in spoken(client, OPENAI, voice=name).headers["x-voice-note"]


def test_a_registered_stock_name_is_used_without_case(client: TestClient, stages: FakeStages) -> None:
    client.post("/v1/references/add", data={"id": "alloy", "text": "the sea"}, files={"audio": SEA})
    for name in ("alloy", "Alloy", " ALLOY "):
        assert "x-voice-note" not in spoken(client, OPENAI, voice=name).headers
        assert stages.prompts[-1].references[0].text == "the sea"


def test_an_unknown_voice_names_those_there_are(client: TestClient, sea: str) -> None:
    for path, field in ((FISH, "reference_id"), (OPENAI, "voice")):
        response = ask(client, path, **{field: "nobody"})
        assert response.status_code == 404 and "海" in json.dumps(response.json(), ensure_ascii=False)


@pytest.mark.parametrize(
    "body",
    [
        {"ref_audio": URL_SAFE, "ref_text": "the sea"},
        {"reference_audio": URL_SAFE, "reference_text": "the sea"},
        {"ref_audio": "data:audio/wav;base64," + URL_SAFE, "ref_text": "the sea", "voice": "alloy"},
        {"references": [{"audio": URL_SAFE, "text": "the sea"}]},
    ],
)
@pytest.mark.parametrize("path", TEXT)
def test_a_recording_is_used_on_every_route(client: TestClient, stages: FakeStages, path: str, body: Any) -> None:
    if path == OPENAI:
        assert "x-voice-note" not in spoken(client, path, **body).headers
    else:
        spoken(client, path, **{key: value for key, value in body.items() if key != "voice"})
    assert [each.text for each in stages.prompts[-1].references] == ["the sea"]


@pytest.mark.parametrize("names", [("ref_audio", "ref_text"), ("reference_audio", "reference_text")])
@pytest.mark.parametrize("path", TEXT)
def test_a_recording_comes_as_a_forms_file(client: TestClient, stages: FakeStages, path: str, names: Any) -> None:
    audio, words = names
    form = {TEXT[path]: WORDS, words: ["the sea", "the shore"]}
    files = [(audio, ("a.wav", SEA)), (audio, ("b.wav", recording(5)))]
    assert client.post(path, data=form, files=files).status_code == 200
    assert [each.text for each in stages.prompts[-1].references] == ["the sea", "the shore"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"ref_audio": URL_SAFE}, "reference_text"),
        ({"ref_text": "the sea"}, "reference_audio"),
        ({"ref_audio": "https://example.org/a.wav", "ref_text": "the sea"}, "fetches none"),
        ({"ref_audio": "/home/me/a.wav", "ref_text": "the sea"}, "base64"),
        ({"ref_audio": [URL_SAFE, URL_SAFE], "ref_text": "the sea"}, "got 2 and 1"),
        ({"ref_audio": URL_SAFE, "ref_text": "the sea", "voice": "registered"}, "not both"),
    ],
)
def test_half_a_recording_is_refused_and_never_another_voice(client: TestClient, body: Any, says: str) -> None:
    client.post("/v1/references/add", data={"id": "registered", "text": "a"}, files={"audio": SEA})
    response = ask(client, OPENAI, **body)
    assert response.status_code == 400 and says in response.json()["error"]["message"]
