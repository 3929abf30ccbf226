"""The text-to-semantic network on the native kernels, for CPUs."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence

import torch
from torch import Tensor

from models.checkpoint.configs import LanguageModelConfig, TransformerConfig
from models.runtime.memory import discard, lazy_zeros
from models.text_to_semantic.native import abi
from models.text_to_semantic.native.packing import (
    GROUP,
    LANES,
    MAX_HEAD_DIM,
    PANEL,
    PENALTY_WINDOW,
    Packer,
    block_bytes,
    padded,
    table,
)
from models.text_to_semantic.network.interface import Prefix
from models.text_to_semantic.network.transformer import rope_table
from models.text_to_semantic.network.weights import LayerWeights, LinearWeights, StackWeights, Weights
from models.types import Sampling


def unfit(config: LanguageModelConfig) -> str | None:
    """Why the kernels cannot run a checkpoint, or None."""
    widest = max(config.slow.head_dim, config.fast.head_dim)
    if widest > MAX_HEAD_DIM:
        return f"head_dim is {widest}, and they take {MAX_HEAD_DIM}"
    window = config.sampling.penalty_window
    return None if window == PENALTY_WINDOW else f"the penalty looks {window} frames back, and theirs {PENALTY_WINDOW}"


class NativeNetwork:
    """The two transformers in integers and their per-slot state, on `threads` threads of the CPU (see
    `interface.Network`).

    A slot's frames are bit-identical whatever else is in the batch, however its prompt was cut into chunks, and on any
    number of threads. The layout of a `Prefix`: one tensor, the cache's 16-position blocks (blocks, bytes of a block).
    """

    def __init__(
        self,
        weights: Weights,
        *,
        slots: int,
        positions: int,
        threads: int = 1,
        bits: int = 8,
        flags: tuple[str, ...] = (),
    ) -> None:
        """`positions` bounds prompt plus frames of a slot. The layers' weights have `bits`, 8 or 4; the heads' always
        have 8, as they are small and nothing evens out their error. `flags` are added to the compiler's, for tests.

        Raises build.CannotBuild where `build.available` says so, ValueError where `unfit` does.
        """
        config = weights.config
        if reason := unfit(config):
            raise ValueError(reason)
        self.config, self.ids = config, weights.ids
        self.slots, self.positions = slots, min(positions, config.max_seq_len)
        self.end = config.codebook_size
        self.device, self.compiled = torch.device("cpu"), False  # not compiled by torch
        self._active = [False] * slots
        self._shared: list[Tensor | None] = [None] * slots  # the blocks of a kept prefix that a slot reads
        self._library = abi.functions(flags)
        self._bits, self.quantization = bits, f"int{bits}"
        self._keep: list[object] = []  # memory that the kernels point into
        self._packer = Packer(2 * sum(linear.weight.numel() for linear in weights.linears) + (1 << 20))
        self._model = self._describe(weights)
        network = self._library.shoal_create(ctypes.byref(self._model), threads)
        self._network = ctypes.c_void_p(network)
        weakref.finalize(self, self._library.shoal_destroy, self._network)

    def reset(self, slot: int, sampling: Sampling) -> None:
        """Prepare a slot for a new utterance."""
        self._active[slot], self._shared[slot] = False, None
        settings = (sampling.temperature, sampling.top_p, sampling.repetition_penalty, sampling.seed)
        self._library.shoal_reset(self._network, slot, *settings)

    def release(self, slot: int) -> None:
        """Give back the memory of a slot whose utterance is over: the cache takes as much as is being spoken."""
        self._active[slot], self._shared[slot] = False, None
        self._library.shoal_place(self._network, slot, 0, None, 0)  # else the kernels would point at a dropped prefix
        discard(self._slot_cache(slot))

    def set_active(self, slot: int, active: bool) -> None:
        """A slot that is not active keeps its state and costs nothing, also within the range of a decode step."""
        self._active[slot] = active

    def prefill(self, slot: int, values: Tensor, start: int) -> Tensor:
        """Run prompt values (1 + num_codebooks, T) at positions start… of a slot; returns the last hidden (1, 1, D)."""
        values = values.to(torch.int32).contiguous()
        length = values.shape[1]
        self._check(slot, start, length)
        hidden = torch.empty(1, 1, self.config.slow.dim)
        self._library.shoal_prefill(self._network, slot, values.data_ptr(), length, start, hidden.data_ptr())
        return hidden

    def first_frame(self, slot: int, hidden: Tensor, trace: Tensor | None = None) -> Tensor:
        """The frame (1, 1 + num_codebooks) that follows a prompt whose last hidden state is given.

        `trace` (1, logits of a frame) fp32 receives the logits of every codebook, before penalty and temperature.
        """
        self._active[slot] = True
        frame = torch.empty(1, 1 + self.config.num_codebooks, dtype=torch.int64)
        hidden = hidden.contiguous()
        self._library.shoal_first_frame(self._network, slot, hidden.data_ptr(), frame.data_ptr(), _pointer(trace))
        return frame

    def decode(self, rows: int, context: int) -> Tensor:
        """One more frame for each active slot of the first `rows`: (rows, 1 + num_codebooks), zeros for the others.

        `context` is not needed: every row attends to its own positions.
        """
        frames = torch.zeros(rows, 1 + self.config.num_codebooks, dtype=torch.int64)
        active = [slot for slot in range(rows) if self._active[slot]]
        frames[active] = self.decode_rows(active)
        return frames

    def decode_rows(self, slots: Sequence[int], trace: Tensor | None = None) -> Tensor:
        """One more frame for each of the slots listed, active or not: (len(slots), 1 + num_codebooks)."""
        frames = torch.empty(len(slots), 1 + self.config.num_codebooks, dtype=torch.int64)
        if slots:
            rows = (ctypes.c_int64 * len(slots))(*slots)
            self._library.shoal_decode(self._network, rows, len(slots), frames.data_ptr(), _pointer(trace))
        return frames

    def copy_prefix(self, slot: int, length: int) -> Prefix:
        """The cached keys and values of a slot's first positions, to be given to `restore_prefix` later."""
        blocks = self._slot_cache(slot)[: padded(length, LANES) // LANES]
        # In a mapping of its own, which goes back to the system when it is dropped: glibc keeps pieces below 32 MB.
        copied = lazy_zeros(blocks.nbytes).view(blocks.dtype).view(blocks.shape).copy_(blocks)
        shared = self._shared[slot]
        if shared is not None:
            copied[: len(shared)] = shared[: len(copied)]
        return Prefix(length, (copied,))

    def restore_prefix(self, slot: int, prefix: Prefix) -> None:
        """Let a slot begin with what `copy_prefix` returned: it reads whole blocks where they are kept, and has its own
        copy of the rest, in the middle of which it goes on."""
        (blocks,) = prefix.tensors
        whole = prefix.length // LANES
        self._slot_cache(slot)[whole : len(blocks)] = blocks[whole:]
        self._shared[slot] = blocks[:whole]
        self._library.shoal_place(self._network, slot, prefix.length, blocks.data_ptr(), whole)

    @property
    def kv_bytes_per_position(self) -> int:
        """Memory that one cached position of the slow transformer takes."""
        return self._cache.nbytes // (self.slots * self._blocks * LANES)

    @property
    def bytes_per_weight(self) -> float:
        """Memory that one weight of a layer takes, with its share of a scale."""
        return block_bytes(self._bits) / (GROUP * PANEL)

    def trace_size(self) -> int:
        """Logits of one frame: of the semantic head, then of each residual codebook."""
        return self.config.codebook_size + 1 + (self.config.num_codebooks - 1) * self.config.residual_codebook_size

    def _check(self, slot: int, start: int, length: int) -> None:
        """Raise ValueError for positions outside a slot, which the kernels would not notice."""
        if not (0 <= slot < self.slots and length >= 1 and 0 <= start <= start + length <= self.positions):
            raise ValueError(f"no room for positions {start} to {start + length} of slot {slot}")

    def _slot_cache(self, slot: int) -> Tensor:
        """(blocks, bytes of a block) of one slot."""
        return self._cache.view(self.slots, self._blocks, -1)[slot]

    def _describe(self, weights: Weights) -> abi.Model:
        config, pack = self.config, self._packer
        model = abi.Model(
            head=self._linear(weights.slow.head),
            residual_head=self._linear(weights.fast.head),
            norm=pack.vector(weights.slow.norm),
            fast_norm=pack.vector(weights.fast.norm),
            text=self._table(weights.text_embeddings),
            codebooks=self._table(weights.codebook_embeddings),
            fast_codes=self._table(weights.fast_embeddings),
            slots=self.slots,
            positions=self.positions,
            num_codebooks=config.num_codebooks,
            codebook_size=config.codebook_size,
            residual_size=config.residual_codebook_size,
            semantic_begin=self.ids.semantic_begin,
            scale_embeddings=config.scale_codebook_embeddings,
            normed_input=config.fast_input == "normed",
        )
        if weights.project:
            model.project = self._linear(weights.project)
        model.slow, self._cache, self._blocks = self._stack(config.slow, weights.slow, self.positions)
        model.fast, *fast_cache = self._stack(config.fast, weights.fast, config.num_codebooks)
        self._keep.append(fast_cache)
        return model

    def _linear(self, weights: LinearWeights, bits: int = 8) -> abi.Linear:
        return self._packer.linear(weights.weight, weights.bias, bits)

    def _table(self, rows: Tensor) -> abi.Table:
        structure, kept = table(rows)
        self._keep.append(kept)
        return structure

    def _stack(self, config: TransformerConfig, weights: StackWeights, positions: int) -> tuple[abi.Stack, Tensor, int]:
        """A transformer, its cache for every slot, and the number of 16-position blocks of a slot."""
        layers = (abi.Layer * config.n_layer)(*map(self._layer, weights.layers))
        blocks = padded(positions, LANES) // LANES
        entry = 2 * LANES * padded(config.head_dim, LANES)
        slot_size = blocks * (config.n_layer * config.n_local_heads | 1) * entry  # odd: see Stack::block_size
        cache = lazy_zeros(2 * self.slots * slot_size)
        self._keep.append(layers)
        structure = abi.Stack(
            layers=config.n_layer,
            heads=config.n_head,
            groups=config.n_local_heads,
            dim=config.dim,
            head_dim=config.head_dim,
            hidden=config.intermediate_size,
            eps=config.norm_eps,
            layer=layers,
            rope=self._packer.vector(rope_table(positions, config)),
            cache=cache.data_ptr(),
            slot_size=slot_size,
        )
        return structure, cache, blocks

    def _layer(self, weights: LayerWeights) -> abi.Layer:
        pack = self._packer
        return abi.Layer(
            attention_norm=pack.vector(weights.attention_norm),
            ffn_norm=pack.vector(weights.ffn_norm),
            q_norm=None if weights.q_norm is None else pack.vector(weights.q_norm),
            k_norm=None if weights.k_norm is None else pack.vector(weights.k_norm),
            qkv=self._linear(weights.qkv, self._bits),
            wo=self._linear(weights.wo, self._bits),
            w13=pack.gated(weights.w1.weight, weights.w3.weight, self._bits),
            w2=self._linear(weights.w2, self._bits),
        )


def _pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
