"""Prompts, built by upstream's own tokenizer and ContentSequence."""

from __future__ import annotations

from pathlib import Path

import torch
from fish_speech.content_sequence import ContentSequence, TextPart, VQPart
from fish_speech.tokenizer import IM_END_TOKEN, PHONEME_END_TOKEN, PHONEME_START_TOKEN, FishTokenizer
from torch import Tensor

from models.text_to_semantic.network import EncodedPrompt, TokenIds
from models.types import EncodedReference, Prompt

_ALLOWED = {PHONEME_START_TOKEN, PHONEME_END_TOKEN}


class PromptEncoder:
    """Turns a Prompt into the tensor the network is prefilled with."""

    def __init__(self, checkpoint: Path, num_codebooks: int) -> None:
        self._tokenizer = FishTokenizer.from_pretrained(str(checkpoint))
        self._num_codebooks = num_codebooks
        self.ids = TokenIds(self._tokenizer.semantic_begin_id, self._tokenizer.get_token_id(IM_END_TOKEN))

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        sequence = ContentSequence(modality="interleave")
        for reference in prompt.references:
            sequence.append([self._text(reference.text), self._codes(reference)], add_end=True, speaker=0)
        prefix = self._values(sequence) if prompt.references else None
        sequence.append([self._text(prompt.text)], add_end=False, speaker=0)
        return EncodedPrompt(
            values=self._values(sequence),
            prefix_length=prefix.shape[1] if prefix is not None else 0,
            prefix_key="+".join(reference.key for reference in prompt.references) or None,
        )

    def _text(self, text: str) -> TextPart:
        # Upstream would encode every special token it finds in a text; only phoneme tags may come from outside.
        return TextPart(tokens=self._tokenizer.encode(text, allowed_special=_ALLOWED))

    def _codes(self, reference: EncodedReference) -> VQPart:
        return VQPart(codes=torch.from_numpy(reference.codes.astype("int32")))

    def _values(self, sequence: ContentSequence) -> Tensor:
        return sequence.encode_for_inference(self._tokenizer, num_codebooks=self._num_codebooks)[0]
