"""Which names a voice may have. Pure."""

from __future__ import annotations

import unicodedata

from models.types import InvalidRequest

MOST_CHARACTERS = 255
NO_NAMES = (".", "..")  # which every path has
SEPARATORS = ("/", "\\")
JOINERS = "\u200c\u200d"  # invisible, and part of how names are written in Persian and in India's scripts


def check_id(voice_id: str) -> str:
    """The id as it is kept: accents that were typed as characters of their own join their letters (Unicode's NFC).

    Raises InvalidRequest unless it is a name of 1 to 255 printable characters in any script, with no space at its ends,
    that is no path.
    """
    name = unicodedata.normalize("NFC", voice_id) if isinstance(voice_id, str) else ""
    fits = 0 < len(name) <= MOST_CHARACTERS and all(map(_printable, name)) and name == name.strip()
    if not fits or name in NO_NAMES or any(separator in name for separator in SEPARATORS):
        shown = repr(voice_id if not isinstance(voice_id, str) or len(voice_id) <= 60 else voice_id[:60] + "…")
        raise InvalidRequest(
            f"{shown} cannot name a voice: use 1 to {MOST_CHARACTERS} letters, digits, signs and spaces between them, "
            "but no slashes."
        )
    return name


def _printable(char: str) -> bool:
    return char.isprintable() or char in JOINERS or unicodedata.category(char) == "Zs"  # the spaces of every script
