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
# Of int16 only most weights are, and where the kernels cannot be compiled, none.
BYTES = {"fp32": 4, "bf16x3": 4, "int16": 4, "bf16": 2, "fp16": 2}
# Bytes of a weight of a linear layer with its share of a scale; in int4 the two heads, 1 % of all weights, stay int8.
QUANTIZED = {"int8": 1.02, "int4": 0.54}
# Weights of a codec's half below which a second thread on a CPU costs more time than it saves, as threads sleep between
# operations: the starter (1.3 M) encodes 3 s in 77 ms with one thread and 229 with two, and decodes half a second in 23
# and 66; S1-mini's halves (some 200 M) gain from each.
WORTH_THREADS = 10_000_000
CPU_COPIES = {DECODER: 2.0}  # of the weights: oneDNN keeps them in layouts of its own too


@dataclass(frozen=True, slots=True)
class Footprints:
    """Sizes of one checkpoint; the defaults are S1-mini's.

    Where they come from is said, and computed, in `models.footprint`. `*_values*` count values, so that the bytes
    follow the precision: keys and values per position, of which a slot pre-allocates `slot_tokens` and a voice whose
    prefix stays cached takes `prefix_tokens`; activations of one recording in the encoder, and of one stream's block in
    the decoder; what the decoder remembers of every stream that may be open. `runtime_gb`: a process with torch and the
    kernels that it makes; `cuda_context_gb`: VRAM that a CUDA process takes before its first tensor; `cuda_host_gb`:
    its RAM.

    Measured on a CPU, as private memory at its peak (libraries and checkpoint are mapped, 0.3 to 0.5 GB that replicas
    share and the margin covers), GB against this model's: encoder fp32 1.37 (1.51), bf16 with two recordings 1.03
    (1.10); decoder of 32 streams bf16 with 4 slots 1.38 (1.48), with 8 1.45 (1.64), fp32 with 4 2.48 (2.51); stages of
    the tiny checkpoint 0.36 to 0.50 (0.45 to 0.48). Text-to-semantic in int8 took 1.66 with 4 slots and 2.78 with 16
    (2.66 and 5.48) where slots were a third full: the model counts full ones. On CUDA torch's allocations of
    text-to-semantic in bf16 with 64 slots were 17.1 (16.9).
    """

    text_to_semantic_params: int = 704_900_000
    embedding_params: int = 201_400_000
    codec_encoder_params: int = 207_200_000
    codec_decoder_params: int = 184_500_000
    kv_values_per_token: int = 57_344
    slot_tokens: int = 2112
    prefix_tokens: int = 768
    encoder_values_per_slot: int = 58_720_256
    decoder_values_per_slot: int = 19_660_800
    decoder_state_values: int = 2_097_152
    runtime_gb: float = 0.45
    cuda_context_gb: float = 0.5
    cuda_host_gb: float = 1.2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{field.name} must be a number of at least 0, got {value!r}")
        if self.embedding_params > self.text_to_semantic_params:
            raise ValueError("embedding_params are part of text_to_semantic_params and cannot exceed them")

    def stage_gb(
        self, stage: str, device: str, precision: str, quantization: str, slots: int, voices: int, streams: int
    ) -> float:
        """Memory of one replica on its device (VRAM on cuda, RAM else), without margin; `voices`: prefixes kept;
        `streams`: that may be open in a decoder."""
        width = BYTES[precision]
        copies = CPU_COPIES.get(stage, 1.0) if device == "cpu" else 1.0
        if stage == LM:
            linear = self.text_to_semantic_params - self.embedding_params
            weights = self.embedding_params * width + linear * QUANTIZED.get(quantization, width)
            working = self.kv_values_per_token * (slots * self.slot_tokens + voices * self.prefix_tokens)
        elif stage == ENCODER:
            weights = self.codec_encoder_params * width * copies
            working = slots * self.encoder_values_per_slot
        else:
            weights = self.codec_decoder_params * width * copies
            working = slots * self.decoder_values_per_slot + streams * self.decoder_state_values
        return (weights + working * width) / GB + (self.cuda_context_gb if device == "cuda" else self.runtime_gb)

    def worth_threads(self, stage: str) -> bool:
        """Whether several threads make a stage faster on a CPU."""
        params = {ENCODER: self.codec_encoder_params, DECODER: self.codec_decoder_params}
        return params.get(stage, math.inf) >= WORTH_THREADS

    def host_gb(self, device: str, stage_gb: float) -> float:
        """RAM of one replica, wherever its tensors live."""
        return self.cuda_host_gb if device == "cuda" else stage_gb
