"""What an NVIDIA GPU would be given, traced without one: torch's fake tensors have devices and shapes, and no data.

A tensor left on the CPU fails here, and so does whatever makes the host wait for what the GPU has under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from models.checkpoint.reader import Checkpoint
from models.codec.state import Step
from models.reference_encoder.encoder import ReferenceEncoder
from models.text_to_semantic.fused import cuda_graphs
from models.text_to_semantic.network.interface import Network
from models.text_to_semantic.network.linear import Quantization
from models.types import Prompt, Sampling
from models.vq_decoder.decoder import VQDecoder
from tests.models.text_to_semantic.network import networks
from tests.models.text_to_semantic.network.fused import FusedNetwork, layers, tokens
from tests.models.text_to_semantic.network.test_cuda_graphs import Eager


class Waits(TorchDispatchMode):
    """The operations for which the host waits: copies between it and the GPU that do not say otherwise. To read a
    number, which waits too, fails without data."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, operation: object, types: object, args: tuple = (), kwargs: dict | None = None):
        result = operation(*args, **(kwargs or {}))
        copies = operation in (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default)
        tensors = [leaf for leaf in tree_leaves((args, result)) if isinstance(leaf, Tensor)]
        waits = not any(given is True for given in (*args, (kwargs or {}).get("non_blocking")))
        if copies and waits and len({tensor.device for tensor in tensors}) > 1:
            self.found.append(f"{operation} {[(*tensor.shape, tensor.device.type) for tensor in tensors]}")
        return result


class Launched:
    """A kernel that only notes where what it is given lies."""

    def __init__(self, found: list[str]) -> None:
        self.found = found

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return lambda *args, **options: self.found.extend(x.device.type for x in args if isinstance(x, Tensor))


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)  # which only a GPU's driver can
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


@pytest.mark.parametrize("replayed", [False, True])
@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_frames_are_drawn_and_the_host_never_waits(
    tiny: Path, no_data: None, monkeypatch: pytest.MonkeyPatch, quantization: Quantization, replayed: bool
) -> None:
    encoder = Checkpoint(tiny).prompt_encoder()
    options = {"slots": 4, "positions": 320, "device": "cuda", "dtype": torch.bfloat16, "quantization": quantization}
    network: Network = networks.network(tiny, **options)
    launched: list[str] = []
    if replayed:  # what a graph is captured from runs at each call
        monkeypatch.setattr(cuda_graphs, "Replay", Eager)
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
        for module, name in ((layers, "linear"), (layers, "attend"), (tokens, "embed"), (tokens, "draw")):
            monkeypatch.setattr(module, name, Launched(launched))
        network = FusedNetwork(network)
    prompt = encoder.encode(Prompt("Nobody waits for this.")).values
    with Waits() as waits:
        network.reset(0, Sampling(seed=1))
        frames = [network.first_frame(0, network.prefill(0, prompt, 0))]
        network.restore_prefix(1, network.copy_prefix(0, 8))
        network.set_active(1, True)
        frames.append(network.decode(4, prompt.shape[1] + 1))
    assert not waits.found and {*launched} == ({"cuda"} if replayed else set())
    assert [(each.device.type, *each.shape) for each in frames] == [("cuda", 1, 5), ("cuda", 4, 5)]


def test_blocks_are_decoded_on_the_gpu(tiny: Path, no_data: None) -> None:
    checkpoint = Checkpoint(tiny)
    config = checkpoint.codec_config
    decoder = VQDecoder(config, checkpoint.codec_tensors("decoder"), "cuda", "bf16", 4)
    streams = [decoder.open() for _ in range(3)]
    for chosen in (streams[:1], streams):
        with Waits() as waits:
            step = replace(decoder._step(chosen), lengths=torch.full((len(chosen),), 4, device="cuda"), frames=5)
            audio = decoder._forward(np.zeros((len(chosen), config.num_codebooks, 5), np.int16), step)
        assert not waits.found
        assert (audio.device.type, *audio.shape) == ("cuda", len(chosen), 5 * config.frame_length)


def test_recordings_are_encoded_on_the_gpu(tiny: Path, no_data: None) -> None:
    checkpoint = Checkpoint(tiny)
    config = checkpoint.codec_config
    encoder = ReferenceEncoder(config, checkpoint.codec_tensors("encoder"), "cuda", "fp32")
    samples = torch.zeros(2, 16 * config.frame_length, device="cuda")
    step = Step(encoder._contexts.allocate(2), slice(0, 2), torch.zeros(2, dtype=torch.int64, device="cuda"))
    codes = encoder._forward(samples, step)
    assert (codes.device.type, *codes.shape) == ("cuda", 2, config.num_codebooks, 16)
