"""Clients that stall, leave or fail, and steps that do: no other client is told, and nothing is lost."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from models.native import build
from models.text_to_semantic.prompt import PromptEncoder
from models.types import Busy, NotReady, Prompt, Sampling, TooLarge
from tests.graph.server import eventually
from tests.models.text_to_semantic.engine.client import Client, voice
from tests.paths import ROOT


def test_a_silent_client_pauses_its_stream_and_others_go_on(make_engine, encoder: PromptEncoder) -> None:
    engine = make_engine(slots=2, lead=5)
    prompt = Prompt("x", sampling=Sampling(seed=1, max_new_tokens=40))
    silent = Client(engine, encoder, "silent", prompt)
    got = [silent.events.get(timeout=30) for _ in range(5)]
    other = Client(engine, encoder, "other", Prompt("y", sampling=Sampling(seed=2, max_new_tokens=5)))
    other.codes()
    assert silent.events.empty(), "a stream ran on beyond its lead"
    while isinstance(got[-1], np.ndarray):
        engine.acknowledge("silent", len(got))
        got.append(silent.events.get(timeout=30))
    free = make_engine(slots=1)
    assert np.array_equal(np.concatenate(got[:-1], axis=1), Client(free, encoder, "free", prompt).codes())


def test_an_engine_whose_clients_all_stall_is_healthy_and_one_that_is_stuck_is_not(
    make_engine, encoder: PromptEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(slots=1, lead=3)
    silent = Client(engine, encoder, "silent", Prompt("x", sampling=Sampling(seed=1, max_new_tokens=40)))
    for _ in range(3):
        silent.events.get(timeout=30)
    eventually(lambda: engine._health._began, lambda began: began is None)
    monkeypatch.setattr(engine._health, "_stalled_after", 0.0)
    engine.check_health()
    stuck, go_on = threading.Event(), threading.Event()
    decode = engine._network.decode

    def hangs(rows: int, context: int) -> torch.Tensor:
        stuck.set()
        go_on.wait(30)
        return decode(rows, context)

    engine._network.decode = hangs
    engine.acknowledge("silent", 3)
    assert stuck.wait(30)
    with pytest.raises(NotReady, match="has not finished a step"):
        engine.check_health()
    go_on.set()


def test_what_cannot_be_kept_of_a_voice_ends_no_stream(
    make_engine, encoder: PromptEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()

    def full(slot: int, length: int) -> None:
        raise torch.OutOfMemoryError("none left")

    monkeypatch.setattr(engine._network, "copy_prefix", full)
    for name in ("first", "again"):
        prompt = Prompt("x", voice(1), Sampling(seed=1, max_new_tokens=5))
        assert Client(engine, encoder, name, prompt).codes().shape[1] > 0
    assert engine.stats()["prefix_cache_voices"] == 0


def test_whatever_fails_every_stream_is_told(make_engine, encoder: PromptEncoder) -> None:
    engine = make_engine(slots=2, lead=3)
    told: queue.Queue = queue.Queue()

    def gone(event: object) -> None:
        raise RuntimeError("the loop is closed")

    other = Client(engine, encoder, "other", Prompt("y", sampling=Sampling(seed=2, max_new_tokens=300)))
    other.events.get(timeout=30)
    engine.submit("gone", encoder.encode(Prompt("x")), Sampling(seed=1), gone)
    while isinstance(event := other.events.get(timeout=30), np.ndarray):
        engine.acknowledge("other", 300)
    assert isinstance(event, RuntimeError)

    def no_files() -> list:
        raise OSError("too many open files")

    admit, engine._admit = engine._admit, no_files
    engine.submit("waits", encoder.encode(Prompt("x")), Sampling(seed=1), told.put)
    assert isinstance(told.get(timeout=30), OSError)
    engine._admit = admit
    engine._health.succeed()  # a command may have met it too
    assert Client(engine, encoder, "b", Prompt("x", sampling=Sampling(max_new_tokens=3))).codes().shape[1] <= 3


def test_abort_frees_the_slot_wherever_the_stream_is(make_engine, encoder: PromptEncoder) -> None:
    engine = make_engine(slots=1, lead=3)
    first = Client(engine, encoder, "running", Prompt("x", sampling=Sampling(seed=1, max_new_tokens=300)))
    Client(engine, encoder, "waiting", Prompt("y", sampling=Sampling(seed=2)))
    last = Client(engine, encoder, "last", Prompt("z", sampling=Sampling(seed=3, max_new_tokens=2)))
    first.events.get(timeout=30)
    engine.abort("waiting")
    engine.abort("running")
    engine.abort("unknown")
    last.codes()
    assert engine.stats()["slots_used"] == engine.stats()["waiting"] == 0


def test_refusals_lose_nothing(make_engine, encoder: PromptEncoder) -> None:
    engine = make_engine(slots=1, waiting=1, lead=2)
    with pytest.raises(TooLarge, match="positions"):
        Client(engine, encoder, "long", Prompt("word " * 400))
    running = Client(engine, encoder, "a", Prompt("x", sampling=Sampling(seed=1, max_new_tokens=300)))
    running.events.get(timeout=30)
    Client(engine, encoder, "b", Prompt("x"))
    with pytest.raises(Busy):
        Client(engine, encoder, "c", Prompt("x"))
    engine.stop()
    with pytest.raises(NotReady):
        Client(engine, encoder, "d", Prompt("x"))
    events = [running.events.get(timeout=30)]
    while isinstance(events[-1], np.ndarray):
        events.append(running.events.get(timeout=30))
    assert isinstance(events[-1], NotReady)


def test_a_failing_step_reaches_its_clients_and_the_engine_lives_on(
    make_engine, encoder: PromptEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()

    def explode(*args: object) -> None:
        raise RuntimeError("no such kernel")

    with monkeypatch.context() as broken:
        broken.setattr(engine._network, "prefill", explode)
        with pytest.raises(RuntimeError, match="no such kernel"):
            Client(engine, encoder, "a", Prompt("x")).codes()
    assert Client(engine, encoder, "b", Prompt("x", sampling=Sampling(max_new_tokens=3))).codes().shape[1] <= 3
    engine.check_health()
    assert engine.stats()["slots_used"] == 0


def test_an_engine_that_only_fails_says_so_and_takes_nothing_more(make_engine, encoder: PromptEncoder) -> None:
    engine = make_engine()
    prefill, error = engine._network.prefill, torch.OutOfMemoryError("none left")

    def fails(*args: object) -> None:
        raise error

    def fail(times: int) -> None:
        engine._network.prefill = fails
        for i in range(times):
            with pytest.raises(type(error)):
                Client(engine, encoder, str(i), Prompt("x")).codes()
            engine.abort(str(i))  # a loop that does nothing else is no success
        engine._network.prefill = prefill

    def speak() -> None:
        Client(engine, encoder, "good", Prompt("x", sampling=Sampling(seed=1, max_new_tokens=2))).codes()

    fail(5)  # for memory there is hope
    engine.check_health()
    error = RuntimeError("CUDA error: an illegal memory access was encountered")
    fail(2)
    speak()
    fail(2)
    engine.check_health()
    speak()
    fail(3)
    with pytest.raises(NotReady, match="failed 3 times in a row"):
        engine.check_health()
    with pytest.raises(NotReady):
        speak()


LEAVES = """
import sys, threading
from models.checkpoint.reader import Checkpoint
from models.text_to_semantic.engine.engine import Engine
from models.text_to_semantic.native.network import NativeNetwork
from models.text_to_semantic.prefix_cache import PrefixCache
from models.text_to_semantic.engine.scheduler import Scheduler
from models.types import Prompt, Sampling

checkpoint = Checkpoint(sys.argv[1])
encoder = checkpoint.prompt_encoder()
network = NativeNetwork(checkpoint.weights(encoder.ids), slots=4, positions=900, threads=2)
engine = Engine(network, Scheduler(4, 4, prefill_chunk=16, lead=10_000, frame_rate=20.0), PrefixCache(0))
speaks = threading.Event()
for i in range(4):
    sampling = Sampling(seed=i, max_new_tokens=800)
    engine.submit(str(i), encoder.encode(Prompt("x")), sampling, lambda event: speaks.set())
assert speaks.wait(30)
"""


@pytest.mark.skipif(bool(reason := build.available()), reason=str(reason))
def test_a_program_may_end_while_it_speaks(tiny: Path) -> None:
    command = [sys.executable, "-c", LEAVES, str(tiny)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
