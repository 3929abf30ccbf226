"""Blocks of the slow and fast transformers, written for serving: rows with positions of their own, a cache of slots.

Shapes: B rows, T new positions each, D model dim, H query heads, G key/value heads, E head dim, L cached positions.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint.configs import TransformerConfig
from models.text_to_semantic.network.linear import Linear, Quantization, make_linear
from models.text_to_semantic.network.weights import LayerWeights, LinearWeights, StackWeights

Slots = slice | Tensor  # of a batch's rows: a range of slots, or an int64 tensor of slot numbers


def rope_table(length: int, config: TransformerConfig) -> Tensor:
    """(length, E/2, 2) cosines and sines, rounded to bf16 as upstream's `precompute_freqs_cis` and stored fp32.

    The rounding is part of what the weights were trained with: an unrounded table garbles the audio.
    """
    exponent = torch.arange(0, config.head_dim, 2)[: config.head_dim // 2].float() / config.head_dim
    angles = torch.outer(torch.arange(length), 1.0 / (config.rope_base**exponent))
    return torch.stack([angles.cos(), angles.sin()], dim=-1).bfloat16().float()


def rotate(x: Tensor, rope: Tensor) -> Tensor:
    """Rotate interleaved pairs of x (B, T, heads, E) by rope (B, T, E/2, 2), in fp32."""
    pairs = x.float().unflatten(-1, (-1, 2))
    cos, sin = rope[:, :, None, :, 0], rope[:, :, None, :, 1]
    even, odd = pairs[..., 0], pairs[..., 1]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2).to(x.dtype)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Upstream's RMSNorm: normalised in fp32, rounded to the activation's dtype, then scaled."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype) * weight


class Cache:
    """Keys and values of one layer: (slots, G, positions, E) each, allocated once, written in place."""

    def __init__(self, slots: int, positions: int, config: TransformerConfig, like: Tensor) -> None:
        shape = (slots, config.n_local_heads, positions, config.head_dim)
        self.k, self.v = _lazy_zeros(shape, like), _lazy_zeros(shape, like)

    def write(self, slots: Slots, positions: Tensor, k: Tensor, v: Tensor) -> None:
        """Store k, v (B, T, G, E) at positions (B, T) of the B rows of `slots`.

        By index_put_ into the whole cache: a compiled scatter_ into the rows copies them whole, there and back.
        """
        if isinstance(slots, slice):
            slots = torch.arange(slots.start, slots.stop, device=positions.device)
        rows = slots[:, None, None]
        heads = torch.arange(k.shape[2], device=positions.device)[None, :, None]
        place = (rows, heads, positions[:, None])
        self.k.index_put_(place, k.transpose(1, 2))
        self.v.index_put_(place, v.transpose(1, 2))


class Block:
    """One transformer block (upstream's `TransformerBlock`)."""

    def __init__(
        self, config: TransformerConfig, weights: LayerWeights, quantization: Quantization, like: Tensor
    ) -> None:
        def linear(of: LinearWeights) -> Linear:
            return make_linear(of.weight, of.bias, quantization, like)

        self.config = config
        self.wqkv, self.wo, self.w2 = linear(weights.qkv), linear(weights.wo), linear(weights.w2)
        self.w13 = linear(LinearWeights(torch.cat([weights.w1.weight, weights.w3.weight])))
        self.attention_norm, self.ffn_norm = weights.attention_norm.to(like), weights.ffn_norm.to(like)
        norms = weights.q_norm, weights.k_norm
        self.qk_norm = None if norms[0] is None or norms[1] is None else (norms[0].to(like), norms[1].to(like))

    def __call__(
        self, x: Tensor, rope: Tensor, cache: Cache, slots: Slots, positions: Tensor, context: int, mask: Tensor
    ) -> Tensor:
        """x (B, T, D) at positions (B, T) of `slots` -> (B, T, D).

        Attends over the first `context` cached positions; mask (B, 1, T, context) is True where a query may look.
        """
        eps = self.config.norm_eps
        x = x + self._attend(rms_norm(x, self.attention_norm, eps), rope, cache, slots, positions, context, mask)
        gate, up = self.w13(rms_norm(x, self.ffn_norm, eps)).chunk(2, dim=-1)
        return x + self.w2(F.silu(gate) * up)

    def _attend(
        self, x: Tensor, rope: Tensor, cache: Cache, slots: Slots, positions: Tensor, context: int, mask: Tensor
    ) -> Tensor:
        c = self.config
        q, k, v = self.wqkv(x).unflatten(-1, (-1, c.head_dim)).split([c.n_head, c.n_local_heads, c.n_local_heads], 2)
        if self.qk_norm:
            q = F.rms_norm(q, (c.head_dim,), self.qk_norm[0], c.norm_eps)
            k = F.rms_norm(k, (c.head_dim,), self.qk_norm[1], c.norm_eps)
        cache.write(slots, positions, rotate(k, rope), v)
        q = rotate(q, rope).transpose(1, 2)
        keys, values = cache.k[slots, :, :context], cache.v[slots, :, :context]
        group = c.n_head // c.n_local_heads
        if q.shape[2] == 1:
            # One new position: the heads of a group become the query axis, so keys are read once and not repeated.
            q = q.reshape(q.shape[0], c.n_local_heads, group, c.head_dim)
            y = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
            return self.wo(y.reshape(y.shape[0], 1, -1))
        y = F.scaled_dot_product_attention(
            q, keys.repeat_interleave(group, 1), values.repeat_interleave(group, 1), attn_mask=mask
        )
        return self.wo(y.transpose(1, 2).flatten(2))


class Transformer:
    """A stack of blocks, their cache for every slot, and the head that reads what comes out."""

    def __init__(
        self,
        config: TransformerConfig,
        weights: StackWeights,
        quantization: Quantization,
        like: Tensor,
        *,
        slots: int,
        positions: int,
        room: int,
    ) -> None:
        """Positions are below `positions`; the cache has `room` for at least as many."""
        self.config = config
        self.blocks = [Block(config, layer, quantization, like) for layer in weights.layers]
        self.caches = [Cache(slots, room, config, like) for _ in weights.layers]
        self.rope = rope_table(positions, config).to(like.device)
        self.norm = weights.norm.to(like)
        self.head = make_linear(weights.head.weight, weights.head.bias, quantization, like)

    def __call__(self, x: Tensor, rope: Tensor, slots: Slots, positions: Tensor, context: int, mask: Tensor) -> Tensor:
        """As `Block`, through all of them; `rope` (B, T, E/2, 2) is the table's at `positions`."""
        for block, cache in zip(self.blocks, self.caches, strict=True):
            x = block(x, rope, cache, slots, positions, context, mask)
        return x

    def normed(self, hidden: Tensor) -> Tensor:
        """A hidden state (B, T, D) through the last norm."""
        return rms_norm(hidden, self.norm, self.config.norm_eps)

    def logits(self, hidden: Tensor) -> Tensor:
        """The head's logits (B, V) fp32 for hidden states (B, 1, D)."""
        return self.head(self.normed(hidden))[:, 0].float()


def _lazy_zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Zeros whose pages, on a CPU, take no memory until they are written: a slot costs as much as it has used.

    Not uninitialised memory, because the value at a masked position is still multiplied by 0.
    """
    if like.device.type != "cpu":
        return torch.zeros(shape, dtype=like.dtype, device=like.device)
    size = math.prod(shape) * like.element_size()
    return torch.from_numpy(np.zeros(size, dtype=np.uint8)).view(like.dtype).view(shape)
