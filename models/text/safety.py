"""What a text may hold before anything reads it: no control characters, no control tokens, and not too much."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from models.text.rules import TextRules
from models.types import TooLarge, Unsayable

JOINERS = "\u200d\u200c"
# A zero-width space is a place where a word ends. A soft hyphen, and marks of direction, are nothing.
WORD_BREAK = "\u200b"


def check(text: str, max_chars: int) -> str:
    """The text without control characters and outer space. Raises TooLarge over `max_chars`, Unsayable when nothing is
    left."""
    if len(text) > max_chars:
        raise TooLarge(f"The text has {len(text)} characters; the limit is {max_chars}. Send it in parts.")
    cleaned = clean(text).strip()
    if not cleaned:
        raise Unsayable("The text is empty and holds nothing to say: send at least one word or number.")
    return cleaned


def clean(text: str) -> str:
    """The text without control, format, private and unassigned characters; every space plain, every line end a
    newline."""
    return "".join(map(_printable, text.replace("\r\n", "\n")))


@lru_cache(1 << 14)
def _printable(char: str) -> str:
    if char.isspace():
        return "\n" if char in "\n\r\x0b\x0c\x85\u2028\u2029" else " "
    if char == WORD_BREAK:
        return " "
    keep = char in JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    return char if keep else ""


def defuse(text: str, tags: re.Pattern[str]) -> str:
    """The text with every `<|` and `|>` outside the control tokens that may pass (`tags`) made a space, so that the
    tokenizer, which lets all special tokens through, finds none; `<|im_end|>` is then read as "im_end"."""
    plain = tags.split(text)
    found = [*tags.findall(text), ""]
    return "".join(re.sub(r"<\|+|(?<!\|)\|+>", " ", part) + tag for part, tag in zip(plain, found, strict=True))


def sayable(text: str, rules: TextRules) -> bool:
    """Whether a letter or digit is left besides markers that are silent; a piece without one is a pause."""
    return any(unicodedata.category(char)[0] in "LN" for char in rules.tags.sub("", rules.moods.sub("", text)))


def truncate(text: str, limit: int, rules: TextRules) -> str:
    """At most `limit` characters: cut at the last space if that lies within 20 % of the limit, else at the limit; never
    inside a marker or a phoneme span unless the text starts with one that is longer."""
    if len(text) <= limit:
        return text
    for span in rules.protected.finditer(text):
        if 0 < span.start() < limit < span.end():
            limit = span.start()
    space = max(text.rfind(space, 0, limit + 1) for space in " \n")
    return text[: space if space >= 0.8 * limit else limit].rstrip()
