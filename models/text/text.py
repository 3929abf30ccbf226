"""Text on its way to the model: checked, freed of control tokens, cut into pieces that are spoken one by one.

Emotion markers and phoneme spans (models.text.markers) pass through whole. Everything here is pure.
"""

from __future__ import annotations

import bisect
import re
import unicodedata

from models.text.markers import MARKER, PHONEME_TAG, PROTECTED, SILENT_MARKER
from models.types import TooLarge, Unsayable

CLOSERS = r"[\"'”’»›)\]}」』）】》〉〗]*"
# A run is tried from its first character alone: from each of them it would take quadratic time where it fails.
SENTENCE_END = re.compile(
    rf"(?:(?<![!?…؟۔।॥‼⁇⁈⁉])[!?…؟۔।॥‼⁇⁈⁉]+|(?<!\.)\.+){CLOSERS}(?=\s|$)|[。！？｡．؟।॥]+{CLOSERS}|\n"
)
CLAUSE_END = re.compile(rf"[,;:،؛]{CLOSERS}(?=\s)|[，、；：､]{CLOSERS}|[—–]|[)\]}}](?=\s)")
_ABBREVIATIONS = """
    mr mrs ms dr prof st sr jr vs etc e.g i.e no nos fig vol ch sec approx dept est gen gov hon rev sgt capt lt col
    inc ltd co corp mt ave blvd jan feb mar apr jun jul aug sep sept oct nov dec a.m p.m u.s u.k
    z.b d.h u.a usw bzw ca nr str hr fr evtl inkl vgl m mm mme mlle p.ex av env
    sra srta srs ud uds dna dña pág núm avda ej sig dott ssa ecc pag ing avv exmo dra
    np tj itp itd ul im pl al г гг т.е т.д т.п т.к ул им др см стр руб тыс млн млрд vb bkz örn sn yy
"""
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
# Scripts written without spaces: Han and kana, with their punctuation and full-width forms.
UNSPACED = re.compile("[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
NEVER_FIRST = frozenset("ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々")
LONGEST_SPAN = 240
OPENERS = {"Ps", "Pi"}
JOINERS = {"\u200d", "\u200c"}
EAST_ASIAN_WEIGHT = 3


def check(text: str, max_chars: int) -> str:
    """The text without control characters and outer space. Raises TooLarge over `max_chars`, Unsayable when nothing is
    left."""
    if len(text) > max_chars:
        raise TooLarge(f"The text has {len(text)} characters; the limit is {max_chars}. Send it in parts.")
    clean = "".join(map(_printable, text)).strip()
    if not clean:
        raise Unsayable("The text is empty and holds nothing to say: send at least one word or number.")
    return clean


def sayable(text: str) -> bool:
    """Whether a letter or digit is left besides emotion and tone markers; a piece without one is a pause."""
    return any(unicodedata.category(char)[0] in "LN" for char in PHONEME_TAG.sub("", SILENT_MARKER.sub("", text)))


def _printable(char: str) -> str:
    if char.isspace():
        return "\n" if char in "\n\r\x0b\x0c\x85\u2028\u2029" else " "
    keep = char in JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    return char if keep else ""


def defuse(text: str) -> str:
    """The text with every `<|` and `|>` outside phoneme tags made a space, so that the tokenizer, which lets all
    special tokens through, finds none; `<|im_end|>` is then read as "im_end"."""
    plain = PHONEME_TAG.split(text)
    tags = [*PHONEME_TAG.findall(text), ""]
    return "".join(re.sub(r"<\|+|(?<!\|)\|+>", " ", part) + tag for part, tag in zip(plain, tags, strict=True))


def truncate(text: str, limit: int) -> str:
    """At most `limit` characters: cut at the last space if that lies within 20 % of the limit, else at the limit; never
    inside a marker or a phoneme span unless the text starts with one that is longer."""
    if len(text) <= limit:
        return text
    for span in PROTECTED.finditer(text):
        if 0 < span.start() < limit < span.end():
            limit = span.start()
    space = max(text.rfind(space, 0, limit + 1) for space in " \n")
    return text[: space if space >= 0.8 * limit else limit].rstrip()


def split(text: str, limit: int, first_limit: int | None = None) -> list[str]:
    """Pieces of at most `limit` characters (the first of at most `first_limit`), each ended at the last sentence end
    that fits, else at a clause, else a word, else anywhere. Joined they are the text, but for space.

    A wide East Asian character counts as EAST_ASIAN_WEIGHT: it is a syllable, about as long as three Latin letters. A
    marker or phoneme span that is longer than the limit stays whole.
    """
    text = re.sub(r"\s+", lambda space: "\n" if "\n" in space.group() else " ", text.strip())
    cuts = _Cuts(text)
    pieces, start, room = [], 0, first_limit or limit
    while start < len(text):
        end = cuts.best(start, max(1, room))
        piece = " ".join(text[start:end].split())
        if piece:
            pieces.append(piece)
            room = limit
        start = end
    return pieces


class _Cuts:
    """Where a text may be cut, by kind: sorted offsets, each the start of a next piece."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._widths = [0]
        for char in text:
            wide = unicodedata.east_asian_width(char) in "WF"
            self._widths.append(self._widths[-1] + (EAST_ASIAN_WEIGHT if wide else 1))
        self._spans = _protected(text)
        self._starts = [start for start, _ in self._spans]
        self._sentences = self._allowed(m.end() for m in SENTENCE_END.finditer(text) if _ends_sentence(text, m))
        self._clauses = self._allowed(m.end() for m in CLAUSE_END.finditer(text))
        self._words = self._allowed(i for i in range(1, len(text)) if _between_words(text, i))

    def best(self, start: int, room: int) -> int:
        """The end of a piece that starts at `start` and weighs at most `room`."""
        last = max(self._reach(start, room), start + 1)
        if last >= len(self._text):
            return len(self._text)
        later = self._reach(start, room // 4)
        for cuts, earliest in ((self._sentences, start), (self._clauses, later)):
            at = bisect.bisect_right(cuts, last) - 1
            if at >= 0 and cuts[at] > earliest:
                return cuts[at]
        return self._word(start, room, last) or self._anywhere(start, last)

    def _reach(self, start: int, room: int) -> int:
        """The last offset that `room` reaches from `start`."""
        return bisect.bisect_right(self._widths, self._widths[start] + room) - 1

    def _word(self, start: int, room: int, last: int) -> int | None:
        """The word break that shares what is left of the sentence evenly, lest its last word be spoken alone."""
        at = bisect.bisect_right(self._sentences, start)
        stop = self._sentences[at] if at < len(self._sentences) else len(self._text)
        rest = self._widths[stop] - self._widths[start]
        share = self._reach(start, rest // -(-rest // room))
        at = bisect.bisect_left(self._words, share)
        for near in self._words[at : at + 1] + self._words[max(0, at - 1) : at]:
            if start < near <= last:
                return near
        return None

    def _anywhere(self, start: int, end: int) -> int:
        """Not inside a protected span, nor before what belongs to the character before it."""
        span = self._span_around(end)
        if span:
            return span[0] if span[0] > start else span[1]
        for cut in range(end, max(start, end - 16), -1):
            joined = unicodedata.category(self._text[cut])[0] == "M" or {self._text[cut], self._text[cut - 1]} & JOINERS
            if not joined and not self._span_around(cut):
                return cut
        return end

    def _allowed(self, offsets) -> list[int]:
        return [offset for offset in offsets if not self._span_around(offset)]

    def _span_around(self, offset: int) -> tuple[int, int] | None:
        at = bisect.bisect_left(self._starts, offset) - 1
        return self._spans[at] if at >= 0 and offset < self._spans[at][1] else None


def _protected(text: str) -> list[tuple[int, int]]:
    """Spans that must not be cut. A marker colours what follows it: the space and character after it belong to it."""
    spans = []
    for match in PROTECTED.finditer(text):
        end = match.end()
        if MARKER.fullmatch(match.group()):
            end = min(_next_char(text, end) + 1, len(text))
        if spans and match.start() < spans[-1][1]:
            first = spans[-1][0]
            if end - first <= LONGEST_SPAN:
                spans[-1] = (first, end)
                continue
            spans[-1] = (first, match.start())
        spans.append((match.start(), end))
    return spans


def _next_char(text: str, offset: int) -> int:
    """Offset of the first character from `offset` on that is no space."""
    while offset < len(text) and text[offset].isspace():
        offset += 1
    return offset


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    """No: a full stop after an abbreviation, an initial or a small number ("3. Mai"), or before a small letter."""
    if match.group()[0] != ".":
        return True
    after = _next_char(text, match.end())
    if text[after : after + 1].islower():
        return False
    if match.group().startswith(".."):
        return True
    word = re.search(r"[^\s(\[\"'“„«¿¡]*$", text[max(0, match.start() - 20) : match.start()]).group().lower()
    return not (word in ABBREVIATIONS or (len(word) == 1 and word.isalpha()) or re.fullmatch(r"\d{1,2}", word))


def _between_words(text: str, i: int) -> bool:
    """After a space, or between East Asian characters other than before closing or after opening punctuation."""
    before, after = text[i - 1], text[i]
    if before.isspace():
        return True
    if not (UNSPACED.match(before) or UNSPACED.match(after)) or after in NEVER_FIRST:
        return False
    closing = unicodedata.category(after)[0] in "PMZ" and unicodedata.category(after) not in OPENERS
    return not closing and unicodedata.category(before) not in OPENERS
