"""A model family's text rules: which markers it knows, and which control tokens a text may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class TextRules:
    """Regular expressions, matched without case. A text is never cut inside anything they match.

    `mood`: a marker that colours the words after it and makes no sound itself; it stays in force until the next one.
    `sound`: a marker that is heard, such as a laugh. `span`: further text to pass on whole. `tag`: the control tokens
    that may come from outside; every other one is defused. `aliases`: what other families, or people, write for a
    marker of this one, in small letters.
    """

    mood: str
    sound: str
    span: str
    tag: str
    aliases: Mapping[str, str] = field(default_factory=dict)

    def in_own_form(self, text: str) -> str:
        """The text with each alias as the marker that it stands for."""
        return self._alias.sub(lambda match: self.aliases[match.group().lower()], text) if self.aliases else text

    @cached_property
    def _alias(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self.aliases)), re.IGNORECASE)

    @cached_property
    def moods(self) -> re.Pattern[str]:
        """The markers that are silent."""
        return re.compile(self.mood, re.IGNORECASE)

    @cached_property
    def markers(self) -> re.Pattern[str]:
        """All markers, silent or heard."""
        return re.compile(f"(?:{self.mood}|{self.sound})", re.IGNORECASE)

    @cached_property
    def tags(self) -> re.Pattern[str]:
        """Control tokens that pass."""
        return re.compile(self.tag, re.IGNORECASE)

    @cached_property
    def protected(self) -> re.Pattern[str]:
        """Everything to pass on whole."""
        return re.compile(f"(?:{self.span}|{self.tag}|{self.mood}|{self.sound})", re.IGNORECASE | re.DOTALL)
