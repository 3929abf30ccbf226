"""The codec: our streaming decoder and our encoder beside upstream's DAC, with the same weights."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from cluster.planning.stages import DECODER, ENCODER
from models.checkpoint.configs import CodecConfig
from models.checkpoint.reader import Checkpoint
from models.reference_encoder.encoder import ReferenceEncoder
from models.vq_decoder.decoder import VQDecoder
from tests.bench.isolate import Bench
from tests.bench.machine import plan
from tests.bench.report import Figure

FIRST, BLOCK = 4, 25  # frames
UTTERANCE = 108  # frames: 5 s of S1-mini's speech
REFERENCE_SECONDS = 10


def decode(bench: Bench) -> list[Figure]:
    ours, theirs = bench.measure(streaming), bench.measure(upstream_decode)
    return [Figure("decode", ours["rtf"], theirs["rtf"], details={"ours": ours, "upstream": theirs})]


def first_block(bench: Bench) -> list[Figure]:
    ours, theirs = bench.measure(streaming), bench.measure(upstream_decode)
    details = {"ours": ours, "upstream": {**theirs, "note": "its first sound comes with its last: 5 s decoded whole"}}
    return [Figure("first-block", ours["first_block_ms"], 1e3 * theirs["seconds"], details=details)]


def encode(bench: Bench) -> list[Figure]:
    ours, theirs = bench.measure(encoding), bench.measure(upstream_encode)
    return [Figure("encode", ours["rtf"], theirs["rtf"], details={"ours": ours, "upstream": theirs})]


def streaming(checkpoint: str, threads: int, repeats: int, device: str = "cpu") -> dict[str, Any]:
    """The decoder as planned: first blocks of new streams, then 25-frame blocks of one stream."""
    stage = plan(threads, device).stages[DECODER]
    source = Checkpoint(checkpoint)
    config = source.codec_config
    decoder = VQDecoder(config, source.codec_tensors("decoder"), device, stage.precision, max_streams=2)
    decoder.warm_up([FIRST, BLOCK])

    def first() -> None:
        stream = decoder.open()
        decoder.decode([(stream, _codes(config, FIRST))])
        stream.close()

    stream = decoder.open()
    block = median(_times(lambda: decoder.decode([(stream, _codes(config, BLOCK))]), 2 * repeats))
    first_ms = 1e3 * median(_times(first, 2 * repeats))
    return {"rtf": block / (BLOCK / config.frame_rate), "first_block_ms": first_ms, "precision": stage.precision}


def encoding(checkpoint: str, threads: int, repeats: int, device: str = "cpu") -> dict[str, Any]:
    """The encoder as planned, and in fp32 and bf16."""
    stage = plan(threads, device).stages[ENCODER]
    source = Checkpoint(checkpoint)
    config, tensors = source.codec_config, source.codec_tensors("encoder")
    sound = _sound(config)
    rtf = {}
    for precision in dict.fromkeys([stage.precision, "fp32", *(["bf16"] if _has_bf16(device) else [])]):
        encoder = ReferenceEncoder(config, tensors, device, precision)
        rtf[precision] = median(_times(lambda e=encoder: e.encode([sound]), repeats)) / REFERENCE_SECONDS
        del encoder
    return {"rtf": rtf[stage.precision], "precision": stage.precision, "rtf_by_precision": rtf}


def upstream_decode(checkpoint: str, threads: int, repeats: int, device: str = "cpu") -> dict[str, Any]:
    """Upstream's DAC decodes whole utterances, in fp32 as it ships; bf16 beside it."""
    model, config = _upstream(checkpoint).to(device), Checkpoint(checkpoint).codec_config
    codes = torch.from_numpy(_codes(config, UTTERANCE).astype(np.int64))[None].to(device)
    length = torch.tensor([UTTERANCE], device=device)
    audio_seconds = UTTERANCE / config.frame_rate
    seconds = median(_times(lambda: model.decode(codes, length), repeats))
    figures = {"rtf": seconds / audio_seconds, "seconds": seconds, "frames": UTTERANCE}
    if _has_bf16(device):
        model.bfloat16()
        bf16 = median(_times(lambda: model.decode(codes, length), min(repeats, 3)))
        figures["rtf_bf16"] = bf16 / audio_seconds
    return figures


def upstream_encode(checkpoint: str, threads: int, repeats: int, device: str = "cpu") -> dict[str, Any]:
    """Upstream's DAC encodes in fp32 as it ships; bf16 beside it."""
    model, config = _upstream(checkpoint).to(device), Checkpoint(checkpoint).codec_config
    sound = torch.from_numpy(_sound(config))[None].to(device)
    seconds = median(_times(lambda: model.encode(sound), repeats))
    figures = {"rtf": seconds / REFERENCE_SECONDS}
    if _has_bf16(device):
        model.bfloat16()
        bf16 = median(_times(lambda: model.encode(sound.bfloat16()), min(repeats, 3)))
        figures["rtf_bf16"] = bf16 / REFERENCE_SECONDS
    return figures


def _has_bf16(device: str) -> bool:
    """Elsewhere it is emulated: upstream's decoder then takes minutes for five seconds."""
    return device != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _upstream(checkpoint: str) -> torch.nn.Module:
    """Upstream's DAC from its own configuration, with the checkpoint's weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import hydra
        from fish_speech.models.dac import modded_dac
        from omegaconf import OmegaConf

        OmegaConf.register_new_resolver("eval", eval, replace=True)  # upstream's file computes with it
        packaged = Path(modded_dac.__file__).parents[2] / "configs" / "modded_dac_vq.yaml"
        own = Path(checkpoint) / "codec.yaml"
        model = hydra.utils.instantiate(OmegaConf.load(own if own.exists() else packaged))
    state = torch.load(Path(checkpoint) / "codec.pth", mmap=True, weights_only=True)
    state = state.get("state_dict", state)
    model.load_state_dict({name.removeprefix("generator."): tensor for name, tensor in state.items()}, strict=False)
    return model.eval()


def _times(work: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each call, after one that is not counted."""
    finish = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    work()
    times = []
    for _ in range(repeats):
        finish()
        began = time.perf_counter()
        work()
        finish()
        times.append(time.perf_counter() - began)
    return times


def _codes(config: CodecConfig, frames: int) -> np.ndarray:
    random = np.random.default_rng(0)
    semantic = random.integers(0, config.semantic_codebook_size, (1, frames))
    residual = random.integers(0, config.codebook_size, (config.n_codebooks, frames))
    return np.concatenate([semantic, residual]).astype(np.int16)


def _sound(config: CodecConfig) -> np.ndarray:
    random = np.random.default_rng(0)
    return (0.1 * random.standard_normal(REFERENCE_SECONDS * config.sample_rate)).astype(np.float32)
