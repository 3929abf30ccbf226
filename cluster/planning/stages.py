"""The three stages of the graph, by the names that plans, settings, metrics and the model repository share."""

from __future__ import annotations

from typing import Final, Literal, get_args

Stage = Literal["reference_encoder", "text_to_semantic", "vq_decoder"]

ENCODER: Final = "reference_encoder"
LM: Final = "text_to_semantic"  # the language model over codes
DECODER: Final = "vq_decoder"

STAGES: tuple[Stage, ...] = get_args(Stage)  # in the order of a request's way
