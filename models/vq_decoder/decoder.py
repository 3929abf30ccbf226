"""Upstream's DAC decoder, streamed: codes in blocks of any size give the same PCM as all codes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from math import prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint.configs import CodecConfig
from models.codec.layers import Builder, InPieces, Layer
from models.codec.state import Step
from models.runtime import cuda
from models.runtime.buckets import at_least
from models.types import Busy


class Stream:
    """One utterance being decoded: its row in the decoder's state, and how many frames it has heard."""

    def __init__(self, decoder: VQDecoder, row: int) -> None:
        self._decoder = decoder
        self.row = row
        self.position = 0
        self.closed = False

    def close(self) -> None:
        """Give the row back. Closing twice is harmless."""
        if not self.closed:
            self.closed = True
            self._decoder._free.append(self.row)


class VQDecoder:
    """Decodes up to `max_streams` utterances side by side; their state is allocated once, whatever their length.

    An accelerator chooses its kernels anew for every shape that it meets, which takes far longer than running them:
    there blocks of all lengths run as one batch, padded to the shapes of `warm_up`.

    `tensors` is the decoder half of a codec checkpoint (`Checkpoint.codec_tensors("decoder")`). Not thread-safe.
    """

    def __init__(
        self,
        config: CodecConfig,
        tensors: Mapping[str, Tensor],
        device: torch.device | str,
        precision: str,
        max_streams: int,
    ) -> None:
        """`precision` as in `Builder`."""
        self.config = config
        self.max_streams = max_streams
        self._device = torch.device(device)
        cuda.set_up(self._device)
        builder = Builder(tensors, self._device, precision)
        self._read_codebooks(builder)
        self._layers = _network(builder, config)
        self._pads = chooses_by_shape(self._device)
        self._shapes: tuple[Sequence[int], Sequence[int]] = ((), ())
        self._tails = builder.contexts.allocate(max_streams + self._pads)  # one more, for the streams of padding
        self._free = list(range(max_streams))[::-1]

    @property
    def state_bytes(self) -> int:
        """Memory of one stream's state."""
        return sum(tail[0].nbytes for tail in self._tails)

    def open(self) -> Stream:
        """A stream at its first frame; touches no tensor. Raises Busy when `max_streams` are open."""
        if not self._free:
            raise Busy(f"all {self.max_streams} decoder streams are in use")
        return Stream(self, self._free.pop())

    @torch.inference_mode()
    def decode(self, blocks: Sequence[tuple[Stream, np.ndarray]]) -> list[np.ndarray]:
        """Continue each stream by its codes (num_codebooks, n); returns PCM (n * frame_length,) float32 for each.

        Codes beyond a codebook are clamped into it, as upstream does.
        Raises ValueError for a closed stream, a stream given twice, or codes of another shape.
        """
        self._check(blocks)
        for row in (stream.row for stream, _ in blocks if not stream.position):
            for tail in self._tails:
                tail[row].zero_()
        pcm = [np.zeros(0, np.float32)] * len(blocks)
        if self._pads:
            spoken = [i for i, (_, codes) in enumerate(blocks) if codes.shape[1]]
            for i, samples in zip(spoken, self._padded([blocks[i] for i in spoken]), strict=True):
                pcm[i] = samples
            return pcm
        by_length: dict[int, list[int]] = {}
        for i, (_, codes) in enumerate(blocks):
            by_length.setdefault(codes.shape[1], []).append(i)
        for length, members in by_length.items():
            if length:
                streams = [blocks[i][0] for i in members]
                audio = self._forward(np.stack([blocks[i][1] for i in members]), self._step(streams))
                for i, samples in zip(members, audio.numpy(), strict=True):
                    pcm[i] = samples
                    blocks[i][0].position += length
        return pcm

    def _padded(self, blocks: Sequence[tuple[Stream, np.ndarray]]) -> list[np.ndarray]:
        """As `decode`, for blocks of at least a frame each."""
        if not blocks:
            return []
        lengths = [codes.shape[1] for _, codes in blocks]
        frames, width = at_least(max(lengths), self._shapes[0]), at_least(len(blocks), self._shapes[1])
        codes = np.zeros((width, self.config.num_codebooks, frames), np.int64)
        numbers = np.zeros((3, width), np.int64)  # row, position and length of each stream
        numbers[0] = self.max_streams
        for i, (stream, new) in enumerate(blocks):
            codes[i, :, : lengths[i]] = new
            numbers[:, i] = stream.row, stream.position, lengths[i]
        rows, positions, true = self._send(numbers)
        audio = self._forward(codes, Step(self._tails, rows, positions, true, frames)).cpu().numpy()
        for (stream, _), length in zip(blocks, lengths, strict=True):
            stream.position += length
        return [audio[i, : length * self.config.frame_length] for i, length in enumerate(lengths)]

    def warm_up(self, block_sizes: Sequence[int], batch_sizes: Sequence[int] = (1,)) -> None:
        """Decode once at each size, so that kernels are made and memory is claimed before the first request. On an
        accelerator, later calls are padded to these sizes, where they are not larger."""
        self._shapes = sorted(block_sizes), sorted(batch_sizes)
        # The largest first: the others reuse the memory of a GPU that it took.
        for streams in reversed(self._shapes[1]):
            opened = [self.open() for _ in range(streams)]
            for size in reversed(self._shapes[0]):
                codes = np.zeros((self.config.num_codebooks, size), np.int16)
                self.decode([(stream, codes) for stream in opened])
            for stream in opened:
                stream.close()

    def _check(self, blocks: Sequence[tuple[Stream, np.ndarray]]) -> None:
        if len({stream.row for stream, _ in blocks}) != len(blocks):
            raise ValueError("a stream can be continued only once in a call")
        for stream, codes in blocks:
            if stream.closed:
                raise ValueError("the stream is closed")
            if codes.ndim != 2 or codes.shape[0] != self.config.num_codebooks:
                raise ValueError(f"codes must be ({self.config.num_codebooks}, frames), not {codes.shape}")

    def _read_codebooks(self, builder: Builder) -> None:
        """All codebooks under one another, and their output projections side by side as one linear layer."""
        config = self.config
        names = ["quantizer.semantic_quantizer.quantizers.0."]
        names += [f"quantizer.quantizer.quantizers.{i}." for i in range(config.n_codebooks)]
        books = [builder.tensors[name + "codebook.weight"] for name in names]
        self._codebooks = torch.cat(books).to(self._device, builder.dtype)
        self._last = np.array([len(book) - 1 for book in books])[:, None]
        self._offsets = np.cumsum([0] + [len(book) for book in books[:-1]])[:, None]
        weight = torch.cat([builder.tensors[name + "out_proj.weight"][:, :, 0] for name in names], dim=1)
        bias = reduce(torch.add, [builder.tensors[name + "out_proj.bias"] for name in names])
        self._project = builder.linear(weight, bias)

    def _step(self, streams: list[Stream]) -> Step:
        rows: slice | Tensor = slice(streams[0].row, streams[0].row + 1)
        if len(streams) > 1:
            rows = self._send(np.array([stream.row for stream in streams]))
        return Step(self._tails, rows, self._send(np.array([stream.position for stream in streams])))

    def _forward(self, codes: np.ndarray, step: Step) -> Tensor:
        """codes (batch, num_codebooks, n) -> PCM (batch, n * frame_length) float32 on the device."""
        indices = np.clip(codes.astype(np.int64), 0, self._last) + self._offsets
        x = self._project(F.embedding(self._send(indices.swapaxes(1, 2)), self._codebooks).flatten(2))
        for layer in self._layers:
            x = layer(x, step)
        return x.squeeze(2).tanh()

    def _send(self, values: np.ndarray) -> Tensor:
        held = torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64))
        return held.to(self._device, non_blocking=self._device.type == "cuda")  # MPS would read it when it is gone


def chooses_by_shape(device: torch.device) -> bool:
    """Whether every new shape of a batch costs time. On a CPU the layers keep to a few shapes themselves."""
    return device.type != "cpu"


def _network(builder: Builder, config: CodecConfig) -> list[Layer]:
    """From summed codebook vectors (batch, n, latent) to samples before tanh (batch, n * frame_length, 1), fp32."""
    layers: list[Layer] = [builder.transformer("quantizer.post_module.", config.transformer)]
    for i, factor in enumerate(reversed(config.downsample_factor)):
        layers += builder.upsample(f"quantizer.upsample.{i}.", factor)
    convolutions = [builder.read.conv("decoder.model.0.conv")]
    for i, stride in enumerate(config.decoder_rates):
        block = f"decoder.model.{i + 1}.block."
        convolutions.append(builder.read.transposed(block + "1.conv", block + "0", stride))
        convolutions += builder.read.residual_units(block, first=2)
    last = len(config.decoder_rates) + 1
    # Exact: rounding the samples themselves to bf16 would make the loudest noise of all.
    convolutions.append(
        replace(builder.read.conv(f"decoder.model.{last + 1}.conv", f"decoder.model.{last}"), exact=True)
    )
    per_frame = prod(config.downsample_factor)
    return [*layers, InPieces([builder.convolutions(convolutions, per_frame)], per_frame, builder.device)]
