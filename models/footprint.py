"""How large a checkpoint is: counts of weights and of values, of which a planner makes bytes in some precision."""

from __future__ import annotations

import math

from models.checkpoint.configs import CodecConfig, LanguageModelConfig
from models.checkpoint.tensors import Half, belongs, codec_shapes, language_model_shapes
from models.text_to_semantic.load import POSITIONS, PREFIX_POSITIONS
from models.text_to_semantic.network.torch_network import CONTEXT_BUCKET

# Encoding was measured to hold this many tensors at once, each as large as the first layer's result for a piece of 16
# frames. A CPU reads two pieces at a time, but runs its longest layers on parts of 8 frames.
_ENCODER_TENSORS, _ENCODER_FRAMES = 28, 16
# Decoding holds about this many tensors as large as the last layer's input for the longest block.
_DECODER_TENSORS, _DECODER_FRAMES = 4, 25


def sizes(language_model: LanguageModelConfig, codec: CodecConfig) -> dict[str, int]:
    """The fields of `cluster.planning.footprints.Footprints` that a checkpoint decides.

    text_to_semantic_params: weights that a network keeps; of the output head, these are the rows of semantic tokens
    embedding_params: those of them that are looked up and never multiplied
    codec_encoder_params, codec_decoder_params: weights of the codec's halves
    kv_values_per_token: keys and values of one position in the slow transformer
    positions, most_positions: of a slot, as usual and at most; padding_positions: more of them in torch's cache
    prefix_tokens: positions that a kept voice takes
    encoder_values_per_slot, decoder_values_per_slot: activations of one recording, and of one stream's block
    decoder_state_values: the decoder's memory of an open stream, mostly the window of its attention
    """
    counts = {name: math.prod(shape) for name, shape in language_model_shapes(language_model).items()}
    slow, window = language_model.slow, codec.transformer
    if "output.weight" in counts:
        counts["output.weight"] = slow.dim * (language_model.codebook_size + 1)
    return {
        "text_to_semantic_params": sum(counts.values()),
        "embedding_params": counts["embeddings.weight"] + counts["codebook_embeddings.weight"],
        "codec_encoder_params": _codec_params(codec, "encoder"),
        "codec_decoder_params": _codec_params(codec, "decoder"),
        "kv_values_per_token": 2 * slow.n_layer * slow.n_local_heads * slow.head_dim,
        "positions": min(POSITIONS, language_model.max_seq_len),
        "most_positions": language_model.max_seq_len,
        "padding_positions": CONTEXT_BUCKET,
        "prefix_tokens": PREFIX_POSITIONS,
        "encoder_values_per_slot": _ENCODER_TENSORS * codec.encoder_dim * _ENCODER_FRAMES * codec.frame_length,
        "decoder_values_per_slot": _DECODER_TENSORS * _last_channels(codec) * _DECODER_FRAMES * codec.frame_length,
        "decoder_state_values": 2 * window.n_layer * window.dim * (window.window_size or 0),
    }


def _last_channels(codec: CodecConfig) -> int:
    """Channels of the decoder's last layer but one: each of its blocks halves them."""
    return codec.decoder_dim >> len(codec.decoder_rates)


def _codec_params(codec: CodecConfig, half: Half) -> int:
    return sum(math.prod(shape) for name, shape in codec_shapes(codec).items() if belongs(name, half))
