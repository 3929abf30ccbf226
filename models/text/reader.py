"""Text on its way to the model: from what people write to segments that are spoken one by one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from models.text.languages import SPOKEN
from models.text.normalize import guess_language, normalize
from models.text.rules import TextRules
from models.text.text import defuse, sayable, split

SECONDS_PER_CHARACTER = 0.07


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece to speak. `text`: as the model gets it; `pause`: seconds of silence after it; `language`: ISO 639-1,
    None where it is unknown; `seconds`: the expected duration without the pause."""

    text: str
    pause: float = 0.0
    language: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """`limit`: characters of a segment (a wide East Asian one counts as three); `first_limit`: of a text's first
    segment. `normalize` False leaves the text alone but for safety. `language`: the request's, ISO 639-1;
    `default_language`: the checkpoint's, where a sentence does not tell its language."""

    limit: int = 200
    first_limit: int | None = None
    normalize: bool = True
    language: str | None = None
    default_language: str = "en"


class Reader:
    """Turns a text into segments. A whole text is `feed` and `finish`; the same text fed in pieces gives the same
    segments unless `complete` is called in between."""

    def __init__(self, options: ReaderOptions, rules: TextRules) -> None:
        self.options = options
        self.rules = rules
        self._text = ""
        self._spoken = False

    def feed(self, piece: str) -> list[Segment]:
        """Take a piece of text; returns the segments that are full, whatever comes next."""
        self._text += piece
        return []

    def complete(self) -> list[Segment]:
        """Also the segments whose last sentence is complete."""
        text = self._text
        ends = [at for at in range(1, len(text)) if text[at].isspace() and text[at - 1] in ".!?。！？"]
        if not ends:
            return []
        self._text = text[ends[-1] :]
        return self._segments(text[: ends[-1]])

    def finish(self) -> list[Segment]:
        """Everything that is left: at the end of a text, or a flush, after which more may be fed."""
        text, self._text = self._text, ""
        return self._segments(text)

    def _segments(self, text: str) -> list[Segment]:
        options = self.options
        language = options.language if options.language in SPOKEN else guess_language(text)
        if options.normalize:
            text = normalize(text, options.language)
        first = options.limit if self._spoken else options.first_limit
        pieces = [piece for piece in split(defuse(text), options.limit, first) if sayable(piece)]
        self._spoken = self._spoken or bool(pieces)
        return [Segment(piece, 0.0, language, SECONDS_PER_CHARACTER * len(piece)) for piece in pieces]
