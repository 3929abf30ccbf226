"""Where too long a sentence is cut: a clause's end, a word's, else anywhere but inside what belongs together."""

from __future__ import annotations

import re
import unicodedata

from models.text.marks import GLUE, JOIN
from models.text.rules import TextRules
from models.text.safety import JOINERS
from models.text.segments.sentences import clause_ends, word_ends

EAST_ASIAN_WEIGHT = 3  # a wide character is a syllable, about as long as three Latin letters
LEAST = 24  # characters of a piece that sounds like speech when it is spoken by itself
_NUMBER = re.compile(r"\d(?:[\d.,:/٬٫，．：\u00a0\u2060-]*\d)+[%％°]?")
_AFTER_PART = re.compile(r"[/?&#](?=[^\s/?&=#._-])")
_AFTER_SIGN = re.compile(r"[=._-](?=[^\s/?&=#._-])")
_LONGEST_NUMBER = 60
LONGEST_SPAN = 260  # characters of what must stay whole


def weight(text: str) -> int:
    """Characters, a wide East Asian one as three, glue without width as none."""
    return sum(map(_weight, text))


def _weight(char: str) -> int:
    if char == JOIN:
        return 0
    return EAST_ASIAN_WEIGHT if char > "\u10ff" and unicodedata.east_asian_width(char) in "WF" else 1


class Cuts:
    """One sentence, or its beginning (`open_end`), with the places where it may be cut."""

    def __init__(self, text: str, rules: TextRules, open_end: bool = False) -> None:
        self._text, self._open_end = text, open_end
        self._sums = [0]
        for char in text:
            self._sums.append(self._sums[-1] + _weight(char))
        self._held = [False] * (len(text) + 1)  # offsets inside what must stay whole
        for start, end in _whole_spans(text, rules):
            self._held[start + 1 : end] = [True] * max(0, end - start - 1)
        self._clauses = [at for at in clause_ends(text) if not self._held[at]]
        self._words = [at for at in word_ends(text) if not self._held[at]]

    def best(self, room: int) -> int:
        """The end of a first piece of at most `room`, such that neither it nor the rest is a lonely word where that can
        be helped. More than `room` only where the text begins with something longer that must stay whole."""
        last = max(self._reach(room), 1)
        if last >= len(self._text):
            return len(self._text)
        total = self._sums[-1]
        # Equal parts, lest the last words be spoken alone.
        share = room if self._open_end else -(-total // -(-total // room))
        clause = max((at for at in self._clauses if at <= last and self._lasts(at, room)), default=0)
        if clause and self._sums[clause] >= room // 4:
            return clause
        words = [at for at in self._words if at <= last]
        far = [at for at in words if self._sums[at] >= room // 4]
        if far:
            return min(far, key=lambda at: (abs(self._sums[at] - share), at))
        return self._inside_a_word(last) or (words[-1] if words else self._anywhere(last))

    def _lasts(self, at: int, room: int) -> bool:
        rest = self._sums[-1] - self._sums[at]
        return self._open_end or rest >= min(LEAST, room // 4)

    def _reach(self, room: int) -> int:
        low, high = 0, len(self._text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._sums[middle] <= room else (low, middle - 1)
        return low

    def _inside_a_word(self, last: int) -> int:
        """The last offset where glue is, or a sign inside an address; 0 without one."""
        text = self._text
        glue = [at for at in range(1, last + 1) if text[at - 1] in (GLUE, JOIN) and not self._held[at]]
        parts, signs = (
            [match.end() for match in pattern.finditer(text, 0, last) if not self._held[match.end()]]
            for pattern in (_AFTER_PART, _AFTER_SIGN)
        )
        best = max([*glue, *parts], default=0)
        return best if best >= last // 2 else max([best, *signs])

    def _anywhere(self, last: int) -> int:
        """Between two characters that do not belong together."""
        text = self._text
        for cut in range(last, 0, -1):
            joined = unicodedata.category(text[cut])[0] == "M" or text[cut] in JOINERS or text[cut - 1] in JOINERS
            if not (joined and last - cut < 16) and not self._held[cut]:
                return cut
        return next((at for at in range(last, len(text)) if not self._held[at]), len(text))


def _whole_spans(text: str, rules: TextRules) -> list[tuple[int, int]]:
    """Markers with the character after them, phoneme spans, numbers."""
    spans = []
    for match in rules.protected.finditer(text):
        end = match.end()
        if rules.markers.fullmatch(match.group()):
            while end < len(text) and text[end].isspace():
                end += 1
            end = min(end + 1, len(text))
        spans.append((match.start(), end))
    spans += [match.span() for match in _NUMBER.finditer(text) if match.end() - match.start() <= _LONGEST_NUMBER]
    return spans
