"""Prompts, built by upstream's own tokenizer and ContentSequence."""

from __future__ import annotations

import threading
from pathlib import Path

import torch
from fish_speech.content_sequence import ContentSequence, TextPart, VQPart
from fish_speech.tokenizer import IM_END_TOKEN, PHONEME_END_TOKEN, PHONEME_START_TOKEN, FishTokenizer
from torch import Tensor

from models.text.text import defuse
from models.text_to_semantic.network.interface import EncodedPrompt, TokenIds
from models.text_to_semantic.prefix_cache import PrefixCache
from models.types import EncodedReference, Prompt

_ALLOWED = {PHONEME_START_TOKEN, PHONEME_END_TOKEN}
_KEPT = 1 << 17  # positions of encoded references: 64 voices of the longest prompts, some 6 MB


class PromptEncoder:
    """Turns a Prompt into the tensor the network is prefilled with. `encode` may be called from any thread."""

    def __init__(self, checkpoint: Path, num_codebooks: int) -> None:
        self._tokenizer = FishTokenizer.from_pretrained(str(checkpoint))
        _encode_without_threads(self._tokenizer)
        self._num_codebooks = num_codebooks
        self._prefixes: PrefixCache[Tensor] = PrefixCache(_KEPT)
        self._lock = threading.Lock()
        self.ids = TokenIds(self._tokenizer.semantic_begin_id, self._tokenizer.get_token_id(IM_END_TOKEN))

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        key = _key(prompt)
        sequence = ContentSequence(modality=None if key else "interleave")
        sequence.append([self._text(prompt.text)], add_end=False, speaker=0)
        values = self._values(sequence)
        if key is None:
            return EncodedPrompt(values, 0, None)
        prefix = self._prefix(key, prompt.references)
        return EncodedPrompt(torch.cat([prefix, values], dim=1), prefix.shape[1], key)

    def knows(self, prompt: Prompt) -> bool:
        """Whether a prompt's voice, if it names one, has been encoded before."""
        return not prompt.references or _key(prompt) in self._prefixes

    def _prefix(self, key: str, references: tuple[EncodedReference, ...]) -> Tensor:
        """What every prompt in the voice of these references begins with; kept, as it takes some 10 ms."""
        with self._lock:
            if (kept := self._prefixes.get(key)) is not None:
                return kept
        sequence = ContentSequence(modality="interleave")
        for reference in references:
            sequence.append([self._text(reference.text), self._codes(reference)], add_end=True, speaker=0)
        values = self._values(sequence)
        with self._lock:
            if self._prefixes.wants(key, values.shape[1]):
                self._prefixes.keep(key, values.shape[1], lambda: values)
        return values

    def _text(self, text: str) -> TextPart:
        # Every text of a prompt passes here, segments and transcripts alike. Upstream would encode every special token
        # it finds in it; only phoneme tags may come from outside. A speaker tag is plain text to the tokenizer, but the
        # model takes it for a turn: defused like the special tokens.
        return TextPart(tokens=self._tokenizer.encode(defuse(text), allowed_special=_ALLOWED))

    def _codes(self, reference: EncodedReference) -> VQPart:
        return VQPart(codes=torch.from_numpy(reference.codes.astype("int32")))

    def _values(self, sequence: ContentSequence) -> Tensor:
        return sequence.encode_for_inference(self._tokenizer, num_codebooks=self._num_codebooks)[0]


def _key(prompt: Prompt) -> str | None:
    """Names the references of a prompt."""
    return "+".join(reference.key for reference in prompt.references) or None


def _encode_without_threads(tokenizer: FishTokenizer) -> None:
    """tiktoken encodes a batch, which upstream makes of every text and control token, on threads that it starts for
    each: beside a busy engine a prompt waited for them for 30 ms."""
    model = tokenizer.tkt_model
    model.encode_batch = lambda texts, **special: [model.encode(text, **special) for text in texts]
