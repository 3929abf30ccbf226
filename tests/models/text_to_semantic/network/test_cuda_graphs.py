"""The decode step compiled by torch, and a stream by CUDA graphs: the same frames. To replay graphs needs a GPU."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch._inductor.utils import run_and_get_code

from models.checkpoint.reader import Checkpoint
from models.runtime.buckets import at_least, doublings
from models.text_to_semantic.fused import cuda_graphs
from models.text_to_semantic.fused.cuda_graphs import context_buckets
from models.text_to_semantic.load import compile_network
from models.text_to_semantic.network.interface import Network
from models.text_to_semantic.network.torch_network import TorchNetwork
from models.text_to_semantic.network.transformer import Cache
from models.types import Prompt, Sampling
from tests.models.text_to_semantic.network import networks
from tests.models.text_to_semantic.network.fused import FusedNetwork, few_programs, frame  # noqa: F401

pytestmark = pytest.mark.slow

SLOTS, POSITIONS = 3, 320
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize(("slots", "buckets"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_buckets_of_rows(slots: int, buckets: list[int]) -> None:
    assert doublings(1, slots) == buckets
    assert all(rows <= at_least(rows, buckets) < 2 * rows for rows in range(1, slots + 1))
    assert at_least(slots + 1, buckets) == slots + 1


def test_buckets_of_context() -> None:
    assert context_buckets(300) == [256, 300]
    assert context_buckets(2048) == [256, 512, 1024, 2048]


@pytest.fixture
def network(tiny: Path) -> TorchNetwork:
    return networks.network(tiny, slots=SLOTS, positions=POSITIONS, device=DEVICE)


def test_one_compilation_serves_every_batch_and_context(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = CompileCounterWithBackend("eager")
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counter))
    made = networks.network(tiny, slots=6, positions=320)
    made.compile()
    for rows, context in ((1, 64), (2, 100), (5, 320), (6, 70)):
        made.decode(rows, context)
    assert counter.frame_count == 2  # and one for a single row


def test_the_compiled_step_does_not_copy_its_cache() -> None:
    """A frame would move all keys and values of its rows through the memory, which is 60 times its weights."""
    positions, heads = 1013, 2
    config = SimpleNamespace(n_local_heads=heads, head_dim=8)
    cache = Cache(6, positions, config, torch.empty(0))
    new, at = torch.randn(3, 1, heads, 8), torch.tensor([[5], [6], [7]])
    write = torch.compile(lambda: cache.write(slice(0, 3), at, new, -new), fullgraph=True)
    _, code = run_and_get_code(write)
    loops = [int(end) for end in re.findall(r"<static_cast<int64_t>\((\d+)L\)", "".join(code))]
    assert loops and max(loops) < positions
    assert torch.equal(cache.k[[0, 1, 2], :, [5, 6, 7]], new[:, 0]) and cache.v.count_nonzero() == new.numel()


def speak(network: Network, prompt: torch.Tensor, frames: int = 12) -> list[list[int]]:
    """Frames of three slots, of which the last two run in step."""
    drawn = []
    for slot in range(SLOTS):
        network.reset(slot, Sampling(seed=slot))
        length = prompt.shape[1] - slot
        drawn.append(network.first_frame(slot, network.prefill(slot, prompt[:, :length], 0))[0].tolist())
    for number in range(frames):
        drawn += network.decode(SLOTS if number else 1, prompt.shape[1] + number + 1).tolist()
        if not number:
            network.set_active(0, False)
    return drawn


def test_the_step_is_one_graph_and_draws_the_same(
    network: TorchNetwork, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not torch.cuda.is_available():  # Inductor's C++ takes minutes on two cores and draws the same
        monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    prompt = Checkpoint(tiny).prompt_encoder().encode(Prompt("All of it in one graph.")).values
    found = torch._dynamo.explain(network.step)(SLOTS, 64)
    assert (found.graph_count, found.graph_break_count) == (1, 0), found.break_reasons
    eager = speak(network, prompt)
    fast = compile_network(network)
    assert speak(fast, prompt) == eager
    assert fast.compiled and isinstance(fast, FusedNetwork) == torch.cuda.is_available()


class Eager(cuda_graphs.Replay):
    """Runs again what a GPU would replay."""

    def __init__(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...], pool: object) -> None:
        self._inputs = inputs
        self._graph = SimpleNamespace(replay=lambda: setattr(self, "_result", function(*inputs)))


def state_of(network: TorchNetwork) -> list[Tensor]:
    """All that a network keeps, slots first."""
    own = [value for value in vars(network.state).values() if isinstance(value, Tensor) and len(value) == SLOTS]
    return own + [each for cache in network.slow.caches + network.fast.caches for each in (cache.k, cache.v)]


@pytest.mark.usefixtures("few_programs")
def test_what_a_graph_reads_and_writes_lives_as_long(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Freed, it would belong to others, and a replay would go on writing into it."""
    if DEVICE == "cpu":
        for name in ("CUDAGraph", "graph_pool_handle", "synchronize", "current_stream"):
            monkeypatch.setattr(torch.cuda, name, lambda: None)
        monkeypatch.setattr(torch.cuda, "graph", lambda graph, pool: nullcontext())
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    made: list[weakref.ref] = []
    build = frame.FusedFrame.__init__
    monkeypatch.setattr(
        frame.FusedFrame, "__init__", lambda self, network: (made.append(weakref.ref(self)), build(self, network))[1]
    )
    network = FusedNetwork(networks.network(tiny, slots=1, positions=128, device=DEVICE))
    gc.collect()
    assert [each() is not None for each in made] == [network.compiled]


@pytest.mark.usefixtures("few_programs")
# As wide as its bucket; and padded seven times, to the last position.
@pytest.mark.parametrize(("length", "chunk"), [(64, 128), (319, 50)])
def test_prompts_as_cuda_graphs_run_them(tiny: Path, monkeypatch: pytest.MonkeyPatch, length: int, chunk: int) -> None:
    """For a slot that is only known to the device, and padded: the same hidden state and frames, and no neighbour
    sees anything of it."""
    if DEVICE == "cpu":
        monkeypatch.setattr(cuda_graphs, "Replay", Eager)
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    encoder = Checkpoint(tiny).prompt_encoder()
    plain, eager = (networks.network(tiny, slots=SLOTS, positions=POSITIONS, device=DEVICE) for _ in range(2))
    padded = FusedNetwork(eager)
    monkeypatch.setattr(padded, "decode", eager.decode)  # the step's kernels have tests of their own
    speak(plain, encoder.encode(Prompt("Said before.")).values)
    speak(padded, encoder.encode(Prompt("Said before.")).values)
    before = [each.clone() for each in state_of(eager)]
    assert len(before) > 8
    values = torch.randint(0, plain.ids.semantic_begin, (1 + plain.config.num_codebooks, length), dtype=torch.int32)
    values[0, 9:30] = plain.ids.semantic_begin + values[0, 9:30] % plain.config.codebook_size
    values[1:] %= plain.config.residual_codebook_size
    found = []
    for network in (plain, padded):
        network.reset(1, Sampling(seed=5))
        for start in range(0, length, chunk):
            hidden = network.prefill(1, values[:, start : start + chunk], start).clone()
        found.append((hidden, [network.first_frame(1, hidden)[0].tolist()]))
    for now, then, other in zip(state_of(eager), before, state_of(plain), strict=True):
        assert torch.equal(now[[0, 2]], then[[0, 2]])
        assert now.dtype.is_floating_point or torch.equal(now, other)
    for cache, other in zip(eager.slow.caches, plain.slow.caches, strict=True):
        torch.testing.assert_close(cache.k[1, :, :POSITIONS], other.k[1, :, :POSITIONS])
        torch.testing.assert_close(cache.v[1, :, :POSITIONS], other.v[1, :, :POSITIONS])
    for network, (_, frames) in zip((plain, padded), found, strict=True):
        for number in range(min(20, POSITIONS - length)):
            frames.append(network.decode(SLOTS, length + number + 1)[1].tolist())
    torch.testing.assert_close(found[1][0], found[0][0])
    assert found[1][1] == found[0][1]
