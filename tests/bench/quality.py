"""The error of int8 and int4: the native kernels against the torch network in fp32, and each linear layer's error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint.reader import Checkpoint
from models.text_to_semantic.native.network import NativeNetwork
from models.text_to_semantic.network.torch_network import TorchNetwork
from models.text_to_semantic.network.weights import Weights
from models.types import Sampling
from tests.bench import t2s
from tests.bench.isolate import Bench
from tests.bench.report import Figure
from tests.models.text_to_semantic.network.networks import kept, rounded

FRAMES, PROMPTS, POSITIONS = 6, 3, 512
LAYERS = {
    "wqkv": ("attention.wqkv",),
    "wo": ("attention.wo",),
    "w13": ("feed_forward.w1", "feed_forward.w3"),
    "w2": ("feed_forward.w2",),
}
INT16 = 32767


def quality(bench: Bench) -> list[Figure]:
    found = {line: bench.measure(against_fp32, bits=bits) for line, bits in (("quality", 8), ("quality-int4", 4))}
    return [Figure(line, each["logits_cosine_least"], details=each) for line, each in found.items()]


def against_fp32(checkpoint: str, threads: int, repeats: int, bits: int) -> dict[str, Any]:
    """Cosines of every codebook's logits, and each linear layer's relative error on the inputs that it has in fp32."""
    source = Checkpoint(checkpoint)
    config, tensors = source.language_model_config, source.language_model_tensors()
    ids = source.prompt_encoder().ids
    weights = Weights.of(config, ids, tensors)
    exact = TorchNetwork(weights, slots=1, positions=POSITIONS)
    native = NativeNetwork(weights, slots=1, positions=POSITIONS, threads=threads, bits=bits)
    cosines = [cosine for prompt in range(PROMPTS) for cosine in _logits(exact, native, prompt)]
    errors = _layer_errors(exact, tensors, t2s.prompt_values(config, ids, 0, 0), bits)
    by_kind = {name: [e for layer, e in errors.items() if layer.endswith(name)] for (*_, name) in LAYERS.values()}
    return {
        "logits_cosine_least": min(cosines),
        "logits_cosine_median": median(cosines),
        "logits_compared": len(cosines),
        "relative_error": {name: {"median": median(each), "most": max(each)} for name, each in by_kind.items()},
        "relative_error_by_layer": errors,
    }


def _logits(exact: TorchNetwork, native: NativeNetwork, prompt: int) -> Iterator[float]:
    """Cosine of each codebook's logits, frame by frame, as long as both draw the same codes."""
    taken: list[Tensor] = []
    heads = exact.slow.head, exact.fast.head
    exact.slow.head, exact.fast.head = (kept(head, taken) for head in heads)
    values = t2s.prompt_values(exact.config, exact.ids, prompt, prompt)
    for network in (exact, native):
        network.reset(0, Sampling(seed=prompt))
    hidden = exact.prefill(0, values, 0), native.prefill(0, values, 0)
    for frame in range(FRAMES):
        taken.clear()
        trace = torch.empty(1, native.trace_size())
        if frame == 0:
            expected, got = exact.first_frame(0, hidden[0]), native.first_frame(0, hidden[1], trace)
        else:
            expected, got = exact.decode(1, POSITIONS), native.decode_rows([0], trace)
        sizes = [logits.shape[-1] for logits in taken]
        for codebook, (wanted, row) in enumerate(zip(taken, trace[0].split(sizes), strict=True)):
            yield float(F.cosine_similarity(row, wanted[-1].flatten(), dim=0))
            if expected[0, codebook + 1] != got[0, codebook + 1]:  # other codes lead to other logits
                exact.slow.head, exact.fast.head = heads
                return
    exact.slow.head, exact.fast.head = heads


def _layer_errors(exact: TorchNetwork, tensors: dict[str, Tensor], values: Tensor, bits: int) -> dict[str, float]:
    """|quantised - exact| / |exact| of each linear layer's outputs over a prompt and a frame, with the kernels' own
    quantisation: weights by groups, activations in int16 by rows."""
    errors: dict[str, float] = {}

    def compared(linear: Callable[[Tensor], Tensor], name: str, weight: Tensor) -> Callable[[Tensor], Tensor]:
        multiplied = rounded(weight, bits)

        def call(x: Tensor) -> Tensor:
            y = linear(x)
            step = x.abs().amax(-1, keepdim=True) / INT16
            difference = F.linear((x / step).round() * step, multiplied) - F.linear(x, weight.float())
            errors[name] = max(errors.get(name, 0.0), float(difference.norm() / y.norm()))
            return y

        return call

    for prefix, blocks in (("layers", exact.slow.blocks), ("fast_layers", exact.fast.blocks)):
        for i, block in enumerate(blocks):
            for attribute, names in LAYERS.items():
                weight = torch.cat([tensors[f"{prefix}.{i}.{name}.weight"] for name in names])
                wrapped = compared(getattr(block, attribute), f"{prefix}.{i}.{names[-1]}", weight)
                setattr(block, attribute, wrapped)
    exact.reset(0, Sampling())
    exact.first_frame(0, exact.prefill(0, values, 0))
    return errors
