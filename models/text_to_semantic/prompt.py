"""Prompts as the network reads them. How they are written is the family's; what they must never hold is not."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from models.text.rules import TextRules
from models.text.safety import defuse
from models.text_to_semantic.network.interface import EncodedPrompt, TokenIds
from models.text_to_semantic.prefix_cache import PrefixCache
from models.types import EncodedReference, Prompt

# Characters of a text that needs a mark at its end: without one, 162 of 500 single words went on as babble on the
# starter, with one 7. Sentences that end at a limit, in the midst of a clause, do not.
_SHORT = 40
_KEPT = 1 << 17  # positions of encoded references: 64 voices of the longest prompts, some 6 MB


class PromptFormat(Protocol):
    """How a family writes prompts, in values (1 + num_codebooks, T) int32: token ids over codes. Called from several
    threads."""

    @property
    def ids(self) -> TokenIds:
        """The tokenizer's ids that a network must know."""

    def prefix(self, references: Sequence[EncodedReference]) -> Tensor:
        """The beginning of every prompt in the voice of these references, or of every prompt without references."""

    def text(self, text: str) -> Tensor:
        """The rest of a prompt: the text to speak, up to where the frames begin."""


class PromptEncoder:
    """Turns a Prompt into what the network is prefilled with. `encode` may be called from any thread."""

    def __init__(self, prompts: PromptFormat, rules: TextRules) -> None:
        """`rules`: those of the model family, which say what control tokens a text may hold."""
        self._prompts, self.ids, self._tags = prompts, prompts.ids, rules.tags
        self._prefixes: PrefixCache[Tensor] = PrefixCache(_KEPT)
        self._lock = threading.Lock()

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        """The prompt's values, and how far they depend on its references alone."""
        # Segments and transcripts alike pass here, whatever their way: without defuse() a text could hold the tokens
        # that end an utterance or begin another speaker's turn.
        key, text = _key(prompt), self._prompts.text(ended(defuse(prompt.text, self._tags)))
        prefix = self._prefix(key, prompt.references)
        values = torch.cat([prefix, text], dim=1)
        return EncodedPrompt(values, 0, None) if key is None else EncodedPrompt(values, prefix.shape[1], key)

    def knows(self, prompt: Prompt) -> bool:
        """Whether a prompt's voice, if it names one, has been encoded before."""
        key = _key(prompt)
        return key is None or key in self._prefixes

    def _prefix(self, key: str | None, references: Sequence[EncodedReference]) -> Tensor:
        """A prompt's beginning; kept by the key of its references, as it takes some 10 ms."""
        if key is None:
            return self._prompts.prefix(())
        with self._lock:
            if (kept := self._prefixes.get(key)) is not None:
                return kept
        values = self._prompts.prefix([replace(each, text=defuse(each.text, self._tags)) for each in references])
        with self._lock:
            if self._prefixes.wants(key, values.shape[1]):
                self._prefixes.keep(key, values.shape[1], lambda: values)
        return values


def ended(text: str) -> str:
    """A short text with a full stop, where it ends in a letter or digit."""
    if len(text) > _SHORT or not text[-1:].isalnum():
        return text
    return text + ("。" if unicodedata.east_asian_width(text[-1]) in "WF" else ".")


def _key(prompt: Prompt) -> str | None:
    """Names the references of a prompt; None without any."""
    return "+".join(reference.key for reference in prompt.references) or None
