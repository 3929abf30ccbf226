"""Replicas come with load and go without it: real replicas of the real graph, on a tiny checkpoint."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest
from ray import serve

from deployments.stages.autoscaling import replicas_for
from tests.graph.server import eventually, run

FAST = {"upscale_delay_s": 0.5, "downscale_delay_s": 2.0, "look_back_s": 11.0}
STAGES = {
    # Two slots of torch's slow fp32: a handful of clients fills a replica on any machine, and the decoder keeps up.
    "text_to_semantic": {
        "slots": 2,
        "precision": "fp32",
        "quantization": "none",
        "min_replicas": 1,
        "max_replicas": 2,
    },
}


@pytest.mark.parametrize(("wanted", "replicas"), [([], 0), ([0], 0), ([7], 1), ([7, 7], 2), ([14], 2), ([10.5], 1.5)])
def test_replicas_follow_slots(wanted: list[float], replicas: float) -> None:
    assert replicas_for(wanted, target=7) == pytest.approx(replicas)


@pytest.fixture(scope="module")
def scaling(ray_address: str, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    voices = tmp_path_factory.mktemp("scaling-voices")
    yield run(ray_address, "scaling", tiny, voices, "/scaling", stages=STAGES, autoscaling=FAST)
    serve.delete("scaling")


def replicas(deployment: str) -> int:
    states = serve.status().applications["scaling"].deployments[deployment].replica_states
    return states.get("RUNNING", 0)


def test_text_to_semantic_scales_up_under_load_and_down_without(scaling: str) -> None:
    assert replicas("TextToSemantic") == 1
    stop = threading.Event()

    def speak(seed: int) -> None:
        with httpx.Client(timeout=60) as client:
            while not stop.is_set():
                body = {"text": "A client that keeps asking. " * 8, "seed": seed, "streaming": True}
                with client.stream("POST", f"{scaling}/v1/tts", json=body) as response:
                    assert response.status_code in (200, 429)
                    response.read()
                    if response.status_code == 429:
                        assert float(response.headers["Retry-After"]) >= 1
                        stop.wait(0.2)

    clients = [threading.Thread(target=speak, args=(seed,)) for seed in range(6)]
    for client in clients:
        client.start()
    try:
        eventually(lambda: replicas("TextToSemantic"), lambda n: n == 2, within=90)
    finally:
        stop.set()
        for client in clients:
            client.join(60)
    eventually(lambda: replicas("TextToSemantic"), lambda n: n == 1, within=90)
    assert httpx.post(f"{scaling}/v1/tts", json={"text": "Still here.", "max_new_tokens": 20}).status_code == 200
