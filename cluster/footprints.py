"""How much memory a stage needs, from the checkpoint's figures. 1 GB is 1e9 bytes.

Parameter counts of S1-mini: 860.2 M in all, of which 159.5 M are the output head; ours keeps only the head's semantic
rows (4.2 M). Embeddings (159.5 M text + 41.9 M codebook) are looked up, never multiplied, and never quantised.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

GB = 1e9
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True, slots=True)
class Footprints:
    """Sizes of one checkpoint; the defaults are S1-mini's.

    `kv_values_per_token`: layers x kv heads x head dim x 2 (key and value). `slot_tokens`: positions that one slot
    pre-allocates (30 s of reference + text + 1,024 new frames); `prefix_tokens`: of a voice whose prefix stays cached
    (30 s of reference and its transcript). `*_values_*`: peak activations in values, so that the bytes follow the
    precision: the encoder holds about four tensors of 64 channels at 44.1 kHz, the decoder about four of 96 channels
    over a block of 25 frames of 2,048 samples, plus its attention state. `runtime_gb`: a process with torch;
    `cuda_context_gb`: VRAM that a CUDA process takes before its first tensor; `cuda_host_gb`: its RAM.
    """

    text_to_semantic_params: int = 704_900_000
    embedding_params: int = 201_400_000
    codec_encoder_params: int = 207_200_000
    codec_decoder_params: int = 184_500_000
    kv_values_per_token: int = 28 * 8 * 128 * 2
    slot_tokens: int = 2048
    prefix_tokens: int = 768
    reference_seconds: int = 30
    encoder_values_per_second: int = 4 * 64 * 44_100
    decoder_values_per_slot: int = 4 * 96 * 25 * 2048 + 2_100_000
    runtime_gb: float = 0.35
    cuda_context_gb: float = 0.5
    cuda_host_gb: float = 1.2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{field.name} must be a number of at least 0, got {value!r}")
        if self.embedding_params > self.text_to_semantic_params:
            raise ValueError("embedding_params are part of text_to_semantic_params and cannot exceed them")

    def stage_gb(self, stage: str, device: str, precision: str, quantization: str, slots: int, voices: int) -> float:
        """Memory of one replica on its device (VRAM on cuda, RAM else), without margin; `voices`: prefixes kept."""
        width = BYTES[precision]
        if stage == "text_to_semantic":
            linear = self.text_to_semantic_params - self.embedding_params
            weights = self.embedding_params * width + linear * (1.02 if quantization == "int8" else width)
            tokens = slots * self.slot_tokens + voices * self.prefix_tokens
            working = self.kv_values_per_token * tokens * width / GB
        elif stage == "reference_encoder":
            weights = self.codec_encoder_params * width
            working = slots * self.reference_seconds * self.encoder_values_per_second * width / GB
        else:
            weights = self.codec_decoder_params * width
            working = slots * self.decoder_values_per_slot * width / GB
        return weights / GB + working + (self.cuda_context_gb if device == "cuda" else self.runtime_gb)

    def host_gb(self, device: str, stage_gb: float) -> float:
        """RAM of one replica, wherever its tensors live."""
        return self.cuda_host_gb if device == "cuda" else stage_gb
