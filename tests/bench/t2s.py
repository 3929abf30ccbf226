"""Text-to-semantic: our engine beside upstream's `generate`, with the same weights and the same prompt.

The engine's side imports torch and numpy only, so that `gpu` also runs on a bare GPU machine.
"""

from __future__ import annotations

import itertools
import queue
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from models.checkpoint.configs import LanguageModelConfig
from models.families.s1.config import DualARConfig
from models.runtime.precision import DTYPES
from models.text_to_semantic.engine.engine import Engine
from models.text_to_semantic.engine.scheduler import Scheduler
from models.text_to_semantic.network.interface import EncodedPrompt, Network, TokenIds
from models.text_to_semantic.network.torch_network import TorchNetwork
from models.text_to_semantic.network.weights import Weights
from models.text_to_semantic.prefix_cache import PrefixCache
from models.types import Finished, Sampling
from tests.bench.isolate import Bench
from tests.bench.report import Figure

TRANSCRIPT, REFERENCE, TEXT = 45, 215, 40  # positions of a prompt: 300 with a 10 s reference (21.5 frames a second)
FRAMES = 64  # that streams are measured over: contexts of 300 to 400
UPSTREAM_FRAMES = 4  # at seven seconds each
VOICES = 4
FRAME_RATE = 44100 / 2048


def t2s_1(bench: Bench) -> list[Figure]:
    planned = bench.measure(throughput, streams=1)
    details = {
        "planned": planned,
        "int4": (smaller := bench.measure(throughput, streams=1, quantization="int4")),
        "torch int8": bench.measure(throughput, streams=1, torch_path=["bfloat16", "int8"]),
        "torch bf16": bench.measure(throughput, streams=1, torch_path=["bfloat16", "none"]),
        "upstream": (theirs := bench.measure(upstream)),
    }
    lines = {"t2s-1": planned, "t2s-1-int4": smaller}
    return [
        Figure(line, ours["frames_per_second"], 1 / theirs["frame_s"], details=details) for line, ours in lines.items()
    ]


def t2s_16(bench: Bench) -> list[Figure]:
    planned, theirs = bench.measure(throughput, streams=16), bench.measure(upstream)
    details = {"planned": planned, "upstream": {**theirs, "note": "one at a time"}}
    return [Figure("t2s-16", planned["frames_per_second"], 1 / theirs["frame_s"], details=details)]


def prefill(bench: Bench) -> list[Figure]:
    ours, theirs = bench.measure(first_frames), bench.measure(upstream)
    return [Figure("prefill", ours["cold_s"], theirs["prefill_s"], details={"ours": ours, "upstream": theirs})]


def prefix(bench: Bench) -> list[Figure]:
    ours, theirs = bench.measure(first_frames), bench.measure(upstream)
    details = {"ours": ours, "upstream": {**theirs, "note": "prefills everything again"}}
    return [Figure("prefix", ours["kept_s"], theirs["prefill_s"], must=ours["text_alone_s"] + 0.02, details=details)]


def throughput(
    checkpoint: str,
    threads: int,
    repeats: int,
    streams: int,
    torch_path: list[str] | None = None,
    quantization: str | None = None,
) -> dict[str, Any]:
    network = network_of(checkpoint, threads, max(16, streams), "cpu", torch_path, quantization)
    return throughput_of(network, repeats, streams)


def throughput_of(network: Network, repeats: int, streams: int) -> dict[str, Any]:
    """Frames a second of all streams together while all of them run, through the engine."""
    engine = _engine(network)
    frames = FRAMES + 2 * streams  # streams start one a step: all run together for at least FRAMES
    rates = []
    for run in range(repeats + 1):
        prompts = [prompt_of(network, voice=i % VOICES, text=1000 * run + i) for i in range(streams)]
        rates.append(_rate(speak(engine, prompts, frames, seed=1000 * run)))
    engine.stop()
    rates = [rate for rate in rates[1:] if rate]  # the first run fills the prefix cache and makes what first calls make
    return {"frames_per_second": median(rates), "runs": rates, "network": type(network).__name__, "streams": streams}


def _rate(times: list[list[float]]) -> float | None:
    """Frames a second between the last stream's first frame and the first stream's last one; None if random weights
    ended a stream before that."""
    began, ended = max(stream[0] for stream in times), min(stream[-1] for stream in times)
    if ended <= began:
        return None
    return sum(began < t <= ended for stream in times for t in stream) / (ended - began)


def first_frames(checkpoint: str, threads: int, repeats: int) -> dict[str, Any]:
    return first_frames_of(network_of(checkpoint, threads, 16, "cpu", None), repeats)


def first_frames_of(network: Network, repeats: int) -> dict[str, Any]:
    """Medians, in seconds from submission to a stream's first frame: a new voice, the same voice with another text, and
    a text of that length without a voice."""
    engine = _engine(network)
    cold, kept, alone, four = [], [], [], []
    for run in range(repeats + 1):
        cold.append(speak(engine, [prompt_of(network, voice=run, text=3 * run)], 1)[0][0])
        again = speak(engine, [prompt_of(network, voice=run, text=3 * run + 1)], 4)[0]
        kept.append(again[0])
        four.append(again[-1])
        alone.append(speak(engine, [prompt_of(network, voice=None, text=3 * run + 2)], 1)[0][0])
    engine.stop()
    names = ("cold_s", "kept_s", "text_alone_s", "four_frames_s")
    medians = {name: median(times[1:]) for name, times in zip(names, (cold, kept, alone, four), strict=True)}
    return medians | {"network": type(network).__name__, "new_positions": TEXT}


def upstream(checkpoint: str, threads: int, repeats: int, device: str = "cpu") -> dict[str, Any]:
    """Upstream's own `generate` in bf16 as it ships: seconds to its first frame (its prefill), and a frame after it.

    `device` "cuda" is not compiled: to do so takes upstream minutes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fish_speech.models.text2semantic import inference
    model, decode = inference.init_model(checkpoint, device, torch.bfloat16)
    # Upstream samples over the whole vocabulary and crashes on a text token; it may not end either, to be measured.
    allowed = torch.full((model.config.vocab_size,), -torch.inf, device=device)
    allowed[model.tokenizer.semantic_begin_id : model.tokenizer.semantic_end_id + 1] = 0
    model.output.register_forward_hook(lambda module, args, logits: logits + allowed.to(logits))
    ids = TokenIds(model.tokenizer.semantic_begin_id, model.tokenizer.get_token_id("<|im_end|>"))
    config = DualARConfig.read(Path(checkpoint) / "config.json").network
    times = []

    def timed(*args: Any, **options: Any) -> torch.Tensor:
        began = time.perf_counter()
        frame = decode(*args, **options)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
        return frame

    settings = {"temperature": 0.8, "top_p": 0.8, "repetition_penalty": 1.1}
    with patch.object(inference, "decode_one_token_ar", timed):  # what `generate` prefills with
        inference.generate(
            model=model,
            prompt=prompt_values(config, ids, voice=0, text=0).to(device),
            max_new_tokens=1 + UPSTREAM_FRAMES,
            audio_masks=None,
            audio_parts=None,
            decode_one_token=timed,
            **settings,
        )
    return {"prefill_s": times[0], "frame_s": median(times[1:]), "frames_measured": len(times) - 1, "runs": times}


def network_of(
    checkpoint: str,
    threads: int,
    slots: int,
    device: str,
    torch_path: list[str] | None,
    quantization: str | None = None,
) -> Network:
    """The network that a replica would run by the plan, in another `quantization` if given; or torch's path at the
    given dtype and quantisation."""
    if torch_path:
        return torch_network(checkpoint, slots, device, torch_path)
    from models.text_to_semantic.load import make_network
    from tests.bench.machine import plan

    stage = plan(threads).stages["text_to_semantic"]
    options = {"device": stage.device, "dtype": DTYPES[stage.precision]}
    quantization = quantization or stage.quantization
    weights = _weights(checkpoint, device)
    return make_network(weights, slots=slots, threads=threads, quantization=quantization, **options)


def torch_network(checkpoint: str, slots: int, device: str, torch_path: list[str]) -> TorchNetwork:
    """torch's path at the given dtype and quantisation."""
    dtype, weights = torch_path
    dtype = torch.float32 if weights == "int8" and device == "cpu" else getattr(torch, dtype)
    options: dict[str, Any] = {"device": device, "dtype": dtype, "quantization": weights, "positions": 2048}
    return TorchNetwork(_weights(checkpoint, device), slots=slots, **options)


def _weights(checkpoint: str, device: str) -> Weights:
    """A GPU machine without the checkpoint gets random weights of S1-mini's shapes."""
    if device == "cuda" and not Path(checkpoint).is_dir():
        from checkpoints.build import S1_MINI

        config, ids = S1_MINI.language_model.network, TokenIds(151658, 151647)
        tensors = _random_tensors(config, device)
        # Logits that spread, and the end's 0 amid them, below the top_p: an utterance that ends early is not measured.
        tensors["output.weight"] *= 2
        tensors["output.weight"][ids.end] = 0
        return Weights.of(config, ids, tensors)
    from models.checkpoint.reader import Checkpoint

    source = Checkpoint(checkpoint)
    return source.weights(source.prompt_encoder().ids)


def _random_tensors(config: LanguageModelConfig, device: str) -> dict[str, torch.Tensor]:
    from models.checkpoint.tensors import language_model_shapes

    def tensor(shape: tuple[int, ...]) -> torch.Tensor:
        scale = 0.03 if len(shape) > 1 else 1.0
        return (scale * torch.randn(shape, device=device)).bfloat16()

    return {name: tensor(shape) for name, shape in language_model_shapes(config).items()}


def _engine(network: Network) -> Engine:
    never_pauses = 1 << 30
    return Engine(
        network, Scheduler(network.slots, network.slots, 128, never_pauses, FRAME_RATE), PrefixCache(64 * 300)
    )


def prompt_of(network: Network, voice: int | None, text: int) -> EncodedPrompt:
    values = prompt_values(network.config, network.ids, voice, text)
    if voice is None:
        return EncodedPrompt(values, 0, None)
    return EncodedPrompt(values, TRANSCRIPT + REFERENCE, f"voice {voice}")


def prompt_values(config: LanguageModelConfig, ids: TokenIds, voice: int | None, text: int) -> torch.Tensor:
    """(1 + num_codebooks, T): a transcript, a reference's frames and a text, each random by its number."""

    def words(count: int, seed: int) -> np.ndarray:
        values = np.zeros((1 + config.num_codebooks, count), np.int32)
        values[0] = np.random.default_rng(seed).integers(0, ids.semantic_begin - 15, count)  # 15 control tokens
        return values

    if voice is None:
        return torch.from_numpy(words(TEXT, text))
    random = np.random.default_rng(voice)
    codes = random.integers(0, config.residual_codebook_size, (config.num_codebooks, REFERENCE))
    spoken = np.concatenate([codes[:1] + ids.semantic_begin, codes]).astype(np.int32)
    return torch.from_numpy(np.concatenate([words(TRANSCRIPT, voice), spoken, words(TEXT, text)], axis=1))


_names = itertools.count()


def speak(engine: Engine, prompts: list[EncodedPrompt], frames: int, seed: int = 0) -> list[list[float]]:
    """Submit all at once; for each the seconds until each of its frames. Random weights may end a stream early."""
    ended: queue.Queue[Finished | Exception] = queue.Queue()
    times: list[list[float]] = [[] for _ in prompts]
    began = time.perf_counter()

    def deliver(stream: list[float], event: object) -> None:
        if isinstance(event, np.ndarray):
            stream.append(time.perf_counter() - began)
        else:
            ended.put(event)

    for i, (prompt, stream) in enumerate(zip(prompts, times, strict=True)):
        sampling = Sampling(max_new_tokens=frames, seed=seed + i)
        engine.submit(str(next(_names)), prompt, sampling, lambda event, stream=stream: deliver(stream, event))
    for _ in prompts:
        if isinstance(event := ended.get(), Exception):
            raise event
    return times
