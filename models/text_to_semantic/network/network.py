"""Upstream's DualARTransformer for serving: batched slots, a head of semantic tokens only, one function a frame.

A frame is a row of 1 + num_codebooks integers: the head index of the semantic token (its code, or `end` for
<|im_end|>), then the codes. All state of a slot lives in tensors, so that a step needs nothing from the host.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint.configs import LanguageModelConfig
from models.runtime import cuda
from models.text_to_semantic.fused.cuda_graphs import PromptGraphs, StepGraphs
from models.text_to_semantic.network.linear import Quantization, make_linear
from models.text_to_semantic.network.sampling import SamplingRows, draw, exponential_noise
from models.text_to_semantic.network.slots import SlotState
from models.text_to_semantic.network.transfer import send
from models.text_to_semantic.network.transformer import Block, Cache, Slots, rms_norm, rope_table
from models.types import Sampling

CONTEXT_BUCKET = 64  # attention covers the filled prefix rounded up to this many positions


@dataclass(frozen=True, slots=True)
class TokenIds:
    """Where the tokenizer has the ids that the network must know; semantic ids are consecutive."""

    semantic_begin: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPrompt:
    """values (1 + num_codebooks, T) int32: token ids over codes. The first `prefix_length` positions depend on the
    references alone, and `prefix_key` names them; None when there are no references."""

    values: Tensor
    prefix_length: int
    prefix_key: str | None


class Network:
    """The two transformers and their per-slot state, on one device in one dtype. Not thread-safe."""

    def __init__(
        self,
        config: LanguageModelConfig,
        tensors: dict[str, Tensor],
        ids: TokenIds,
        *,
        slots: int,
        positions: int,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        quantization: Quantization = "none",
        upstream_penalty: bool = False,
    ) -> None:
        """`positions` bounds prompt plus frames of a slot. `upstream_penalty` reproduces upstream's repetition-penalty
        bug (it reads the oldest frame of the window as vocabulary ids) for the parity test."""
        like = torch.empty(0, dtype=dtype, device=device)
        self.config, self.ids = config, ids
        self.slots, self.positions = slots, min(positions, config.max_seq_len)
        self.end = config.codebook_size  # the head's last row
        self.dtype, self.device = dtype, torch.device(device)
        cuda.set_up(self.device)
        self.quantization = quantization
        self._run_step = self._step_of
        self._prompts: PromptGraphs | None = None
        self.compiled = False

        def block(prefix: str, settings: object) -> list[Block]:
            return [Block(settings, tensors, f"{prefix}.{i}.", quantization, like) for i in range(settings.n_layer)]

        slow, fast = config.slow, config.fast
        self._layers, self._fast_layers = block("layers", slow), block("fast_layers", fast)
        self._norm, self._fast_norm = tensors["norm.weight"].to(like), tensors["fast_norm.weight"].to(like)
        # On a CPU the two large tables stay as stored: views of the memory-mapped file, read a row at a time. On a GPU
        # they are cast once: those before Ampere have no compiled kernels for bf16.
        table = like if self.device.type != "cpu" else self.device
        self._embeddings = tensors["embeddings.weight"].to(table)
        self._codebook_embeddings = tensors["codebook_embeddings.weight"].to(table)
        self._fast_embeddings = tensors["fast_embeddings.weight"].to(like)
        head = tensors["embeddings.weight" if config.tie_word_embeddings else "output.weight"]
        semantic = head[ids.semantic_begin : ids.semantic_begin + config.codebook_size]
        self._head = make_linear(torch.cat([semantic, head[ids.end : ids.end + 1]]), None, quantization, like)
        residual = tensors["fast_output.weight"][: config.residual_codebook_size]
        self._fast_head = make_linear(residual, None, quantization, like)
        self._project = None
        if "fast_project_in.weight" in tensors:
            self._project = make_linear(
                tensors["fast_project_in.weight"], tensors["fast_project_in.bias"], "none", like
            )

        # One position more than a slot has: padding is written there, and nobody looks at it.
        self._rope = rope_table(self.positions + 1, slow).to(device)
        self._fast_rope = rope_table(config.num_codebooks, fast).to(device)
        # Never looked at whole: as a part of a tensor has other strides than all of it, it would be compiled apart.
        room = self.positions + CONTEXT_BUCKET
        self._caches = [Cache(slots, room, slow, like) for _ in self._layers]
        self._fast_caches = [Cache(slots, config.num_codebooks, fast, like) for _ in self._fast_layers]
        self._offsets = torch.arange(config.num_codebooks, device=device) * config.codebook_size
        self._every_position = torch.arange(room, device=device)
        self._fast_mask = torch.ones(config.num_codebooks, config.num_codebooks, dtype=torch.bool, device=device).tril()

        self.state = SlotState(slots, 1 + config.num_codebooks, self.device, upstream_penalty)

    def reset(self, slot: int, sampling: Sampling) -> None:
        """Prepare a slot for a new utterance."""
        self.state.reset(slot, sampling)

    def release(self, slot: int) -> None:
        """An utterance is over. The cache keeps its memory: CUDA graphs hold its addresses."""

    def set_active(self, slot: int, active: bool) -> None:
        """A slot that is not active may lie in the range of a decode step, and keeps its state."""
        self.state.active[slot].fill_(active)

    @torch.no_grad()
    def prefill(self, slot: int, values: Tensor, start: int) -> Tensor:
        """Run prompt values (1 + num_codebooks, T) at positions start… of a slot; returns the last hidden (1, 1, D)."""
        if self._prompts:
            return self._prompts.prefill(slot, values, start)
        values = send(values.to(torch.int64), self.device)
        context = start + values.shape[1]
        positions = torch.arange(start, context, device=self.device)
        hidden = self._prefill_of(values, slice(slot, slot + 1), positions, context)
        self.state.position[slot].fill_(context)
        return hidden[:, -1:]

    @torch.no_grad()
    def first_frame(self, slot: int, hidden: Tensor) -> Tensor:
        """The frame (1, 1 + num_codebooks) that follows a prompt whose last hidden state is given."""
        if self._prompts:
            return self._prompts.first_frame(slot, hidden)
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
        return sum(2 * cache.k[0, :, 0].nbytes for cache in self._caches)

    @property
    def bytes_per_weight(self) -> float:
        """Memory that one weight of a linear layer takes."""
        return 1.0 if self.quantization == "int8" else float(self.dtype.itemsize)

    @torch.no_grad()
    def compile(self) -> None:
        """Let the decode step run as the device runs it fastest, and run it so, before the first request. Raises what
        compilers raise; the step then stays as it was."""
        if self.device.type == "cuda":
            self._capture()
        else:
            self._run_step = self._compiled_by_torch()
        self.compiled = True

    def _capture(self) -> None:
        from models.text_to_semantic.fused.frame import FusedFrame  # Triton is there where a GPU is

        if self.state.upstream_penalty:
            raise ValueError("upstream_penalty is the eager step's")
        frame = FusedFrame(self)
        steps = StepGraphs(frame.step, self.slots)
        hidden = torch.zeros(1, 1, self.config.slow.dim, dtype=self.dtype, device=self.device)
        values = 1 + self.config.num_codebooks
        self._prompts = PromptGraphs(self._padded_prefill_of, frame.first_frame, values, hidden, self.positions)
        self._run_step = lambda rows, context: steps(rows)
        self.reset(0, Sampling())  # in which prompts were tried

    def _compiled_by_torch(self) -> Callable[[int, int], Tensor]:
        step = torch.compile(self._step_of, fullgraph=True)
        # Its two arguments are symbolic from the start, or each would be only after a compilation that did without.
        # `dynamic=True` would make weights symbolic too, which takes five times as long to compile.
        with torch.compiler.config.patch(dynamic_sources="L['rows'],L['context']"):
            for rows in (self.slots, 1):  # a single row is compiled apart
                step(rows, self.positions)
        return step

    def _padded_prefill_of(self, values: Tensor, at: Tensor, context: int) -> Tensor:
        """`prefill` with nothing from the host but shapes: `at` (3,) is the slot, the start, and how many of `values`
        there are before padding."""
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

    def _step_of(self, rows: int, context: int) -> Tensor:
        slots = slice(0, rows)
        positions = self.state.position[slots, None]
        frame = self.state.frame[slots]
        # Not frame[:, 0]: after the end, which has no embedding, a step may still run.
        x = self._embed(frame[:, 1] + self.ids.semantic_begin, frame[:, 1:], None)[:, None]
        mask = (self._every_position[:context] <= positions)[:, None, None]
        hidden = self._slow(x, slots, positions, context, mask)
        self.state.position[slots] += self.state.active[slots]
        return self._sample(slots, hidden)

    def copy_prefix(self, slot: int, length: int) -> list[tuple[Tensor, Tensor]]:
        """The cached keys and values of a slot's first positions, to be given to `restore_prefix` later."""
        return [(cache.k[slot, :, :length].clone(), cache.v[slot, :, :length].clone()) for cache in self._caches]

    def restore_prefix(self, slot: int, prefix: list[tuple[Tensor, Tensor]]) -> None:
        """Fill a slot's first positions with what `copy_prefix` returned."""
        for cache, (k, v) in zip(self._caches, prefix, strict=True):
            cache.k[slot, :, : k.shape[1]] = k
            cache.v[slot, :, : v.shape[1]] = v
        self.state.position[slot].fill_(prefix[0][0].shape[1])

    def _embed(self, tokens: Tensor, codes: Tensor, codes_at: Tensor | None) -> Tensor:
        """(N,) token ids and (N, num_codebooks) codes -> (N, D); `codes_at` None: every position holds codes."""
        text = F.embedding(tokens, self._embeddings).to(self.dtype)
        spoken = text + F.embedding(codes + self._offsets, self._codebook_embeddings).to(self.dtype).sum(1)
        if self.config.scale_codebook_embeddings:
            spoken = spoken / math.sqrt(self.config.num_codebooks + 1)
        return spoken if codes_at is None else torch.where(codes_at[:, None], spoken, text)

    def _slow(self, x: Tensor, slots: Slots, positions: Tensor, context: int, mask: Tensor) -> Tensor:
        rope = self._rope[positions]
        for layer, cache in zip(self._layers, self._caches, strict=True):
            x = layer(x, rope, cache, slots, positions, context, mask)
        return x

    def _sample(self, slots: slice, hidden: Tensor) -> Tensor:
        """Draw the frame that follows hidden (B, 1, D), by the slow head and then the fast transformer."""
        rows = self.state.sampling(slots)
        step = self.state.step[slots]
        window = self.state.window(slots, step)
        logits = self._head(rms_norm(hidden, self._norm, self.config.norm_eps))[:, 0].float()
        # A text that was accepted is spoken: an utterance may not end before its first frame.
        logits[:, self.end] = logits[:, self.end].masked_fill(step == 0, -torch.inf)
        semantic = draw(logits, rows, window[:, 0], self._noise(rows, step, 0, logits))
        # Upstream's clamp of a negative code: <|im_end|> is not a code, its frame is dropped by the caller.
        code = torch.where(semantic == self.end, 0, semantic)
        frame = [semantic, code]

        hidden = self._project(hidden) if self._project else hidden
        # The hidden state and the first code are both known: two positions in one pass over the weights.
        x = torch.cat([hidden, self._fast_embeddings[code][:, None]], dim=1)
        for codebook in range(1, self.config.num_codebooks):
            x = self._fast(x, slots, codebook)[:, -1:]
            logits = self._fast_head(rms_norm(x, self._fast_norm, self.config.norm_eps))[:, 0].float()
            code = draw(logits, rows, window[:, codebook + 1], self._noise(rows, step, codebook, logits))
            frame.append(code)
            x = self._fast_embeddings[code][:, None]
        drawn = torch.stack(frame, dim=1)
        self.state.remember(slots, drawn, step)
        return drawn

    def _fast(self, x: Tensor, slots: Slots, codebook: int) -> Tensor:
        """The fast transformer over x (B, T, D), whose last position is `codebook`."""
        batch, length = x.shape[:2]
        first = codebook + 1 - length
        positions = torch.arange(first, codebook + 1, device=self.device).expand(batch, -1)
        rope = self._fast_rope[first : codebook + 1][None]
        mask = self._fast_mask[first : codebook + 1, : codebook + 1][None, None]
        for layer, cache in zip(self._fast_layers, self._fast_caches, strict=True):
            x = layer(x, rope, cache, slots, positions, codebook + 1, mask)
        return x

    def _noise(self, rows: SamplingRows, step: Tensor, codebook: int, logits: Tensor) -> Tensor:
        return exponential_noise(rows.seed, step, codebook, logits.shape[-1])
