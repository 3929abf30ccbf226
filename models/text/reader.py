"""Text on its way to the model: from what people write to segments that are spoken one by one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.text.front import Front
from models.text.rules import TextRules
from models.text.safety import clean
from models.text.segments.packing import Packing, Segment
from models.text.segments.units import Unit, Units

__all__ = ["Reader", "ReaderOptions", "Segment"]


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """`limit`: characters of a segment (a wide East Asian one counts as three; a last short sentence may go over it by
    24); `first_limit`: of a text's first segment. `normalize` False leaves the text alone but for safety. `language`:
    the request's, ISO 639-1; `default_language`: the checkpoint's, where a sentence does not tell its language. `pace`:
    the checkpoint's seconds per character, by language."""

    limit: int = 200
    first_limit: int | None = None
    normalize: bool = True
    language: str | None = None
    default_language: str = "en"
    pace: Mapping[str, float] = field(default_factory=dict)


class Reader:
    """Turns a text into segments. A whole text is `feed` and `finish`; the same text fed in pieces gives the same
    segments unless `complete` is called in between."""

    def __init__(self, options: ReaderOptions, rules: TextRules) -> None:
        first_limit = min(options.first_limit or options.limit, options.limit)
        self._units = Units(markdown=options.normalize)
        self._front = Front(rules, options.normalize, options.language, options.default_language)
        self._packing = Packing(options.limit, first_limit, rules, options.pace)
        self._half_a_line_end = False

    def feed(self, piece: str) -> list[Segment]:
        """Take a piece of text; returns the segments that are full, whatever comes next."""
        if self._half_a_line_end and piece:
            piece = piece.removeprefix("\n")  # of "\r\n", sent in two pieces
        self._half_a_line_end = piece.endswith("\r") if piece else self._half_a_line_end
        self._read(self._units.feed(clean(piece)))
        return self._packing.take(final=False)

    def complete(self) -> list[Segment]:
        """Also the segments whose last sentence (before anything was spoken: clause) is complete, unless they are so
        short that they wait for a neighbour."""
        self._read(self._units.complete(clause=not self._packing.spoken))
        return self._packing.take(final=False, complete=True)

    def finish(self) -> list[Segment]:
        """Everything that is left: at the end of a text, or a flush, after which more may be fed."""
        self._read(self._units.finish())
        return self._packing.take(final=True)

    def _read(self, units: list[Unit]) -> None:
        for unit in units:
            for sentence in self._front.read(unit):
                self._packing.add(sentence)
