"""A text that arrives in pieces -> units that can be read by themselves: a line, or a sentence of a long one.

Where a unit ends depends on the characters before it and on the next visible one alone, so a text gives the same units
however it is cut into pieces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.text.pauses import LINE, PARAGRAPH
from models.text.segments.sentences import clause_ends, next_char, sentence_ends

LONGEST_UNIT = 1000  # characters; a longer one is cut at its last space
_OPEN_FOR = 600  # characters after which a `*`, a bracket or a tag that was never closed is a stray one
_SOFT_LINE = 50  # characters from which on a line that goes on in small letters was only wrapped

_FENCE = re.compile(r" {0,3}(```+|~~~+)[^`\n]*$")
_BLOCK = re.compile(r"\s*(?:[-*+•‣◦▪·>#|]|\d{1,3}[.)]\s|```|~~~|$)")
_SPANS = re.compile(
    r"`+|\*\*|__|~~|[*_](?=\S)|(?<=\S)[*_]|\[|\]|<(?:sub|say-as)\b|<\|\w+_start\|>|</(?:sub|say-as)>|<\|\w+_end\|>"
)


@dataclass(frozen=True, slots=True)
class Unit:
    """`starts_line` and `ends_line`: it stands at a line's start, reaches to a line's end. `code`: of a fenced block,
    and so no Markdown. `pause`: seconds of silence after it."""

    text: str
    pause: float = 0.0
    starts_line: bool = True
    ends_line: bool = True
    code: bool = False


class Units:
    """Takes text and gives units, each as soon as nothing that follows can change it."""

    def __init__(self, markdown: bool = True) -> None:
        """Without `markdown`, a fenced block is text like any other."""
        self._markdown = markdown
        self._text = ""
        self._start = 0
        self._fence = ""  # that of the code block which is open
        self._line_start = True

    def feed(self, text: str) -> list[Unit]:
        """The units that are complete, whatever comes next. `text` has no control characters."""
        self._text = self._text[self._start :] + text
        self._start = 0
        return self._take(final=False)

    def finish(self) -> list[Unit]:
        """Everything that is left, as units."""
        units = self._take(final=True)
        self._text, self._start, self._fence, self._line_start = "", 0, "", True
        return units

    def complete(self, clause: bool) -> list[Unit]:
        """A last sentence that seems complete, though what follows could show that it is not; with `clause` also a last
        clause. Call it after `feed`."""
        text = self._text[self._start :]
        if not text.strip() or self._fence or (self._line_start and _BLOCK.match(text)):
            return []
        ends = [end for end in sentence_ends(text) if end < len(text.rstrip()) or _surely_ends(text[:end])]
        if not ends and clause:
            ends = [end for end in clause_ends(text + " ") if end >= 20]
        ends = [end for end in ends if _closed(text[:end])]
        return [self._cut(self._start + ends[-1], Unit(text[: ends[-1]], 0.0, self._line_start, False))] if ends else []

    def _take(self, final: bool) -> list[Unit]:
        units = []
        while (unit := self._next(final)) is not None:
            if unit.text.strip() or unit.pause:
                units.append(unit)
        return units

    def _next(self, final: bool) -> Unit | None:
        """The next unit; None when there is none, or when more text is needed to tell."""
        text, start = self._text, self._start
        if self._line_start and text[start : start + 1] == "\n":
            return self._cut(start + 1, Unit("", PARAGRAPH), True)
        search = start
        while True:
            newline = text.find("\n", search)
            line_end = len(text) if newline < 0 else newline
            if not self._fence:
                end = self._sentence(start, line_end)
                if end:
                    return self._cut(end, Unit(text[start:end], 0.0, self._line_start, False))
            if newline < 0:
                if not final or start >= len(text):
                    return None
                return self._line(start, len(text), len(text), PARAGRAPH if self._fence else LINE)
            after = next_char(text, newline)
            if after >= len(text) and not final:
                return None
            if self._goes_on(start, newline, after):
                search = newline + 1
                continue
            blank = text.count("\n", newline, after) > 1
            return self._line(start, newline, after if blank else newline + 1, PARAGRAPH if blank else LINE)

    def _line(self, start: int, end: int, after: int, pause: float) -> Unit:
        """A line's end from `start` on, or one line of a fenced block without its fences."""
        text = self._text[start:end]
        fence = _FENCE.match(text) if self._line_start and self._markdown else None
        if fence and (not self._fence or (text.strip()[:1] == self._fence[0] and len(fence[1]) >= len(self._fence))):
            self._fence = "" if self._fence else fence[1]
            return self._cut(after, Unit("", PARAGRAPH), True)
        return self._cut(after, Unit(text, pause, self._line_start, code=bool(self._fence)), True)

    def _cut(self, end: int, unit: Unit, line_start: bool = False) -> Unit:
        self._start, self._line_start = end, line_start
        return unit

    def _sentence(self, start: int, line_end: int) -> int:
        """The first end of a sentence before `line_end` that ends a unit, or of a unit that is long enough; else 0."""
        text = self._text
        for end in sentence_ends(text[start : min(line_end, start + LONGEST_UNIT + 1)].replace("\n", " ")):
            after = next_char(text, start + end)
            if after >= line_end or after - start > LONGEST_UNIT:
                break  # the line's end decides, or text that has not come yet
            part = text[start : start + end]
            if not (self._line_start and _BLOCK.match(part) and len(part) < 8) and _closed(part):
                return start + end
        if line_end - start > LONGEST_UNIT:
            space = text.rfind(" ", start, start + LONGEST_UNIT)
            return space + 1 if space > start else start + LONGEST_UNIT
        return 0

    def _goes_on(self, start: int, newline: int, after: int) -> bool:
        """Whether a line end is only where a long line was wrapped."""
        text = self._text
        before = text[start:newline].rstrip()
        if self._fence or text.count("\n", newline, after) > 1 or _BLOCK.match(text, after):
            return False
        if _half_a_tag(before):
            return True
        last_line = before[before.rfind("\n") + 1 :]
        return len(last_line) >= _SOFT_LINE and before[-1:] not in ".!?:;。！？" and text[after : after + 1].islower()


def _surely_ends(text: str) -> bool:
    """Whether a text ends with a sentence, though no space follows: not "3." or "example."."""
    return text[-1] != "." or re.search(r"(?:^|\s)[^\W\d_]{2,}\.$", text) is not None


def _closed(text: str) -> bool:
    """Whether every emphasis, code span, link, phoneme span and tag that a text opens is closed in it again."""
    if len(text) > _OPEN_FOR:
        return True
    counts: dict[str, int] = {}
    for match in _SPANS.finditer(text):
        token = match.group()
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        if token in ("*", "_") and before.isalnum() and after.isalnum():
            continue  # 2*3, snake_case
        if token.startswith("<"):
            counts["tag"] = counts.get("tag", 0) + (-1 if token.startswith("</") or token.endswith("_end|>") else 1)
        else:
            counts[token[:2]] = counts.get(token[:2], 0) + 1
    odd = any(counts.get(token, 0) % 2 for token in ("`", "``", "**", "__", "~~", "*", "_"))
    return not (odd or _half_a_tag(text) or counts.get("[", 0) > counts.get("]", 0) or counts.get("tag", 0) > 0)


def _half_a_tag(text: str) -> bool:
    """Whether a text ends inside a tag."""
    last = text[text.rfind("<") :] if "<" in text[-_OPEN_FOR:] else ""
    return bool(re.match(r"<[A-Za-z/!?|]", last)) and ">" not in last
