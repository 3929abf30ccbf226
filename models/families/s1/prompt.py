"""Prompts for OpenAudio S1, written by upstream's own tokenizer and ContentSequence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from fish_speech.content_sequence import ContentSequence, TextPart, VQPart
from fish_speech.tokenizer import IM_END_TOKEN, PHONEME_END_TOKEN, PHONEME_START_TOKEN, FishTokenizer
from torch import Tensor

from models.checkpoint.configs import LanguageModelConfig
from models.text_to_semantic.network.interface import TokenIds
from models.types import EncodedReference

_ALLOWED = {PHONEME_START_TOKEN, PHONEME_END_TOKEN}


class S1Prompts:
    """<|interleave|>, then each reference as <|speaker:0|>, its text, its codes and <|im_end|>, then <|speaker:0|> and
    the text to speak."""

    def __init__(self, checkpoint: Path, config: LanguageModelConfig) -> None:
        self._tokenizer = FishTokenizer.from_pretrained(str(checkpoint))
        _encode_without_threads(self._tokenizer)
        self._num_codebooks = config.num_codebooks
        self.ids = TokenIds(self._tokenizer.semantic_begin_id, self._tokenizer.get_token_id(IM_END_TOKEN))

    def prefix(self, references: Sequence[EncodedReference]) -> Tensor:
        """See `PromptFormat`."""
        sequence = ContentSequence(modality="interleave")
        for reference in references:
            codes = VQPart(codes=torch.from_numpy(reference.codes.astype("int32")))
            sequence.append([self._text(reference.text), codes], add_end=True, speaker=0)
        return self._values(sequence)

    def text(self, text: str) -> Tensor:
        """See `PromptFormat`."""
        sequence = ContentSequence(modality=None)
        sequence.append([self._text(text)], add_end=False, speaker=0)
        return self._values(sequence)

    def _text(self, text: str) -> TextPart:
        # Upstream would encode every special token that it finds in a text: only phoneme tags may come from outside.
        return TextPart(tokens=self._tokenizer.encode(text, allowed_special=_ALLOWED))

    def _values(self, sequence: ContentSequence) -> Tensor:
        values: Tensor = sequence.encode_for_inference(self._tokenizer, num_codebooks=self._num_codebooks)[0]
        return values


def _encode_without_threads(tokenizer: FishTokenizer) -> None:
    """Upstream encodes every text and control token as a batch of one, for which tiktoken starts a thread each time:
    beside a busy engine a prompt waited 30 ms for them."""
    model = tokenizer.tkt_model
    model.encode_batch = lambda texts, **special: [model.encode(text, **special) for text in texts]
