"""Upstream's DualARTransformer for serving, in torch: batched slots, a head of semantic tokens only, one function per
frame. All state of a slot lives in tensors, so that a step needs nothing from the host."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from models.runtime import cuda
from models.text_to_semantic.network.interface import Prefix
from models.text_to_semantic.network.linear import Quantization, make_linear
from models.text_to_semantic.network.sampling import SamplingRows, draw, exponential_noise
from models.text_to_semantic.network.slots import SlotState
from models.text_to_semantic.network.transfer import send
from models.text_to_semantic.network.transformer import Slots, Transformer
from models.text_to_semantic.network.weights import Weights
from models.types import Sampling

CONTEXT_BUCKET = 64  # attention covers the filled prefix rounded up to this many positions


class TorchNetwork:
    """The two transformers and their per-slot state, on one device in one dtype (see `interface.Network`)."""

    def __init__(
        self,
        weights: Weights,
        *,
        slots: int,
        positions: int,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        quantization: Quantization = "none",
    ) -> None:
        """`positions` bounds prompt plus frames of a slot."""
        config = weights.config
        like = torch.empty(0, dtype=dtype, device=device)
        self.config, self.ids = config, weights.ids
        self.slots, self.positions = slots, min(positions, config.max_seq_len)
        self.end = config.codebook_size  # the head's last row
        self.dtype, self.device = dtype, torch.device(device)
        cuda.set_up(self.device)
        self.quantization: Quantization = quantization
        self.compiled = False
        self._run_step = self.step

        # One position more than a slot has: padding is written there and never read. And still more room, so that the
        # cache is never read whole: a whole tensor has other strides than a part of it, and would be compiled apart.
        room = self.positions + CONTEXT_BUCKET
        self.slow = Transformer(
            config.slow, weights.slow, quantization, like, slots=slots, positions=self.positions + 1, room=room
        )
        codebooks = config.num_codebooks
        self.fast = Transformer(
            config.fast, weights.fast, quantization, like, slots=slots, positions=codebooks, room=codebooks
        )
        # On a CPU the two large tables stay as stored: views of the memory-mapped file, read a row at a time. On a GPU
        # they are cast once: those before Ampere have no compiled kernels for bf16.
        table = like if self.device.type != "cpu" else self.device
        self.text_embeddings = weights.text_embeddings.to(table)
        self.codebook_embeddings = weights.codebook_embeddings.to(table)
        self.fast_embeddings = weights.fast_embeddings.to(like)
        project = weights.project
        self.project = make_linear(project.weight, project.bias, "none", like) if project else None

        self._offsets = torch.arange(codebooks, device=device) * config.codebook_size
        self._every_position = torch.arange(room, device=device)
        self._fast_mask = torch.ones(codebooks, codebooks, dtype=torch.bool, device=device).tril()
        self.state = SlotState(slots, 1 + codebooks, config.sampling.penalty_window, self.device)

    def reset(self, slot: int, sampling: Sampling) -> None:
        """Prepare a slot for a new utterance."""
        self.state.reset(slot, sampling)

    def release(self, slot: int) -> None:
        """An utterance is over. The cache keeps its memory: CUDA graphs hold its addresses."""

    def set_active(self, slot: int, active: bool) -> None:
        """A slot that is not active keeps its state, also within the range of a decode step."""
        self.state.active[slot].fill_(active)

    @torch.no_grad()
    def prefill(self, slot: int, values: Tensor, start: int) -> Tensor:
        """Run prompt values (1 + num_codebooks, T) at positions start… of a slot; returns the last hidden (1, 1, D)."""
        values = send(values.to(torch.int64), self.device)
        context = start + values.shape[1]
        positions = torch.arange(start, context, device=self.device)
        hidden = self._prefill_of(values, slice(slot, slot + 1), positions, context)
        self.state.position[slot].fill_(context)
        return hidden[:, -1:]

    @torch.no_grad()
    def first_frame(self, slot: int, hidden: Tensor) -> Tensor:
        """The frame (1, 1 + num_codebooks) that follows a prompt whose last hidden state is given."""
        self.state.active[slot].fill_(True)
        return self._sample(slice(slot, slot + 1), hidden)

    @torch.no_grad()
    def decode(self, rows: int, context: int) -> Tensor:
        """One more frame for each active slot of the first `rows`: (rows, 1 + num_codebooks). No host reads.

        `context` is the number of cached positions to look at: at least every row's position + 1.
        """
        return self._run_step(rows, min(-(-context // CONTEXT_BUCKET) * CONTEXT_BUCKET, self.positions))

    @property
    def kv_bytes_per_position(self) -> int:
        """Memory that one cached position of the slow transformer takes."""
        return sum(2 * cache.k[0, :, 0].nbytes for cache in self.slow.caches)

    @property
    def bytes_per_weight(self) -> float:
        """Memory that one weight of a linear layer takes."""
        return 1.0 if self.quantization == "int8" else float(self.dtype.itemsize)

    @torch.no_grad()
    def compile(self) -> None:
        """Let torch compile the decode step, and run it so before the first request. Raises what compilers raise; the
        step then stays as it was."""
        step = torch.compile(self.step, fullgraph=True)
        # Its two arguments are symbolic from the start, or each would be only after a compilation that did without.
        # `dynamic=True` would make weights symbolic too, which takes five times as long to compile.
        patched = torch.compiler.config.patch  # type: ignore[attr-defined]  # torch adds it when it is imported
        with patched(dynamic_sources="L['rows'],L['context']"):
            for rows in (self.slots, 1):  # a single row is compiled apart
                step(rows, self.positions)
        self._run_step = step
        self.compiled = True

    def padded_prefill(self, values: Tensor, at: Tensor, context: int) -> Tensor:
        """`prefill` that takes nothing from the host but shapes: `at` (3,) is the slot, the start, and how many of
        `values` come before padding."""
        slot, start, length = at.split(1)
        offsets = torch.arange(values.shape[1], device=self.device)
        positions = torch.where(offsets < length, start + offsets, self.positions)
        hidden = self._prefill_of(values, slot, positions, context)
        self.state.position[slot] = start + length
        return hidden.index_select(1, length - 1)

    def _prefill_of(self, values: Tensor, slots: Slots, positions: Tensor, context: int) -> Tensor:
        """All hidden states (1, T, D) of prompt values at positions (T,) of one slot."""
        codes_at = (values[0] >= self.ids.semantic_begin) & (
            values[0] < self.ids.semantic_begin + self.config.codebook_size
        )
        x = self._embed(values[0], values[1:].T, codes_at)[None]
        mask = (self._every_position[:context] <= positions[:, None])[None, None]
        return self._slow(x, slots, positions[None], context, mask)

    def step(self, rows: int, context: int) -> Tensor:
        """`decode` operation by operation, for a `context` that is rounded up."""
        slots = slice(0, rows)
        positions = self.state.position[slots, None]
        frame = self.state.frame[slots]
        # Not frame[:, 0]: a step may still run after the end, which has no embedding.
        x = self._embed(frame[:, 1] + self.ids.semantic_begin, frame[:, 1:], None)[:, None]
        mask = (self._every_position[:context] <= positions)[:, None, None]
        hidden = self._slow(x, slots, positions, context, mask)
        self.state.position[slots] += self.state.active[slots]
        return self._sample(slots, hidden)

    def copy_prefix(self, slot: int, length: int) -> Prefix:
        """The cached keys and values of a slot's first positions, to be given to `restore_prefix` later."""
        cached = [half[slot, :, :length].clone() for cache in self.slow.caches for half in (cache.k, cache.v)]
        return Prefix(length, tuple(cached))

    def restore_prefix(self, slot: int, prefix: Prefix) -> None:
        """Fill a slot's first positions with what `copy_prefix` returned."""
        halves = [half for cache in self.slow.caches for half in (cache.k, cache.v)]
        for half, kept in zip(halves, prefix.tensors, strict=True):
            half[slot, :, : prefix.length] = kept
        self.state.position[slot].fill_(prefix.length)

    def _embed(self, tokens: Tensor, codes: Tensor, codes_at: Tensor | None) -> Tensor:
        """(N,) token ids and (N, num_codebooks) codes -> (N, D); `codes_at` None: every position holds codes."""
        text = F.embedding(tokens, self.text_embeddings).to(self.dtype)
        spoken = text + F.embedding(codes + self._offsets, self.codebook_embeddings).to(self.dtype).sum(1)
        if self.config.scale_codebook_embeddings:
            spoken = spoken / math.sqrt(self.config.num_codebooks + 1)
        return spoken if codes_at is None else torch.where(codes_at[:, None], spoken, text)

    def _slow(self, x: Tensor, slots: Slots, positions: Tensor, context: int, mask: Tensor) -> Tensor:
        return self.slow(x, self.slow.rope[positions], slots, positions, context, mask)

    def _sample(self, slots: slice, hidden: Tensor) -> Tensor:
        """Draw the frame that follows hidden (B, 1, D), by the slow head and then the fast transformer."""
        rows = self.state.sampling(slots)
        step = self.state.step[slots]
        window = self.state.window(slots)
        logits = self.slow.logits(hidden)
        # A text that was accepted is spoken: an utterance may not end before its first frame.
        logits[:, self.end] = logits[:, self.end].masked_fill(step == 0, -torch.inf)
        semantic = draw(logits, rows, window[:, 0], self._noise(rows, step, 0, logits))
        # Upstream's clamp of a negative code: <|im_end|> is not a code, its frame is dropped by the caller.
        code = torch.where(semantic == self.end, 0, semantic)
        frame = [semantic, code]

        if self.config.fast_input == "normed":
            hidden = self.slow.normed(hidden)
        hidden = self.project(hidden) if self.project else hidden
        # The hidden state and the first code are both known: two positions in one pass over the weights.
        x = torch.cat([hidden, self.fast_embeddings[code][:, None]], dim=1)
        for codebook in range(1, self.config.num_codebooks):
            logits = self.fast.logits(self._fast(x, slots, codebook)[:, -1:])
            code = draw(logits, rows, window[:, codebook + 1], self._noise(rows, step, codebook, logits))
            frame.append(code)
            x = self.fast_embeddings[code][:, None]
        drawn = torch.stack(frame, dim=1)
        self.state.remember(slots, drawn, step)
        return drawn

    def _fast(self, x: Tensor, slots: Slots, codebook: int) -> Tensor:
        """The fast transformer over x (B, T, D), whose last position is `codebook`."""
        batch, length = x.shape[:2]
        first, last = codebook + 1 - length, codebook + 1
        positions = torch.arange(first, last, device=self.device).expand(batch, -1)
        mask = self._fast_mask[first:last, :last][None, None]
        return self.fast(x, self.fast.rope[first:last][None], slots, positions, last, mask)

    def _noise(self, rows: SamplingRows, step: Tensor, codebook: int, logits: Tensor) -> Tensor:
        return exponential_noise(rows.seed, step, codebook, logits.shape[-1])
