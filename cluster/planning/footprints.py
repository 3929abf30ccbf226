"""How much memory a stage needs, from the checkpoint's figures. 1 GB is 1e9 bytes.

Parameter counts of S1-mini: 860.2 M in all, of which 159.5 M are the output head; ours keeps only the head's semantic
rows (4.2 M). Embeddings (159.5 M text + 41.9 M codebook) are looked up, never multiplied, and never quantised.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from cluster.planning.stages import DECODER, ENCODER, LM

GB = 1e9
BYTES = {"fp32": 4, "bf16x3": 4, "int16": 4, "bf16": 2, "fp16": 2}
# Bytes per weight of a linear layer with its share of a scale; in int4 the heads, 1 % of all weights, stay int8.
QUANTIZED = {"int8": 1.03, "int4": 0.54}
CACHED = 2  # bytes per value of the native kernels' cache, which is bf16
# Bytes per weight of the decoder on a CPU, with its copies in oneDNN's layouts and what loading holds. The figure of
# int16 is loading's; it keeps half of that, or as much as fp32 where its kernels cannot be compiled.
DECODER_ON_CPU = {"fp32": 5.2, "bf16": 3.4, "int16": 4.0, "bf16x3": 5.2}
# Weights of a codec's half below which a second thread on a CPU costs more time than it saves, as threads sleep between
# operations: the starter (1.3 M) encodes 3 s in 77 ms with one thread and 229 with two, and decodes half a second in 23
# and 66; S1-mini's halves (some 200 M) gain from each.
WORTH_THREADS = 10_000_000


@dataclass(frozen=True, slots=True)
class Room:
    """What a replica must hold: `slots` side by side, prefixes of `voices` that stay cached, `streams` that may be open
    in a decoder, and in text-to-semantic `positions` per slot (None: the usual number)."""

    slots: int = 1
    voices: int = 0
    streams: int = 0
    positions: int | None = None


@dataclass(frozen=True, slots=True)
class Footprints:
    """Sizes of one checkpoint; the defaults are S1-mini's.

    Where they come from is said, and computed, in `models.footprint`. `*_values*` count values, so that the bytes
    follow the precision: keys and values per position, of which a slot has `positions` (at most `most_positions`, and
    `padding_positions` more in torch's cache) and a voice whose prefix stays cached `prefix_tokens`; activations of one
    recording in the encoder, and of one stream's block in the decoder; what the decoder remembers of every stream that
    may be open. `runtime_gb`: a process with torch, Ray and the kernels that it makes; `tokenizer_gb`: the tokenizer
    and the engine beside it; `cuda_context_gb`: VRAM that a CUDA process takes before its first tensor; `cuda_host_gb`:
    its RAM.

    Measured on a CPU by `python -m tests.bench.footprints`, as anonymous memory at its peak (libraries, checkpoint and
    embeddings are mapped files), GB against this model's: text-to-semantic in int8 with 1 slot 1.29 (1.26), and two
    voices 1.48 (1.43), with 4 slots 2.16 (2.14), in int4 1.23 (1.19); decoder fp32 1.43 (1.44), bf16 1.05 (1.06), int16
    1.22 (1.21); encoder fp32 1.44 (1.44), bf16 0.92 (0.91). On CUDA torch's allocations of text-to-semantic in bf16
    with 64 slots were 17.1 (16.9).
    """

    text_to_semantic_params: int = 704_900_000
    embedding_params: int = 201_400_000
    codec_encoder_params: int = 207_200_000
    codec_decoder_params: int = 184_500_000
    kv_values_per_token: int = 57_344
    positions: int = 2048
    most_positions: int = 8192
    padding_positions: int = 64
    prefix_tokens: int = 768
    encoder_values_per_slot: int = 58_720_256
    decoder_values_per_slot: int = 19_660_800
    decoder_state_values: int = 2_097_152
    runtime_gb: float = 0.38
    tokenizer_gb: float = 0.12
    cuda_context_gb: float = 0.5
    cuda_host_gb: float = 1.2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{field.name} must be a number of at least 0, got {value!r}")
        if self.embedding_params > self.text_to_semantic_params:
            raise ValueError("embedding_params are part of text_to_semantic_params and cannot exceed them")

    def stage_gb(self, stage: str, device: str, precision: str, quantization: str, room: Room) -> float:
        """Memory of one replica on its device (VRAM on cuda, RAM else), without margin."""
        base = self.cuda_context_gb if device == "cuda" else self.runtime_gb
        if stage == LM:
            own = 0 if device == "cuda" else self.tokenizer_gb
            return base + own + self._text_to_semantic(device, precision, quantization, room) / GB
        width = BYTES[precision]
        at_once = 1 if device == "cpu" else room.slots  # on a CPU streams and recordings run one by one
        if stage == ENCODER:
            values = at_once * self.encoder_values_per_slot
            return base + (self.codec_encoder_params + values) * width / GB
        each = DECODER_ON_CPU[precision] if device == "cpu" else width
        values = at_once * self.decoder_values_per_slot + room.streams * self.decoder_state_values
        return base + (self.codec_decoder_params * each + values * width) / GB

    def _text_to_semantic(self, device: str, precision: str, quantization: str, room: Room) -> float:
        """Bytes of weights and cache. On a CPU integer weights run on the native kernels, which read embeddings from
        the mapped checkpoint."""
        width = BYTES[precision]
        native = device == "cpu" and quantization in QUANTIZED
        embeddings = 0 if native else self.embedding_params * width
        linear = (self.text_to_semantic_params - self.embedding_params) * QUANTIZED.get(quantization, width)
        positions = (room.positions or self.positions) + (0 if native else self.padding_positions)
        cached = room.slots * positions + room.voices * self.prefix_tokens
        return embeddings + linear + cached * self.kv_values_per_token * (CACHED if native else width)

    def worth_threads(self, stage: str) -> bool:
        """Whether several threads make a stage faster on a CPU."""
        params = {ENCODER: self.codec_encoder_params, DECODER: self.codec_decoder_params}
        return params.get(stage, math.inf) >= WORTH_THREADS

    def host_gb(self, device: str, stage_gb: float) -> float:
        """RAM of one replica, wherever its tensors live."""
        return self.cuda_host_gb if device == "cuda" else stage_gb
