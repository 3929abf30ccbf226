"""A `TorchNetwork` whose steps and prompts are CUDA graphs, for Engine to use in its place."""

from __future__ import annotations

import torch
from torch import Tensor

from models.text_to_semantic.fused.cuda_graphs import PromptGraphs, StepGraphs
from models.text_to_semantic.fused.frame import FusedFrame
from models.text_to_semantic.network.interface import Prefix
from models.text_to_semantic.network.torch_network import TorchNetwork
from models.types import Sampling


class FusedNetwork:
    """Weights and slots of a network on an NVIDIA GPU, which is used through this one from then on (see
    `interface.Network`). Frames are the same."""

    compiled = True

    @torch.no_grad()
    def __init__(self, network: TorchNetwork) -> None:
        """Capture every graph, which takes seconds. Raises what Triton and CUDA raise; `network` is usable then too."""
        self._network = network
        self.config, self.ids = network.config, network.ids
        self.slots, self.positions = network.slots, network.positions
        self.end, self.device, self.quantization = network.end, network.device, network.quantization
        self.kv_bytes_per_position, self.bytes_per_weight = network.kv_bytes_per_position, network.bytes_per_weight
        frame = FusedFrame(network)
        self._steps = StepGraphs(frame.step, network.slots)
        hidden = torch.zeros(1, 1, network.config.slow.dim, dtype=network.dtype, device=network.device)
        values = 1 + network.config.num_codebooks
        self._prompts = PromptGraphs(network.padded_prefill, frame.first_frame, values, hidden, network.positions)
        network.reset(0, Sampling())  # the slot in which prompts were tried

    def reset(self, slot: int, sampling: Sampling) -> None:
        """Prepare a slot for a new utterance."""
        self._network.reset(slot, sampling)

    def release(self, slot: int) -> None:
        """An utterance is over. The cache keeps its memory: the graphs hold its addresses."""

    def set_active(self, slot: int, active: bool) -> None:
        """A slot that is not active keeps its state, also within the range of a decode step."""
        self._network.set_active(slot, active)

    @torch.no_grad()
    def prefill(self, slot: int, values: Tensor, start: int) -> Tensor:
        """Run prompt values (1 + num_codebooks, T) at positions start… of a slot; returns the last hidden (1, 1, D)."""
        return self._prompts.prefill(slot, values, start)

    @torch.no_grad()
    def first_frame(self, slot: int, hidden: Tensor) -> Tensor:
        """The frame (1, 1 + num_codebooks) that follows a prompt whose last hidden state is given."""
        return self._prompts.first_frame(slot, hidden)

    @torch.no_grad()
    def decode(self, rows: int, context: int) -> Tensor:
        """One more frame for each active slot of the first `rows`: (rows, 1 + num_codebooks). No host reads.

        `context` is not needed: the kernels read each row's position.
        """
        return self._steps(rows)

    def copy_prefix(self, slot: int, length: int) -> Prefix:
        """The cached keys and values of a slot's first positions, to be given to `restore_prefix` later."""
        return self._network.copy_prefix(slot, length)

    def restore_prefix(self, slot: int, prefix: Prefix) -> None:
        """Fill a slot's first positions with what `copy_prefix` returned."""
        self._network.restore_prefix(slot, prefix)
