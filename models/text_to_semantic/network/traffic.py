"""How many weights a decode step reads: at small batch widths reading them takes most of a step's time."""

from __future__ import annotations

from models.checkpoint.configs import LanguageModelConfig, TransformerConfig


def weights_per_step(config: LanguageModelConfig) -> int:
    """Weights of the linear layers in one step, whatever its batch width: the slow transformer and its head count once,
    the fast one and its head for every codebook but the first."""
    slow = _stack(config.slow) + config.slow.dim * (config.codebook_size + 1)
    fast = _stack(config.fast) + config.fast.dim * config.residual_codebook_size
    project = 0 if config.slow.dim == config.fast.dim else config.slow.dim * config.fast.dim
    return slow + project + (config.num_codebooks - 1) * fast


def _stack(config: TransformerConfig) -> int:
    attention = config.dim * config.head_dim * (2 * config.n_head + 2 * config.n_local_heads)
    return config.n_layer * (attention + 3 * config.dim * config.intermediate_size)
