"""The front end: a unit of what people write -> sentences as they are read aloud.

The stages, in this order, each in a module of its own:

1. `rules`      markers and phoneme spans go on the shelf: no later stage sees them
2. `addresses`  so do web addresses, e-mail, paths, files' names
3. `markdown`   headings, lists, tables, emphasis, links, entities; `tags`: SSML and HTML, pauses
4. `symbols`    pictographs, arrows, dividers, look-alike letters
5. `sentences`  the unit is cut at sentences' ends and pauses
6. `identify`   each sentence's language
7. `capitals`   a shouted sentence is calmed
8. `abbreviations`, then `numbers`, in the sentence's language
9. `capitals`   initialisms are spelled
10. the shelf is emptied: markers as they were, addresses as words of the sentence's language
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from models.text.identify import identify
from models.text.languages import LANGUAGES
from models.text.marks import ADDRESS, GLUE, KEPT, MARK, PAUSE, Shelf
from models.text.numbers import words
from models.text.numbers.rules import spoken
from models.text.pauses import PARAGRAPH
from models.text.rules import TextRules
from models.text.safety import defuse, sayable
from models.text.segments.sentences import sentence_ends
from models.text.segments.units import Unit
from models.text.writing import abbreviations, addresses, capitals, markdown, symbols

_PAUSES = re.compile(f"({PAUSE})")
_KEPT, _ADDRESS = re.compile(KEPT), re.compile(ADDRESS)


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` still holds glue (`models.text.marks`); empty, it is a silence alone. `language`: None where it is one
    that is not spoken here. `pause`: seconds of silence after it; `asked` of them by a `<break>`. `ends_line`: it
    stands at a line's end, where a pause is as a full stop."""

    text: str
    language: str | None
    pause: float = 0.0
    asked: float = 0.0
    ends_line: bool = False


class Front:
    """Reads one text's units in order. A sentence that does not tell its language has that of the sentence before it,
    or of the request, or of the checkpoint."""

    def __init__(self, rules: TextRules, normalize: bool, language: str | None, default_language: str) -> None:
        self._rules = rules
        self._normalize = normalize
        self._asked = language if language in LANGUAGES else None
        self._expected = self._asked or default_language

    def read(self, unit: Unit) -> list[Sentence]:
        """The unit's sentences; one without text where only its pause is left."""
        shelf = Shelf()
        text = self._rules.in_own_form(unit.text) if self._normalize else unit.text
        text = self._rules.protected.sub(lambda match: shelf.keep(defuse(match.group(), self._rules.tags)), text)
        pause = unit.pause
        if self._normalize:
            text, heading = self._plain(text, unit, shelf)
            divider = unit.starts_line and not text.strip()
            pause = max(pause, PARAGRAPH) if heading or divider else pause
        parts = _PAUSES.split(text)
        sentences = [Sentence("", None)]
        for part, mark in zip(parts[::2], [*parts[1::2], ""], strict=True):
            sentences += self._sentences(part, shelf)
            if mark:
                sentences[-1] = _silent(sentences[-1], *shelf.silence(mark))
        sentences[-1] = replace(
            sentences[-1], pause=max(sentences[-1].pause, pause), ends_line=sentences[-1].ends_line or pause > 0
        )
        first = sentences[0]
        return sentences if first.pause or first.asked else sentences[1:]

    def _plain(self, text: str, unit: Unit, shelf: Shelf) -> tuple[str, bool]:
        """Stages 2 to 4, and whether the unit is a heading."""
        text, heading = addresses.shelve(text, shelf), False
        if not unit.code:
            if unit.starts_line:
                text, heading = markdown.block(text)
            text = markdown.spans(text, shelf)
        return symbols.readable(text), heading

    def _sentences(self, text: str, shelf: Shelf) -> list[Sentence]:
        found, start = [], 0
        for end in [*sentence_ends(text), len(text)]:
            sentence = text[start:end].strip()
            start = end
            if sentence:
                language = self._language(sentence)
                said = self._said(sentence, language, shelf)
                if sayable(said, self._rules):
                    found.append(Sentence(said, language))
        return found

    def _language(self, sentence: str) -> str | None:
        plain = MARK.sub(" ", sentence)
        found = identify(plain, self._expected, self._asked is not None)
        if found is not None and self._asked is None:
            self._expected = found
        return found

    def _said(self, text: str, language: str | None, shelf: Shelf) -> str:
        """Stages 7 to 10."""
        if self._normalize and language is not None:
            text = capitals.calmed(text, language)
            text = abbreviations.expanded(text, language)
            text = spoken(text, LANGUAGES[language])
            text = capitals.spelled(text, language)
        text = defuse(text, self._rules.tags)
        text = _ADDRESS.sub(lambda match: self._address(shelf.address_of(match.group()), language), text)
        text = _KEPT.sub(lambda match: shelf.kept(match.group()), text)
        return self._rules.markers.sub(lambda match: match.group() + GLUE, text).replace(f"{GLUE} ", GLUE).rstrip(GLUE)

    @staticmethod
    def _address(address: str, language: str | None) -> str:
        code = language or "en"

        def number(digits: str) -> str:
            short = len(digits) <= 2 and (digits[0] != "0" or digits == "0")
            return words.cardinal(int(digits), code) if short else words.digits(digits, code)

        return addresses.said(address, LANGUAGES[code].signs, number)


def _silent(sentence: Sentence, seconds: float, asked: bool) -> Sentence:
    if asked:
        return replace(sentence, asked=sentence.asked + seconds)
    return replace(sentence, pause=max(sentence.pause, seconds), ends_line=True)
