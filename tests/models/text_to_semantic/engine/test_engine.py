"""The engine on a tiny checkpoint: many streams, the same frames as alone, slots that come back."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from checkpoints.build import TINY, build
from models.checkpoint.reader import Checkpoint
from models.native import build as build_native
from models.text_to_semantic.engine.engine import Engine
from models.text_to_semantic.engine.scheduler import Scheduler
from models.text_to_semantic.native.network import NativeNetwork
from models.text_to_semantic.network.linear import make_linear
from models.text_to_semantic.network.torch_network import CONTEXT_BUCKET
from models.text_to_semantic.network.traffic import weights_per_step
from models.text_to_semantic.prefix_cache import PrefixCache
from models.text_to_semantic.prompt import PromptEncoder
from models.types import Prompt, Sampling
from tests.models.text_to_semantic.engine.client import Client, voice


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
    held = sum(cache.k.nbytes + cache.v.nbytes for cache in network.slow.caches)
    assert stats["kv_bytes_per_position"] * network.slots * (network.positions + CONTEXT_BUCKET) == held
    engine.abort("paused")


def test_weights_of_a_step_are_those_of_the_checkpoint(tiny: Path) -> None:
    checkpoint = Checkpoint(tiny)
    config, tensors = checkpoint.language_model_config, checkpoint.language_model_tensors()

    def stack(prefix: str) -> int:
        return sum(t.numel() for name, t in tensors.items() if name.startswith(prefix) and t.ndim == 2)

    fast = stack("fast_layers.") + tensors["fast_output.weight"][: config.residual_codebook_size].numel()
    slow = stack("layers.") + config.slow.dim * (config.codebook_size + 1)
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


@pytest.mark.skipif(bool(reason := build_native.available()), reason=str(reason))
def test_an_engine_runs_on_the_native_kernels(tiny: Path, encoder: PromptEncoder) -> None:
    checkpoint = Checkpoint(tiny)

    def run(slots: int, texts: list[Prompt]) -> list[np.ndarray]:
        network = NativeNetwork(checkpoint.weights(encoder.ids), slots=slots, positions=400, threads=2)
        engine = Engine(
            network, Scheduler(slots, 16, prefill_chunk=16, lead=10_000, frame_rate=20.0), PrefixCache(1000)
        )
        try:
            clients = [Client(engine, encoder, str(i), text) for i, text in enumerate(texts)]
            return [client.codes() for client in clients]
        finally:
            engine.stop()

    everyone = prompts(8)
    together = run(4, everyone)
    assert max(codes.shape[1] for codes in together) > 20
    for text, codes in zip(everyone, together, strict=True):
        assert np.array_equal(run(1, [text])[0], codes)


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
