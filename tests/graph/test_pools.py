"""Two pools of the real graph over real HTTP: both on the CPU, with different plans, standing in for two devices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from ray import serve

from tests.deployments.fakes import recording
from tests.graph.server import STAGES, eventually, run

SECOND = {
    "text_to_semantic": STAGES["text_to_semantic"] | {"slots": 2, "precision": "fp32", "quantization": "none"},
    "vq_decoder": STAGES["vq_decoder"] | {"slots": 2},
}
# The first pool is over its threshold on any machine and the second never, so that requests go to the second, which
# stands by.
NEVER = {figure: {"leave_above": 100, "return_below": 99} for figure in ("cpu", "ram")}
POOLS = {
    "wide": {"device": "cpu", "balance": {"ram": {"leave_above": 0.2, "return_below": 0.1}}},
    "narrow": {"device": "cpu", "stages": SECOND, "balance": NEVER},
}
STANDBY = {"reference_encoder": {"min_replicas": 0, "initial_replicas": 0, "max_replicas": 1}}
FAST = {"upscale_delay_s": 0.5, "downscale_delay_s": 6.0, "look_back_s": 11.0}


@pytest.fixture(scope="module")
def address(ray_address: str, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    voices = tmp_path_factory.mktemp("pool-voices")
    yield run(ray_address, "pools", tiny, voices, "/pools", stages=STANDBY, pools=POOLS, autoscaling=FAST)
    serve.delete("pools")


def say(address: str, **fields: object) -> httpx.Response:
    body = {"text": "Hello.", "max_new_tokens": 20, "seed": 1, "format": "pcm", **fields}
    return httpx.post(f"{address}/v1/tts", json=body, timeout=90)


def pool(address: str, name: str) -> dict:
    pools = httpx.get(f"{address}/health", timeout=30).json()["pools"]["pools"]
    return next(each for each in pools if each["name"] == name)


def spoke(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    assert response.headers["X-Device"] == "cpu" and len(response.content) > 0
    return response.headers["X-Pool"]


def test_load_sends_requests_to_the_other_pool_once_it_is_awake(address: str) -> None:
    assert pool(address, "narrow") == {
        "name": "narrow",
        "device": "cpu",
        "tier": pool(address, "wide")["tier"],
        "state": "asleep",
        "replicas": {"text_to_semantic": 0, "vq_decoder": 0},
    }
    assert httpx.get(f"{address}/health").status_code == 200
    # No request waits for the pool that wakes: the loaded one speaks until it is there.
    seen = [spoke(say(address))]
    eventually(lambda: seen.append(spoke(say(address))) or seen[-1], lambda name: name == "narrow", within=90)
    assert seen[0] == "wide"
    decisions = httpx.get(f"{address}/health").json()["pools"]["decisions"]
    assert decisions[0]["pool"] == "narrow" and "RAM " in decisions[0]["reason"]


def test_a_request_chooses_its_pool(address: str) -> None:
    assert spoke(say(address, device="wide")) == "wide"
    assert spoke(say(address, device="narrow")) == "narrow"
    for device in ("auto", "cpu"):  # the other pool may have fallen asleep on a slow machine: it wakes
        eventually(lambda device=device: spoke(say(address, device=device)), lambda name: name == "narrow", within=90)
    fields = {"text": (None, "Hello."), "device": (None, "wide"), "max_new_tokens": (None, "20")}
    form = httpx.post(f"{address}/v1/tts", files=fields, timeout=60)
    openai = {"input": "Hello.", "device": "wide", "max_new_tokens": 20}
    assert spoke(form) == spoke(httpx.post(f"{address}/v1/audio/speech", json=openai, timeout=60)) == "wide"
    refused = say(address, device="cuda")
    assert refused.status_code == 400
    assert "'cuda' has no pool here; there is: auto, wide (on cpu), narrow (on cpu)" in refused.json()["message"]


def test_a_full_pool_passes_requests_on_unless_they_are_forced(address: str) -> None:
    stop, refused = threading.Event(), []

    def crowd(seed: int) -> None:
        while not stop.is_set():
            answer = say(
                address, device="narrow", seed=seed, text="A crowd that keeps asking. " * 8, max_new_tokens=200
            )
            if answer.status_code == 429:
                refused.append(answer)
            else:
                assert spoke(answer) == "narrow"

    with ThreadPoolExecutor(8) as clients:
        crowds = [clients.submit(crowd, seed) for seed in range(8)]
        try:
            eventually(lambda: spoke(say(address)), lambda name: name == "wide", within=90)
        finally:
            stop.set()
    for done in crowds:
        done.result()
    assert refused and all(float(answer.headers["Retry-After"]) >= 1 for answer in refused)


def test_a_dead_pool_is_routed_around_and_comes_back(address: str) -> None:
    assert spoke(say(address, device="narrow")) == "narrow"
    (replica,) = [
        p for p in psutil.process_iter() if _title(p).startswith("ray::ServeReplica:pools:TextToSemantic-narrow")
    ]
    replica.kill()
    assert spoke(say(address)) == "wide"
    assert spoke(say(address, device="wide")) == "wide"
    eventually(lambda: say(address), lambda answer: answer.status_code == 200 and spoke(answer) == "narrow", within=90)


def encoders() -> int:
    states = serve.status().applications["pools"].deployments["ReferenceEncoder"].replica_states
    return states.get("RUNNING", 0)


def test_what_stands_by_wakes_for_a_request_that_asks_and_goes_back_to_zero(address: str) -> None:
    """A stage and a pool: they fall asleep side by side, and the pool wakes again."""
    assert encoders() == 0 and httpx.get(f"{address}/health").status_code == 200
    form = {"text": "Hello.", "reference_text": "words", "max_new_tokens": "20", "seed": "1", "device": "wide"}
    answer = httpx.post(f"{address}/v1/tts", data=form, files={"reference_audio": recording()}, timeout=90)
    assert spoke(answer) == "wide" and encoders() == 1
    eventually(lambda: pool(address, "narrow")["state"], lambda state: state == "asleep", within=90)
    eventually(encoders, lambda count: count == 0, within=90)
    assert spoke(say(address, device="narrow")) == "narrow"
    eventually(lambda: pool(address, "narrow")["state"], lambda state: state == "running")


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
