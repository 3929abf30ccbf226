"""The codec's causal transformer with a limited window, streamed (upstream's WindowLimitedTransformer)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint.configs import TransformerConfig
from models.codec.native.kernels import NativeLinear
from models.codec.ops import Linear
from models.codec.state import Contexts, Step


class WindowTransformer:
    """(batch, n, dim) -> (batch, n, dim), every position attending to itself and the `window_size` - 1 before it.

    The keys and values of those are the tail of each layer, rotated at their absolute positions. `per_frame` positions
    make one frame. Norm weights and layer scales are folded into the linear layers.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        prefix: str,
        config: TransformerConfig,
        contexts: Contexts,
        linear: Callable[..., Linear | NativeLinear],
        device: torch.device,
        dtype: torch.dtype,
        per_frame: int = 1,
    ) -> None:
        self._config = config
        self._per_frame = per_frame
        self._window = _window(config)
        self._layers = [
            _Layer(tensors, f"{prefix}layers.{i}.", config, contexts, linear) for i in range(config.n_layer)
        ]
        self._norm = tensors[prefix + "norm.weight"].to(device, dtype)
        exponents = torch.arange(0, config.head_dim, 2)[: config.head_dim // 2].float() / config.head_dim
        self._frequencies = (1.0 / config.rope_base**exponents).to(device)

    def __call__(self, x: Tensor, step: Step) -> Tensor:
        """(batch, n, dim) -> the same."""
        n = x.shape[1]
        positions = step.positions[:, None] * self._per_frame + torch.arange(n, device=x.device)
        cos, sin = self._rotation(positions)
        mask = self._mask(positions, n)
        for layer in self._layers:
            x = layer(x, cos, sin, mask, step)
        return F.rms_norm(x, x.shape[-1:], self._norm, self._config.norm_eps)

    def _rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin (batch, n, 1, head_dim / 2), rounded to bf16 as upstream's table is, for any position."""
        angles = (positions[..., None] * self._frequencies)[:, :, None]
        turns = torch.polar(torch.ones_like(angles), angles)  # cos() and sin() differ from upstream's in the last bit
        return turns.real.bfloat16().float(), turns.imag.bfloat16().float()

    def _mask(self, positions: Tensor, n: int) -> Tensor:
        """(batch, 1, n, window - 1 + n), True where query i may see key j of the tail followed by the block."""
        i = torch.arange(n, device=positions.device)[:, None]
        j = torch.arange(self._window - 1 + n, device=positions.device)
        in_window = (j >= i) & (j < i + self._window)
        exists = positions[:, :1] - (self._window - 1) + j >= 0
        return (in_window & exists[:, None])[:, None]


class _Layer:
    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        prefix: str,
        config: TransformerConfig,
        contexts: Contexts,
        linear: Callable[..., Linear | NativeLinear],
    ) -> None:
        self._heads, self._head_dim, self._eps = config.n_head, config.head_dim, config.norm_eps
        self._keys_values = contexts.reserve(_window(config) - 1, 2 * config.n_head * config.head_dim)
        attention, feed_forward = prefix + "attention.", prefix + "feed_forward."
        norm, scale = tensors[prefix + "attention_norm.weight"], tensors[prefix + "attention_layer_scale.gamma"]
        self._qkv = linear(tensors[attention + "wqkv.weight"] * norm)
        self._out = linear(tensors[attention + "wo.weight"] * scale[:, None])
        norm, scale = tensors[prefix + "ffn_norm.weight"], tensors[prefix + "ffn_layer_scale.gamma"]
        self._gate = linear(tensors[feed_forward + "w1.weight"] * norm, activation="swish")
        self._up = linear(tensors[feed_forward + "w3.weight"] * norm)
        self._down = linear(tensors[feed_forward + "w2.weight"] * scale[:, None])

    def __call__(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, step: Step) -> Tensor:
        x = self._out.add(self._attention(F.rms_norm(x, x.shape[-1:], None, self._eps), cos, sin, mask, step), x)
        h = F.rms_norm(x, x.shape[-1:], None, self._eps)
        return self._down.add(self._up.multiply(h, self._gate(h)), x)

    def _attention(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, step: Step) -> Tensor:
        batch, n, _ = x.shape
        query_key, value = self._qkv(x).split([2 * self._heads * self._head_dim, self._heads * self._head_dim], dim=-1)
        even, odd = query_key.float().view(batch, n, 2 * self._heads, self._head_dim // 2, 2).unbind(-1)
        rotated = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).to(x.dtype).flatten(2)
        query, key = rotated.chunk(2, dim=-1)
        keys_values = step.prepend(self._keys_values, torch.cat((key, value), dim=-1))
        query, key, value = (
            t.unflatten(-1, (self._heads, self._head_dim)).transpose(1, 2)
            for t in (query, *keys_values.chunk(2, dim=-1))
        )
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return y.transpose(1, 2).flatten(2)


def _window(config: TransformerConfig) -> int:
    """Positions that one attends to, its own included."""
    assert config.window_size is not None, "a codec's transformer has a window, or its streaming state would grow"
    return config.window_size
