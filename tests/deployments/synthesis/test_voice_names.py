"""What voices may be called, and how an unknown one is answered."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import pytest

from deployments.synthesis.voices import VoiceLibrary
from models.types import VoiceNotFound
from tests.paths import RECORDINGS

AUDIO = (RECORDINGS / "june-fr.wav").read_bytes()


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "voices") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"


@pytest.mark.parametrize(
    "name",
    [
        "José",
        "田中",
        "a.b",
        "a.wav",
        "田中\u3000太郎",
        "मेरी आवाज़",
        "می\u200cخواهم",
        "Ünïcødé (2)",
        "50% off?",
        "#1 & co",
        "🐟",
        "~",
        "a:b",
    ],
)
def test_any_name_that_people_write_is_one(url, name):
    VoiceLibrary(url).add(name, AUDIO, "Bonjour")
    library = VoiceLibrary(url)
    assert library.get(name).id == name and [voice.id for voice in library.list()] == [name]
    library.rename(name, "plain")
    library.rename("plain", name)
    library.delete(name)
    assert library.list() == []


def test_a_name_is_the_same_however_its_accents_are_encoded(url):
    library = VoiceLibrary(url)
    voice = library.add("Jose\u0301", AUDIO, "Bonjour")
    assert voice.id == "Jos\u00e9" and library.get("Jos\u00e9") == library.get("Jose\u0301") == voice


def test_voices_stored_before_are_found(tmp_path):
    """Files as an earlier version wrote them: a manifest is named after its id's hash."""
    library = VoiceLibrary(str(tmp_path))
    manifest = tmp_path / "manifests" / (hashlib.sha256(b"June - Paris_2").hexdigest()[:32] + ".json")
    manifest.write_text('{"id": "June - Paris_2", "text": "Bonjour", "blob": "b1"}')
    (tmp_path / "blobs" / "b1").mkdir()
    (tmp_path / "blobs" / "b1" / "audio").write_bytes(AUDIO)
    assert library.reference(library.get("June - Paris_2")).audio == AUDIO


@pytest.mark.parametrize(
    ("registered", "wanted", "says"),
    [
        ([], "june", "none is registered yet"),
        (["june", "paul"], "jun", "did you mean 'june'?"),
        (["june", "paul"], "田中", "valid are: june, paul"),
        ([f"{i}" * 255 for i in range(9)], "june", "…"),
    ],
)
def test_the_error_for_an_unknown_voice_names_those_there_are(url, registered, wanted, says):
    library = VoiceLibrary(url)
    for name in registered:
        library.add(name, AUDIO, "Bonjour")
    with pytest.raises(VoiceNotFound) as caught:
        library.get(wanted)
    assert says in str(caught.value) and len(str(caught.value)) < 400
