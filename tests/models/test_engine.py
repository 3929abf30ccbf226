"""The engine on a tiny checkpoint: many streams, the same frames as alone, slots that come back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from checkpoints.build import TINY, build
from models.checkpoint import Checkpoint
from models.text_to_semantic.engine import Engine
from models.text_to_semantic.linear import make_linear
from models.text_to_semantic.network import Network
from models.text_to_semantic.prefix_cache import PrefixCache
from models.text_to_semantic.prompt import PromptEncoder
from models.text_to_semantic.scheduler import Scheduler
from models.text_to_semantic.traffic import weights_per_step
from models.types import Busy, EncodedReference, Finished, NotReady, Prompt, Sampling, TooLarge
from tests.graph import eventually

LEAD = 10_000


class Client:
    """One caller of the engine; `events` fills as the engine delivers."""

    def __init__(self, engine: Engine, encoder: PromptEncoder, name: str, prompt: Prompt) -> None:
        self.events: queue.Queue = queue.Queue()
        engine.submit(name, encoder.encode(prompt), prompt.sampling, self.events.put)

    def codes(self) -> np.ndarray:
        blocks = []
        while isinstance(event := self.events.get(timeout=30), np.ndarray):
            blocks.append(event)
        if isinstance(event, Exception):
            raise event
        assert isinstance(event, Finished) and event.frames == len(blocks)
        self.finished = event
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((4, 0), np.int16)


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> PromptEncoder:
    return PromptEncoder(tiny, 4)


@pytest.fixture
def make_engine(tiny: Path, encoder: PromptEncoder) -> Iterator:
    engines = []

    def make(
        slots: int = 4, lead: int = LEAD, waiting: int = 16, quantization: str = "none", path: Path = tiny
    ) -> Engine:
        checkpoint = Checkpoint(path)
        network = Network(
            checkpoint.language_model_config,
            checkpoint.language_model_tensors(),
            encoder.ids,
            slots=slots,
            positions=400,
            quantization=quantization,
        )
        engine = Engine(
            network, Scheduler(slots, waiting, prefill_chunk=16, lead=lead, frame_rate=20.0), PrefixCache(200)
        )
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.stop()


def voice(seed: int) -> tuple[EncodedReference, ...]:
    codes = np.random.default_rng(seed).integers(0, 1024, (4, 30)).astype(np.int16)
    return (EncodedReference(codes, f"voice {seed}"),)


def prompts(count: int) -> list[Prompt]:
    return [
        Prompt("Speak this. " * (1 + i % 3), voice(i % 2) if i % 3 else (), Sampling(seed=i, max_new_tokens=20 + 7 * i))
        for i in range(count)
    ]


def test_streams_draw_the_same_alone_and_in_a_crowd(make_engine, encoder: PromptEncoder) -> None:
    alone_engine, crowd_engine = make_engine(slots=1), make_engine(slots=4)
    everyone = prompts(10)
    crowd = [Client(crowd_engine, encoder, str(i), prompt) for i, prompt in enumerate(everyone)]
    together = [client.codes() for client in crowd]
    assert crowd_engine.widest_batch == 4
    for i, prompt in enumerate(everyone):
        assert np.array_equal(Client(alone_engine, encoder, str(i), prompt).codes(), together[i])
    assert max(codes.shape[1] for codes in together) > 30
    stats = crowd_engine.stats()
    assert stats["slots_used"] == stats["waiting"] == 0
    assert stats["prefix_cache_hits"] > 0


def test_a_frame_leaves_before_the_next_step(make_engine, encoder: PromptEncoder) -> None:
    engine, prompt = make_engine(slots=2), Prompt("Speak. ", voice(1), Sampling(seed=1, max_new_tokens=3))
    events, ended, before_steps = [], threading.Event(), []
    decode = engine._network.decode

    def deliver(event: object) -> None:
        events.append(event)
        if not isinstance(event, np.ndarray):
            ended.set()

    def watched(rows: int, context: int) -> torch.Tensor:
        before_steps.append(len(events))
        return decode(rows, context)

    engine._network.decode = watched
    engine.submit("one", encoder.encode(prompt), prompt.sampling, deliver)
    assert ended.wait(30) and before_steps == [1, 2]


def test_a_voice_of_one_frame_is_kept(make_engine, encoder: PromptEncoder) -> None:
    engine = make_engine()
    texts = [Prompt(text, voice(1), Sampling(seed=2, max_new_tokens=1)) for text in ("Speak. ", "Speak now. ")]
    Client(engine, encoder, "first", texts[0]).codes()
    again = Client(engine, encoder, "again", texts[1])
    assert np.array_equal(again.codes(), Client(make_engine(), encoder, "fresh", texts[1]).codes())
    assert again.finished.cached_positions > 0


def test_a_stream_says_how_it_was_served(make_engine, encoder: PromptEncoder) -> None:
    engine = make_engine(slots=2, waiting=4)
    prompts = [Prompt("Speak. ", voice(1), Sampling(seed=i, max_new_tokens=30)) for i in range(3)]
    clients = [Client(engine, encoder, str(i), prompt) for i, prompt in enumerate(prompts)]
    ends = []
    for client in clients:
        codes = client.codes()
        ends.append(client.finished)
        assert client.finished.frames == codes.shape[1]
        assert client.finished.decode_steps == codes.shape[1] - client.finished.reached_limit
        assert 0 < client.finished.decode_seconds <= client.finished.seconds
        assert client.finished.prompt_positions == encoder.encode(prompts[0]).values.shape[1]
    assert 1 < max(end.batch_width for end in ends) <= 2
    assert ends[2].queue_seconds > ends[0].queue_seconds, "the third waited for a slot"
    assert ends[2].cached_positions == encoder.encode(prompts[0]).prefix_length > ends[0].cached_positions == 0
    short = Client(engine, encoder, "short", Prompt("x", sampling=Sampling(seed=1, max_new_tokens=1)))
    short.codes()
    assert (short.finished.decode_steps, short.finished.batch_width) == (0, None)


def test_memory_in_use_is_counted(make_engine, encoder: PromptEncoder) -> None:
    engine = make_engine(slots=1, lead=3)
    prompt = Prompt("x", sampling=Sampling(seed=1, max_new_tokens=300))
    client = Client(engine, encoder, "paused", prompt)
    for _ in range(3):
        client.events.get(timeout=30)
    stats = engine.stats()
    assert stats["positions_used"] == encoder.encode(prompt).values.shape[1] + 3
    network = engine._network
    held = sum(cache.k.nbytes + cache.v.nbytes for cache in network._caches)
    assert stats["kv_bytes_per_position"] * network.slots * network.positions == held
    engine.abort("paused")


def test_weights_of_a_step_are_those_of_the_checkpoint(tiny: Path) -> None:
    checkpoint = Checkpoint(tiny)
    config, tensors = checkpoint.language_model_config, checkpoint.language_model_tensors()

    def stack(prefix: str) -> int:
        return sum(t.numel() for name, t in tensors.items() if name.startswith(prefix) and t.ndim == 2)

    fast = stack("fast_layers.") + tensors["fast_output.weight"][: config.residual_codebook_size].numel()
    slow = stack("layers.") + config.dim * (config.codebook_size + 1)
    assert weights_per_step(config) == slow + (config.num_codebooks - 1) * fast + stack("fast_project_in")


def test_limits_end_a_stream(make_engine, encoder: PromptEncoder) -> None:
    engine = make_engine()
    for limit in (1, 2, 5):
        codes = Client(engine, encoder, "a", Prompt("x", sampling=Sampling(seed=3, max_new_tokens=limit))).codes()
        assert codes.shape[1] <= limit
        assert codes.min() >= 0 and codes[0].max() < 1088 and codes[1:].max() < 1024


def test_an_utterance_ends_where_the_codes_are_the_last_of_the_vocabulary(
    make_engine, encoder: PromptEncoder, tmp_path: Path
) -> None:
    """A step may still run after the end, whose place after the codes is then beyond the embeddings."""
    codes_end = encoder.ids.semantic_begin + TINY.language_model.codebook_size
    recipe = replace(TINY, stop=3.0, language_model=replace(TINY.language_model, vocab_size=codes_end))
    engine = make_engine(path=build(recipe, tmp_path / "exact", seed=1))
    spoken = [
        Client(engine, encoder, str(i), Prompt("x", sampling=Sampling(seed=i, max_new_tokens=200))) for i in range(8)
    ]
    for client in spoken:
        client.codes()
    assert not any(client.finished.reached_limit for client in spoken)


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
    eventually(lambda: engine._began, lambda began: began is None)
    monkeypatch.setattr("models.text_to_semantic.engine.STALLED_AFTER", 0.0)
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


def test_int8_speaks(make_engine, encoder: PromptEncoder) -> None:
    codes = Client(
        make_engine(quantization="int8"), encoder, "a", Prompt("x", sampling=Sampling(max_new_tokens=20))
    ).codes()
    assert 0 < codes.shape[1] <= 20


def test_int8_rows_do_not_see_their_neighbours() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(48, 64, generator=generator)
    linear = make_linear(weight, torch.randn(48, generator=generator), "int8", torch.empty(0))
    rows = torch.randn(9, 64, generator=generator) * torch.logspace(-3, 3, 9)[:, None]
    together = linear(rows)
    assert all(torch.equal(linear(row[None])[0], together[i]) for i, row in enumerate(rows))
    exact = rows @ weight.T
    assert torch.nn.functional.cosine_similarity(together - linear(torch.zeros(1, 64)), exact).min() > 0.999
