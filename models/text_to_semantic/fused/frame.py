"""A frame of a `TorchNetwork` by the kernels, which take its weights and its slots' state as they are."""

from __future__ import annotations

import math

import torch
import triton
from torch import Tensor

from models.checkpoint.configs import TransformerConfig
from models.text_to_semantic.fused import layers, tokens
from models.text_to_semantic.network.linear import Linear, PlainLinear
from models.text_to_semantic.network.torch_network import TorchNetwork
from models.text_to_semantic.network.transformer import Transformer

# A row's cached positions are read in SPLITS parts where a batch has fewer rows than SPLIT_BELOW, which alone would not
# fill a GPU.
SPLITS, SPLIT_BELOW = 4, 16
POSITIONS = 64  # cached ones that a program reads at a time, 256 bytes each
TILE_ROWS = 64  # rows of a batch in one tile of a product
BLOCK_N = 16  # outputs per program in a product of more than a few rows


class Rows:
    """Memory for the activations between the kernels of a transformer, for up to `rows` rows."""

    def __init__(self, config: TransformerConfig, rows: int, like: Tensor) -> None:
        def room(width: int) -> Tensor:
            return torch.zeros(rows, width, dtype=like.dtype, device=like.device)

        self.config = config
        self.x = room(config.dim)
        self.qkv = room((config.n_head + 2 * config.n_local_heads) * config.head_dim)
        self.heard = room(config.n_head * config.head_dim)
        self.gated = room(config.intermediate_size)
        self._squares = torch.zeros(rows * triton.cdiv(config.dim, BLOCK_N), dtype=torch.float32, device=like.device)

    def squares(self, rows: int) -> Tensor:
        """(rows, parts): sums of squares of x, which the kernel that writes x leaves."""
        parts = triton.cdiv(self.config.dim, BLOCK_N)
        return self._squares[: rows * parts].view(rows, parts)


class FusedFrame:
    """`TorchNetwork.decode` and `first_frame` in five kernels per layer and two per codebook, for all rows at once.

    A result is valid until the next call. Calls may be captured as a CUDA graph: of the host's arguments only `rows`
    matters.
    """

    def __init__(self, network: TorchNetwork) -> None:
        n, config = network, network.config
        self._network = network
        like = torch.empty(0, dtype=n.dtype, device=n.device)
        self._slow, self._fast = Rows(config.slow, n.slots, like), Rows(config.fast, 2 * n.slots, like)
        self._logits = torch.zeros(n.slots, config.codebook_size + 1, dtype=n.dtype, device=n.device)
        self._drawn = torch.zeros(n.slots, 1 + config.num_codebooks, dtype=torch.int64, device=n.device)
        self._first_slot = torch.zeros(1, dtype=torch.int64, device=n.device)
        self._codebooks = torch.arange(config.num_codebooks, device=n.device)
        slow = config.slow
        part = (n.slots, slow.n_local_heads, SPLITS, _group(slow), _width(slow))
        self._parts = torch.zeros(part, device=n.device)
        self._weights = torch.zeros(*part[:3], 2, part[3], device=n.device)
        self._arrived = torch.zeros(part[:2], dtype=torch.int32, device=n.device)

    def step(self, rows: int) -> Tensor:
        """One more frame for each active slot of the first `rows`: (rows, 1 + num_codebooks)."""
        n, config, state = self._network, self._network.config, self._network.state
        squares, dim = self._slow.squares(rows), config.slow.dim
        tokens.embed[(rows,)](
            state.frame, self._first_slot, n.text_embeddings, n.codebook_embeddings, self._slow.x, squares,
            n.ids.semantic_begin, config.codebook_size, math.sqrt(config.num_codebooks + 1),
            C=config.num_codebooks, D=dim, PARTS=squares.shape[1], DIVIDE=config.scale_codebook_embeddings,
            WIDTH=triton.next_power_of_2(dim),
        )  # fmt: skip
        self._layers(n.slow, self._slow, self._first_slot, rows, 1, state.position, 1)
        return self._sample(self._first_slot, rows, advance=True)

    def first_frame(self, slot: Tensor, hidden: Tensor) -> Tensor:
        """The frame (1, 1 + num_codebooks) of slot (1,) that follows a prompt whose last hidden (1, 1, D) is given."""
        self._network.state.active.index_fill_(0, slot, True)
        self._slow.x[:1] = hidden[0]
        squares = self._slow.squares(1)
        squares.zero_()
        squares[:, 0] = hidden.float().square().sum()
        return self._sample(slot, 1, advance=False)

    def _sample(self, slot: Tensor, rows: int, advance: bool) -> Tensor:
        n, fast = self._network, self._fast
        hidden, first, eps = self._slow.x[:rows], fast.x[: 2 * rows : 2], n.config.slow.norm_eps
        norm = (n.slow.norm, self._slow.squares(rows))
        self._linear(n.slow.head, hidden, self._logits[:rows], norm=norm, eps=eps)
        normed = n.config.fast_input == "normed"
        if n.project:
            self._linear(n.project, hidden, first, norm=norm if normed else None, eps=eps)
        elif normed:
            first.copy_(n.slow.normed(hidden))
        self._draw(slot, rows, 0, advance)
        for codebook in range(1, n.config.num_codebooks):
            new = 2 if codebook == 1 else 1  # the hidden state and the first code are both known
            self._layers(n.fast, fast, slot, rows, new, self._codebooks[codebook + 1 - new :], 0)
            last = slice(new - 1, new * rows, new)
            norm = (n.fast.norm, fast.squares(new * rows)[last])
            self._linear(n.fast.head, fast.x[last], self._logits[:rows], norm=norm, eps=n.config.fast.norm_eps)
            self._draw(slot, rows, codebook, advance)
        return self._drawn[:rows]

    def _layers(
        self,
        stack: Transformer,
        room: Rows,
        slot: Tensor,
        rows: int,
        new: int,
        positions: Tensor,
        position_stride: int,
    ) -> None:
        """x of `room` through all layers, at `new` positions of each row from positions[slot x position_stride] on."""
        c, all_rows = stack.config, rows * new
        x, squares = room.x[:all_rows], room.squares(all_rows)
        splits = SPLITS if room is self._slow and rows < SPLIT_BELOW else 1
        for layer, cache in zip(stack.blocks, stack.caches, strict=True):
            self._linear(layer.wqkv, x, room.qkv[:all_rows], norm=(layer.attention_norm, squares), eps=c.norm_eps)
            q_norm, k_norm = layer.qk_norm or (None, None)
            layers.attend[(rows, c.n_local_heads, splits)](
                room.qkv, room.heard, cache.k, cache.v, positions, position_stride, slot, stack.rope, q_norm, k_norm,
                self._parts, self._weights, self._arrived, cache.k.shape[2], c.norm_eps, 1 / math.sqrt(c.head_dim),
                H=c.n_head, G=c.n_local_heads, E=c.head_dim, NEW=new, QK_NORM=q_norm is not None, SPLITS=splits,
                BLOCK=POSITIONS if x.itemsize * _width(c) <= 256 else POSITIONS // 2, GROUP=_group(c), WIDTH=_width(c),
            )  # fmt: skip
            self._linear(layer.wo, room.heard[:all_rows], x, residual=True, squares=squares)
            gated = room.gated[:all_rows]
            self._linear(layer.w13, x, gated, norm=(layer.ffn_norm, squares), eps=c.norm_eps, gate=True)
            self._linear(layer.w2, gated, x, residual=True, squares=squares)

    def _linear(
        self,
        linear: Linear,
        x: Tensor,
        out: Tensor,
        *,
        norm: tuple[Tensor, Tensor] | None = None,
        eps: float = 0.0,
        gate: bool = False,
        residual: bool = False,
        squares: Tensor | None = None,
    ) -> None:
        """`norm` is the weight of x's norm and x's squares; `squares` is room for those of out."""
        assert isinstance(linear, PlainLinear)  # as `make_linear` gives on a GPU
        rows, tile = len(x), _tile(len(x), x.shape[1], x.itemsize)
        few = rows <= layers.FEW.value
        outputs = len(linear.weight) // (2 if gate else 1)
        weight, of_x = norm or (None, None)
        layers.linear[(triton.cdiv(outputs, tile["BLOCK_N"]), triton.cdiv(rows, tile["BLOCK_R"]))](
            x, x.stride(0), weight, of_x, of_x.stride(0) if of_x is not None else 0, linear.weight, linear.scale,
            linear.bias, out, out.stride(0), squares, squares.stride(0) if squares is not None else 0,
            rows, outputs, eps,
            K=x.shape[1], PARTS=of_x.shape[1] if of_x is not None else 1, NORM=norm is not None, GATE=gate,
            RESIDUAL=residual, SQUARES=squares is not None and not few, SCALE=linear.scale is not None,
            BIAS=linear.bias is not None, **tile,
        )  # fmt: skip

    def _draw(self, slot: Tensor, rows: int, codebook: int, advance: bool) -> None:
        n, config, state = self._network, self._network.config, self._network.state
        candidates = config.residual_codebook_size if codebook else config.codebook_size + 1
        squares = self._fast.squares(rows if codebook else 2 * rows)  # of the pass to come
        dim = config.fast.dim
        tokens.draw[(rows,)](
            self._logits, self._logits.stride(0), candidates, state.seed, state.step, state.active, state.temperature,
            state.top_p, state.penalty, state.history, slot, state.frame, self._drawn, n.fast_embeddings,
            self._fast.x, squares, self._slow.x, state.position, n.end, codebook,
            C=config.num_codebooks, D=dim, PARTS=squares.shape[1], FIRST=codebook == 0,
            LAST=codebook == config.num_codebooks - 1, COPY=n.project is None and config.fast_input == "hidden",
            ADVANCE=advance, WINDOW=state.history.shape[2], BLOCK=triton.next_power_of_2(candidates),
            WIDTH=triton.next_power_of_2(dim), num_warps=16 if candidates > 2048 else 4,
        )  # fmt: skip


def _group(config: TransformerConfig) -> int:
    return int(triton.next_power_of_2(config.n_head // config.n_local_heads))


def _width(config: TransformerConfig) -> int:
    return max(16, int(triton.next_power_of_2(config.head_dim)))  # Triton's products sum 16 at least


def _tile(rows: int, inputs: int, itemsize: int) -> dict[str, int]:
    """How a product of so many rows is cut into programs, measured on an H200; it fits the shared memory of smaller
    GPUs too."""
    block = triton.next_power_of_2(rows)
    if rows <= layers.FEW.value:
        whole = triton.next_power_of_2(inputs)
        # A program has its weights in registers at once: about 8,192 of them, also for the widest checkpoints.
        return {"BLOCK_R": block, "BLOCK_N": 8 if inputs <= 1024 else max(1, min(4, 16384 // whole)), "BLOCK_K": whole}
    return {"BLOCK_R": min(TILE_ROWS, max(8, block)), "BLOCK_N": BLOCK_N, "BLOCK_K": 256 if itemsize == 2 else 64}
