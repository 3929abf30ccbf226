"""Requests as upstream's own client (fish-speech 0.1.0, tools/api_client.py) packs them."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from types import ModuleType

import fish_speech
import httpx
import ormsgpack
import pytest
import soundfile

from tests.deployments.fakes import recording


@pytest.fixture(scope="module")
def schema() -> ModuleType:
    """fish_speech.utils.schema, without the training packages that its package imports."""
    path = Path(fish_speech.__path__[0]) / "utils" / "schema.py"
    spec = importlib.util.spec_from_file_location("fish_speech_schema", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("streaming", [False, True])
def test_a_packed_request(server: str, schema: ModuleType, streaming: bool):
    request = schema.ServeTTSRequest(
        text="Hi.",
        references=[schema.ServeReferenceAudio(audio=recording(), text="words")],
        max_new_tokens=20,
        streaming=streaming,
    )
    packed = ormsgpack.packb(request, option=ormsgpack.OPT_SERIALIZE_PYDANTIC)
    headers = {"authorization": "Bearer unused", "content-type": "application/msgpack"}
    response = httpx.post(f"{server}/v1/tts", content=packed, headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    assert len(soundfile.read(io.BytesIO(response.content))[0]) > 1000
