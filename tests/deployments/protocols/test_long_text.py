"""Texts over the tier's limit, over real HTTP by every protocol that carries text: split, or cut on request."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import ormsgpack
import pytest

from deployments.synthesis.segments import Limits
from tests.deployments.fakes import FRAME, FakeStages, make_app, serving

LIMIT = 100
LONG = " ".join(f"Word{i:03d}" for i in range(60))  # 479 characters, no sentence end
HEADERS = ("X-Text-Truncated", "X-Original-Text-Length", "X-Truncated-Text-Length")


def fish_json(address: str, text: str, **more: object) -> tuple[httpx.Response, bytes]:
    response = httpx.post(f"{address}/v1/tts", json={"text": text, "format": "pcm", **more})
    return response, response.content


def fish_msgpack(address: str, text: str, **more: object) -> tuple[httpx.Response, bytes]:
    body = ormsgpack.packb({"text": text, "format": "pcm", "streaming": True, **more})
    response = httpx.post(f"{address}/v1/tts", content=body, headers={"content-type": "application/msgpack"})
    return response, response.content


def fish_form(address: str, text: str, **more: object) -> tuple[httpx.Response, bytes]:
    fields = {"text": text, "format": "pcm", **{key: str(value).lower() for key, value in more.items()}}
    response = httpx.post(f"{address}/v1/tts", files={key: (None, value) for key, value in fields.items()})
    return response, response.content


def openai_body(text: str, **more: object) -> dict:
    return {"model": "s1-mini", "input": text, "response_format": "wav", **more}


def openai_audio(address: str, text: str, **more: object) -> tuple[httpx.Response, bytes]:
    response = httpx.post(f"{address}/v1/audio/speech", json=openai_body(text, **more))
    return response, response.content[44:]


def openai_events(address: str, text: str, **more: object) -> tuple[httpx.Response, bytes]:
    response = httpx.post(f"{address}/v1/audio/speech", json=openai_body(text, stream_format="sse", **more))
    events = [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n\n") if line]
    return response, b"".join(base64.b64decode(event.get("audio", "")) for event in events)[44:]


PROTOCOLS = [fish_json, fish_msgpack, fish_form, openai_audio, openai_events]
Ask = Callable[..., tuple[httpx.Response, bytes]]


@pytest.fixture
def server(stages: FakeStages, tmp_path: Path) -> Iterator[str]:
    limits = Limits(tier="arm-board", tier_text_chars=LIMIT)
    with serving(make_app(stages, str(tmp_path / "voices"), limits)) as address:
        yield address


@pytest.mark.parametrize("ask", PROTOCOLS)
def test_a_long_text_is_split_and_spoken_to_its_end(server: str, stages: FakeStages, ask: Ask) -> None:
    response, pcm = ask(server, LONG, normalize=False)
    assert response.status_code == 200
    assert len(stages.prompts) > 1 and " ".join(prompt.text for prompt in stages.prompts) == LONG
    samples = np.frombuffer(pcm, np.int16)
    assert len(samples) == sum(len(prompt.text) for prompt in stages.prompts) * FRAME
    assert (response.headers["X-Hardware-Tier"], response.headers["X-Max-Text-Length"]) == ("arm-board", "100")
    assert not any(header in response.headers for header in HEADERS), "nothing was cut"


@pytest.mark.parametrize("ask", PROTOCOLS)
def test_a_long_text_is_cut_on_request_and_the_response_says_so(server: str, stages: FakeStages, ask: Ask) -> None:
    response, pcm = ask(server, LONG, on_long_text="truncate", normalize=False)
    spoken = " ".join(prompt.text for prompt in stages.prompts)
    assert LONG.startswith(spoken + " ") and 0.8 * LIMIT <= len(spoken) <= LIMIT, "cut at a word's end"
    assert len(pcm) == 2 * FRAME * sum(len(prompt.text) for prompt in stages.prompts)
    assert [response.headers[header] for header in HEADERS] == ["true", str(len(LONG)), str(len(spoken))]
    assert (response.headers["X-Hardware-Tier"], response.headers["X-Max-Text-Length"]) == ("arm-board", "100")


@pytest.mark.parametrize("ask", PROTOCOLS)
def test_a_short_text_is_left_alone(server: str, stages: FakeStages, ask: Ask) -> None:
    response, _ = ask(server, "Hello there.", on_long_text="truncate")
    assert [response.headers[header] for header in HEADERS] == ["false", "12", "12"]
    assert [prompt.text for prompt in stages.prompts] == ["Hello there."]


@pytest.mark.parametrize("ask", PROTOCOLS)
def test_a_text_without_words_is_a_short_silence(server: str, stages: FakeStages, ask: Ask) -> None:
    response, pcm = ask(server, "...")
    assert response.status_code == 200 and "X-Nothing-Said" in response.headers
    assert pcm and not any(pcm) and not stages.prompts


def test_without_a_space_near_the_limit_it_is_cut_there(server: str, stages: FakeStages) -> None:
    response, _ = fish_json(server, "a " + "x" * 300, on_long_text="truncate", normalize=False)
    assert response.headers["X-Truncated-Text-Length"] == str(LIMIT)


@pytest.mark.parametrize("ask", PROTOCOLS)
def test_another_word_for_it_is_refused(server: str, stages: FakeStages, ask: Ask) -> None:
    body = {"on_long_text": "cut"}
    if ask is openai_events:
        response = httpx.post(f"{server}/v1/audio/speech", json=openai_body("Hello.", stream_format="sse", **body))
    else:
        response, _ = ask(server, "Hello.", **body)
    assert response.status_code == 400 and "on_long_text" in response.text and "truncate" in response.text
    assert not stages.prompts


def test_the_real_graph_speaks_every_segment(graph: str) -> None:
    """Each of three segments gets its frames; cut to the tier's limit, fewer are spoken."""
    body = {"format": "pcm", "seed": 1, "max_new_tokens": 4, "temperature": 0.1, "normalize": False}
    text = "Nobody gives an order here today. " * 30
    whole = httpx.post(f"{graph}/v1/tts", json={"text": text, **body}, timeout=60)
    limit = int(whole.headers["X-Max-Text-Length"])
    assert len(text) > limit
    cut = httpx.post(f"{graph}/v1/tts", json={"text": text, "on_long_text": "truncate", **body}, timeout=60)
    assert cut.headers["X-Text-Truncated"] == "true" and int(cut.headers["X-Truncated-Text-Length"]) <= limit
    segment = httpx.post(f"{graph}/v1/tts", json={"text": text[:33], **body}, timeout=60)
    frames = len(segment.content)
    assert len(whole.content) % frames == 0 and len(whole.content) > len(cut.content) >= frames
