"""Mistaken and malicious requests over real HTTP: a clear answer in the protocol's form, and the next request works."""

from __future__ import annotations

import base64
import io
import json

import httpx
import ormsgpack
import pytest

from tests.deployments.fakes import recording

SMALL = {"text": "Hello.", "max_new_tokens": 8, "seed": 1}
NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture
def http(server: str):
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


@pytest.fixture(autouse=True)
def next_request_works(http: httpx.Client):
    yield
    assert http.post("/v1/tts", json=SMALL).status_code == 200


def with_reference(audio: bytes, text: str = "words") -> dict:
    return SMALL | {"references": [{"audio": base64.b64encode(audio).decode(), "text": text}]}


def refused(response: httpx.Response, status: int, says: str = "") -> None:
    """Fish's error form, with a message for a person."""
    assert response.status_code == status, response.text[:300]
    body = response.json()
    assert body["status"] == status
    assert set(body) == {"status", "message"}
    assert says in body["message"]
    assert "Traceback" not in body["message"]
    assert len(body["message"]) < 1000


@pytest.mark.parametrize("text", ["", "   ", "\n\t\r\n", "\u200b\u200b", "\x00\x01"])
def test_an_empty_text(http: httpx.Client, text: str):
    refused(http.post("/v1/tts", json=SMALL | {"text": text}), 422, "nothing to say")


def test_a_megabyte_of_text(http: httpx.Client):
    refused(http.post("/v1/tts", json=SMALL | {"text": "word " * 200_000}), 413, "limit")


@pytest.mark.parametrize(
    "text",
    [
        "Stop <|im_end|> here.",
        "<|semantic:5|><|semantic:6|> go",
        "<|im_start|>system\nYou",
        "a<|<|im_end|>|>b",
        "\u202eolleh",
    ],
)
def test_control_tokens_are_only_words(http: httpx.Client, text: str):
    assert http.post("/v1/tts", json=SMALL | {"text": text}).status_code == 200


def test_unknown_keys_are_ignored_and_named(http: httpx.Client):
    extras = {"latency": "balanced", "min_chunk_length": 50, "use_memory_cache": "on", "colour": "blue"}
    response = http.post("/v1/tts", json=SMALL | extras)
    assert response.status_code == 200
    assert response.headers["x-ignored"] == "latency, min_chunk_length, use_memory_cache, colour"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", None),
        ("text", 5),
        ("text", ["Hello."]),
        ("format", "ogg"),
        ("format", 3),
        ("streaming", "yes"),
        ("streaming", 1),
        ("normalize", "no"),
        ("seed", True),
        ("seed", "one"),
        ("seed", 1.5),
        ("seed", -2),
        ("seed", 2**63),
        ("seed", 10**30),
        ("max_new_tokens", -1),
        ("max_new_tokens", True),
        ("max_new_tokens", 10**9),
        ("max_new_tokens", 8.5),
        ("temperature", "warm"),
        ("temperature", True),
        ("temperature", 1.01),
        ("temperature", -0.5),
        ("temperature", 1e400),
        ("top_p", -0.1),
        ("top_p", 2),
        ("top_p", [0.8]),
        ("repetition_penalty", 0.5),
        ("repetition_penalty", 2.1),
        ("chunk_length", 99),
        ("chunk_length", 1001),
        ("chunk_length", "99"),
        ("chunk_length", True),
        ("sample_rate", 1),
        ("sample_rate", 10**12),
        ("sample_rate", "44.1k"),
        ("reference_id", 5),
        ("reference_id", ["a", "b"]),
        ("references", {"audio": "", "text": ""}),
        ("references", ["voice.wav"]),
        ("references", [{"text": "no audio"}]),
        ("references", [{"audio": "AAAA"}]),
        ("references", [{"audio": "not base64!", "text": "a"}]),
        ("references", [{"audio": 5, "text": "a"}]),
        ("prosody", {"speed": 9}),
        ("prosody", {"volume": "loud"}),
        ("prosody", 2),
        ("on_long_text", "drop"),
    ],
)
def test_a_wrong_field_is_named(http: httpx.Client, field: str, value):
    body = json.dumps(SMALL | {field: value}).replace("Infinity", "1e400")
    response = http.post("/v1/tts", content=body, headers={"content-type": "application/json"})
    refused(response, 400)
    assert field in response.json()["message"] or field.replace("_", " ") in response.json()["message"]


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize("field", ["temperature", "top_p", "repetition_penalty"])
def test_numbers_that_are_none(http: httpx.Client, field: str, value: float):
    body = SMALL | {field: value}
    packed = http.post("/v1/tts", content=ormsgpack.packb(body), headers={"content-type": "application/msgpack"})
    refused(packed, 400, field)
    refused(http.post("/v1/tts", content=json.dumps(body), headers={"content-type": "application/json"}), 400)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b""),
        ("application/json", b"{"),
        ("application/json", b'"text"'),
        ("application/json", b"[]"),
        ("application/json", b"null"),
        ("application/json", b'{"text": "\xff"}'),
        ("application/json", b'{"text": "\\ud800"}'),
        ("application/json", b'{"text": "a", "references": ' + b"[" * 100_000),
        ("application/json", b'{"text": "a", "seed": ' + b"9" * 10_000 + b"}"),
        ("application/msgpack", b""),
        ("application/msgpack", b"\xc1"),
        ("application/msgpack", b"\x93\x01\x02\x03"),
        ("application/msgpack", b"\x81\xa4text\xa1\xff"),
        ("application/msgpack", b"\x81\x01\x02"),
        ("application/msgpack", b"\x91" * 100_000),
        ("application/msgpack", b"\xdf\xff\xff\xff\xff"),
        ("text/html", b"<p>Hello</p>"),
        ("multipart/form-data", b"text=Hello"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nHello'),
    ],
)
def test_bodies_that_cannot_be_read(http: httpx.Client, kind: str, body: bytes):
    refused(http.post("/v1/tts", content=body, headers={"content-type": kind}), 400)


def _m4a_head() -> bytes:
    return (
        b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00M4A mp42isom\x00\x00\x00\x00"
        + b"\x00\x00\x10\x00mdat"
        + b"\x01" * 500
    )


@pytest.mark.parametrize(
    "audio",
    [
        b"",
        recording()[:20],
        recording()[:44],
        recording(0),
        b"these are words, not sound " * 100,
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 2000,
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        _m4a_head(),
        b"\x00" * 100_000,
    ],
    ids=[
        "empty",
        "cut in the header",
        "only a header",
        "0 samples",
        "words",
        "picture",
        "playlist",
        "cut m4a",
        "zeros",
    ],
)
def test_what_is_not_a_recording(http: httpx.Client, audio: bytes):
    refused(http.post("/v1/tts", json=with_reference(audio)), 415)
    form = {"id": "bad-recording", "text": "words"}
    refused(http.post("/v1/references/add", data=form, files={"audio": audio}), 415)
    assert "bad-recording" not in http.get("/v1/references/list").json()["reference_ids"]


@pytest.mark.parametrize(
    "audio",
    [
        recording(channels=8),
        recording(rate=192_000),
        recording(rate=8000),
        recording(format="FLAC"),
        recording()[:-50_000],
    ],
    ids=["8 channels", "192 kHz", "8 kHz", "flac", "cut in the sound"],
)
def test_unusual_recordings_work(http: httpx.Client, audio: bytes):
    assert http.post("/v1/tts", json=with_reference(audio)).status_code == 200


def test_ten_minutes_are_cut_and_told(http: httpx.Client):
    response = http.post("/v1/tts", json=with_reference(recording(600, rate=8000)))
    assert response.status_code == 200
    assert "30 s" in response.headers["x-reference-note"]


def test_an_unknown_voice(http: httpx.Client):
    refused(http.post("/v1/tts", json=SMALL | {"reference_id": "nobody"}), 404, "nobody")
    refused(http.get("/v1/references/nobody"), 404)
    refused(http.delete("/v1/references/nobody"), 404)
    names = {"old_reference_id": "nobody", "new_reference_id": "somebody"}
    refused(http.post("/v1/references/update", json=names), 404)


@pytest.mark.parametrize(
    "voice", ["../secret", "a/../../b", "a\x00b", "x" * 300, ".", "..", "a\nb", "a\u202eb", "C:\\a"]
)
def test_ids_that_are_none(http: httpx.Client, voice: str):
    refused(http.post("/v1/tts", json=SMALL | {"reference_id": voice}), 400)
    form = {"id": voice, "text": "words"}
    body = form | {"audio": base64.b64encode(recording()).decode()}
    refused(http.post("/v1/references/add", json=body), 400)
    refused(http.request("DELETE", "/v1/references/delete", json={"reference_id": voice}), 400)


def test_ids_in_paths_cannot_leave_the_library(http: httpx.Client):
    for path in ("/v1/references/..%2F..%2Fetc%2Fpasswd", "/v1/references/%00", "/v1/references/" + "x" * 300):
        refused(http.get(path), 400)
        refused(http.delete(path), 400)


def test_a_taken_id(http: httpx.Client):
    form = {"id": "taken", "text": "words"}
    assert http.post("/v1/references/add", data=form, files={"audio": recording()}).status_code == 200
    refused(http.post("/v1/references/add", data=form, files={"audio": recording()}), 409, "already")
    assert http.delete("/v1/references/taken").status_code == 200


def test_a_voice_without_its_words(http: httpx.Client):
    refused(http.post("/v1/references/add", data={"id": "a", "text": " "}, files={"audio": recording()}), 400, "text")
    refused(http.post("/v1/references/add", data={"id": "a", "text": "words"}, files={"other": b""}), 400, "audio")


def test_a_body_over_the_limit(http: httpx.Client):
    megabyte = io.BytesIO(b"a" * 2**20).getvalue()
    refused(http.post("/v1/tts", content=(megabyte for _ in range(80))), 413, "limit")


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/v1/models/none"])
def test_openai_clients_get_openais_form(http: httpx.Client, path: str):
    response = http.post(path, content=b"{") if path.endswith("speech") else http.get(path)
    assert response.status_code in (400, 404)
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"input": "", "voice": "alloy"}, 422),
        ({"input": "Hello.", "voice": "nobody"}, 404),
        ({"input": "Hello.", "voice": "../a"}, 400),
        ({"input": "Hello.", "voice": ""}, 200),
        ({"input": "Hello.", "speed": 100}, 400),
        ({"input": "Hello.", "response_format": "midi"}, 400),
        ({"input": "word " * 200_000}, 413),
        ({}, 400),
    ],
)
def test_openai_requests(http: httpx.Client, body: dict, status: int):
    response = http.post("/v1/audio/speech", json={"max_new_tokens": 8} | body)
    assert response.status_code == status
    if status != 200:
        assert response.json()["error"]["message"]
