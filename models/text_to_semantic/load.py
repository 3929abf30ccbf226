"""From a checkpoint to a running, warmed-up engine."""

from __future__ import annotations

import logging
import queue
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from models.checkpoint.reader import Checkpoint
from models.native import build as native
from models.text_to_semantic.engine.engine import Engine
from models.text_to_semantic.engine.scheduler import Scheduler
from models.text_to_semantic.engine.work import Event
from models.text_to_semantic.native.network import NativeNetwork, unfit
from models.text_to_semantic.network.interface import Network
from models.text_to_semantic.network.linear import Quantization
from models.text_to_semantic.network.torch_network import TorchNetwork
from models.text_to_semantic.network.weights import Weights
from models.text_to_semantic.prefix_cache import PrefixCache
from models.text_to_semantic.prompt import PromptEncoder
from models.types import Finished, Prompt, Sampling

logger = logging.getLogger(__name__)

BITS = {"int8": 8, "int4": 4}  # per weight of the native kernels
POSITIONS = 2048  # in a slot: 30 s of reference and its text, a segment of text, and 1,024 frames
PREFIX_POSITIONS = 768  # per voice that the prefix cache is sized for: 30 s of reference and its text
PREFILL_CHUNK = 128  # positions between two decode steps


def load_engine(
    checkpoint: Checkpoint,
    *,
    device: str,
    dtype: torch.dtype,
    quantization: Quantization,
    compiled: bool,
    slots: int,
    threads: int,
    voices: int,
    lead: int,
    positions: int = POSITIONS,
    memory: Callable[[int], int] | None = None,
) -> tuple[PromptEncoder, Engine]:
    """A prompt encoder, and an engine that has spoken once, so that no user waits for what a first call sets up.

    `voices` of 30 s fit the prefix cache; `lead` is in frames; `positions` bounds prompt plus frames of a slot;
    `memory` as for `Engine`. Raises CheckpointError.
    """
    encoder = checkpoint.prompt_encoder()
    network = make_network(
        checkpoint.weights(encoder.ids),
        device=device,
        dtype=dtype,
        quantization=quantization,
        slots=slots,
        threads=threads,
        compiled=compiled,
        positions=positions,
    )
    engine = Engine(
        network,
        Scheduler(slots, slots, PREFILL_CHUNK, lead, checkpoint.codec_config.frame_rate),
        PrefixCache(voices * PREFIX_POSITIONS),
        memory,
    )
    _speak_once(engine, encoder)
    return encoder, engine


def make_network(
    weights: Weights,
    *,
    device: str,
    dtype: torch.dtype,
    quantization: Quantization,
    slots: int,
    threads: int,
    compiled: bool = False,
    positions: int = POSITIONS,
) -> Network:
    """The network for a plan: in int8 or int4 on a CPU the native kernels, where they can be built, or torch's int8."""
    if device == "cpu" and quantization in BITS:
        reason = native.available() or unfit(weights.config)
        if reason is None:
            return NativeNetwork(weights, slots=slots, positions=positions, threads=threads, bits=BITS[quantization])
        logger.warning(
            "text_to_semantic runs on torch's int8, slower than %s by the native kernels: %s", quantization, reason
        )
        quantization = "int8"
        dtype = torch.float32  # oneDNN's dynamic int8 takes and gives fp32
    network = TorchNetwork(
        weights, slots=slots, positions=positions, device=device, dtype=dtype, quantization=quantization
    )
    if compiled:
        try:
            return compile_network(network)
        except Exception as error:  # compilers fail in many ways, and none of them may stop the server
            reason = "".join(traceback.format_exception_only(error)).splitlines()[0]
            advice = _without_headers() if device == "cuda" else ""
            logger.warning("text_to_semantic runs uncompiled, as compiling failed: %s%s", reason, advice)
    return network


def compile_network(network: TorchNetwork) -> Network:
    """As the device runs it fastest. Raises what compilers raise; `network` is usable then too."""
    if network.device.type == "cuda":
        from models.text_to_semantic.fused.network import FusedNetwork  # Triton is there where a GPU is

        return FusedNetwork(network)
    network.compile()
    return network


def _without_headers() -> str:
    """Advice where Python's headers are missing: Triton compiles the launchers of its kernels against them, and its
    error only says that gcc failed."""
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    return "" if header.exists() else f"; {header} is missing (Debian, Ubuntu: apt install gcc python3-dev)"


def _speak_once(engine: Engine, encoder: PromptEncoder) -> None:
    events: queue.Queue[Event] = queue.Queue()
    engine.submit("warm-up", encoder.encode(Prompt("Hello.")), Sampling(max_new_tokens=4), events.put)
    while not isinstance(event := events.get(), Finished):
        if isinstance(event, Exception):
            raise event
