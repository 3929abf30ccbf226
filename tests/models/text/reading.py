"""How the tests read a text."""

from __future__ import annotations

from models.text.markers import S1
from models.text.reader import Reader, ReaderOptions, Segment


def segments(text: str, **options) -> list[Segment]:
    """The segments of a whole text."""
    reader = Reader(ReaderOptions(**options), S1)
    return [*reader.feed(text), *reader.finish()]


def texts(text: str, **options) -> list[str]:
    """The texts of its segments."""
    return [segment.text for segment in segments(text, **options)]


def said(text: str, **options) -> str:
    """The whole text as it is read aloud."""
    return " ".join(texts(text, **options))
