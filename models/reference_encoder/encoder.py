"""Upstream's DAC encoder: recordings to codes, without the layers that only its training needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint.configs import CodecConfig
from models.codec.layers import Builder, InPieces, Layer
from models.codec.state import Step
from models.runtime import cuda

# The network is causal, so a recording is read in pieces: memory stays flat and activations stay in the cache. The last
# one is filled with silence: oneDNN makes and keeps kernels for every shape, and recordings have every length. A CPU
# reads all weights for each piece, so it takes two at once where it can.
_PIECE = 16


class ReferenceEncoder:
    """Encodes batches of recordings. `tensors` is the encoder half of a codec checkpoint
    (`Checkpoint.codec_tensors("encoder")`). Not thread-safe."""

    def __init__(
        self,
        config: CodecConfig,
        tensors: Mapping[str, Tensor],
        device: torch.device | str,
        precision: str,
    ) -> None:
        """`precision` as in `Builder`."""
        self.config = config
        self._device = torch.device(device)
        cuda.set_up(self._device)
        builder = Builder(tensors, self._device, precision)
        self._layers = _network(builder, config)
        self._contexts = builder.contexts
        names = ["quantizer.semantic_quantizer.quantizers.0."]
        names += [f"quantizer.quantizer.quantizers.{i}." for i in range(config.n_codebooks)]
        self._quantizers = [_Quantizer(tensors, name, self._device) for name in names]

    def warm_up(self) -> None:
        """Encode silence in pieces of every length, so that kernels are made before the first request."""
        for pieces in (2, 1):
            self.encode([np.zeros(pieces * _PIECE * self.config.frame_length, np.float32)])

    @torch.inference_mode()
    def encode(self, waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Mono float32 recordings (samples,) at config.sample_rate -> codes (num_codebooks, frames) int16 for each.

        frames is ceil(samples / frame_length); a last partial frame is filled with silence. One batch, and no recording
        sees another's padding.
        """
        frame_length = self.config.frame_length
        frames = [-(-len(waveform) // frame_length) for waveform in waveforms]
        order = sorted(range(len(waveforms)), key=lambda i: -frames[i])  # those still running are then the first rows
        longest = -(-max(frames, default=0) // _PIECE) * _PIECE
        padded = np.zeros((len(waveforms), longest * frame_length), np.float32)
        codes = np.zeros((len(waveforms), self.config.num_codebooks, longest), np.int16)
        for row, i in enumerate(order):
            padded[row, : len(waveforms[i])] = waveforms[i]
        tails = self._contexts.allocate(len(waveforms))
        at_once = 2 * _PIECE if self._device.type == "cpu" else _PIECE
        for start in range(0, longest, at_once):
            end = min(start + at_once, longest)
            running = sum(count > start for count in frames)
            samples = torch.from_numpy(padded[:running, start * frame_length : end * frame_length]).to(self._device)
            positions = torch.full((running,), start, device=self._device)
            step = Step(tails, slice(0, running), positions)
            codes[:running, :, start:end] = self._forward(samples, step).cpu().numpy()
        return [codes[row, :, : frames[i]].copy() for row, i in sorted(enumerate(order), key=lambda pair: pair[1])]

    def _forward(self, samples: Tensor, step: Step) -> Tensor:
        """(batch, n * frame_length) -> (batch, num_codebooks, n) int16."""
        x = samples[..., None]
        for layer in self._layers:
            x = layer(x, step)
        x = x.float()
        codes = []
        for quantizer in self._quantizers:
            index, quantized = quantizer(x)
            x = x - quantized
            codes.append(index)
        return torch.stack(codes, dim=1).to(torch.int16)


class _Quantizer:
    """One codebook: the entry nearest in direction to the projected vector (upstream's VectorQuantize), in fp32."""

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str, device: torch.device) -> None:
        self._in_weight = tensors[prefix + "in_proj.weight"][:, :, 0].to(device)
        self._in_bias = tensors[prefix + "in_proj.bias"].to(device)
        self._out_weight = tensors[prefix + "out_proj.weight"][:, :, 0].to(device)
        self._out_bias = tensors[prefix + "out_proj.bias"].to(device)
        self._codebook = tensors[prefix + "codebook.weight"].to(device)
        self._directions = F.normalize(self._codebook)
        self._squares = self._directions.square().sum(dim=1)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, n, latent) -> indices (batch, n) and what they stand for (batch, n, latent)."""
        direction = F.normalize(F.linear(x, self._in_weight, self._in_bias), dim=-1)
        index = (2 * direction @ self._directions.T - self._squares).argmax(dim=-1)
        return index, F.linear(F.embedding(index, self._codebook), self._out_weight, self._out_bias)


def _network(builder: Builder, config: CodecConfig) -> list[Layer]:
    """From samples (batch, n * frame_length, 1) to the latent of each frame (batch, n, latent)."""
    # Exact: rounding the samples themselves to bf16 would add audible noise before the first layer.
    first = builder.convolutions([replace(builder.read.conv("encoder.block.0.conv"), exact=True)], config.frame_length)
    dtype = builder.dtype  # and not the builder, which holds the checkpoint
    blocks = [_block(builder, config, i) for i in range(len(config.encoder_rates))]
    # The last block has the most weights and the fewest rows: better not read its weights for every piece.
    wide: list[Layer] = [lambda x, step: first(x, step).to(dtype), *chain(*blocks[:-1])]
    layers: list[Layer] = [InPieces(wide, config.frame_length, builder.device), *blocks[-1]]
    last = len(config.encoder_rates) + 1
    narrow = builder.read.conv(f"encoder.block.{last + 1}.conv", f"encoder.block.{last}")
    layers.append(builder.convolutions([narrow], prod(config.downsample_factor)))
    for i, factor in enumerate(config.downsample_factor):
        layers += builder.downsample(f"quantizer.downsample.{i}.", factor)
    layers.append(builder.transformer("quantizer.pre_module.", config.transformer))
    return layers


def _block(builder: Builder, config: CodecConfig, i: int) -> list[Layer]:
    prefix, stride = f"encoder.block.{i + 1}.block.", config.encoder_rates[i]
    down = builder.read.conv(prefix + "4.conv", prefix + "3", stride=stride)
    before, per_frame = (config.frame_length // prod(config.encoder_rates[:n]) for n in (i, i + 1))
    layers: list[Layer] = [builder.convolutions([*builder.read.residual_units(prefix, first=0), down], before)]
    if config.encoder_transformer_layers[i]:
        layers.append(builder.transformer(prefix + "5.", config.encoder_transformer(i), per_frame))
    return layers
