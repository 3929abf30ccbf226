"""Sentences -> segments: filled up to a limit, never a lonely word where a neighbour has room, pauses kept."""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from models.text.front import Sentence
from models.text.marks import plain
from models.text.pace import seconds_of
from models.text.pauses import PARAGRAPH
from models.text.rules import TextRules
from models.text.segments.cuts import LEAST, LONGEST_SPAN, Cuts, weight

# A shorter line is joined to its neighbours as a sentence of its own: a single word alone is spoken badly.
SHORT_LINE = 16
WORD = 8  # characters up to which a complete sentence waits for the next one: "Hi.", "Okay."
_ENDINGS = frozenset(".!?…。！？｡．؟।॥:;,،、，：；")


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece to speak. `text`: as the model gets it; empty, it is a silence alone. `pause`: seconds of silence after
    it; `language`: ISO 639-1, None where it is unknown; `seconds`: the expected duration without the pause."""

    text: str
    pause: float = 0.0
    language: str | None = None
    seconds: float = 0.0


class Packing:
    """Takes sentences and gives segments, each as soon as nothing that follows can change it."""

    def __init__(self, limit: int, first_limit: int, rules: TextRules, pace: Mapping[str, float]) -> None:
        self._limit, self._first_limit = max(1, limit), max(1, first_limit)
        self._rules = rules
        self._pace = pace
        self._waiting: deque[Sentence] = deque()
        self._mood = ""  # the markers in force
        self.spoken = False

    def add(self, sentence: Sentence) -> None:
        """Take one more sentence, or a silence."""
        if sentence.text:
            self._waiting.append(sentence)
        elif self._waiting:
            last = self._waiting[-1]
            pause, asked = max(last.pause, sentence.pause), last.asked + sentence.asked
            self._waiting[-1] = replace(last, pause=pause, asked=asked, ends_line=last.ends_line or sentence.ends_line)
        elif sentence.asked:
            self._waiting.append(sentence)

    def take(self, final: bool, complete: bool = False) -> list[Segment]:
        """The segments that are decided. `final`: no sentence follows. `complete`: speak those that are there, unless
        they are too short to stand alone."""
        segments = []
        while (chosen := self._next(final, complete)) is not None:
            segments.append(self._segment(chosen, last=final and not self._waiting))
        return segments

    def _next(self, final: bool, complete: bool) -> list[Sentence] | None:
        """The sentences of the next segment, taken off those that wait; None where more are needed to tell. It looks at
        one after another and decides as soon as it can, so that it decides alike however many wait."""
        room = self._room()
        total, waiting = 0, self._waiting
        for i, sentence in enumerate(waiting):
            if not sentence.text:  # a silence at the start
                return [waiting.popleft()] if i + 1 < len(waiting) or final else None
            heavy = weight(sentence.text[: 2 * room + LEAST])  # of what is longer, that it is too long is enough
            if total + heavy > room + (heavy if i and heavy <= min(LEAST, room // 8) else 0):
                if i and total >= min(LEAST, room // 2):
                    return self._pop(i)
                return self._cut(i, max(room - total, 1))
            total += heavy + 1
            if i + 1 == len(waiting) and not final:
                if complete and (total > WORD or _breaks(sentence, total)):
                    return self._pop(i + 1)
                return None
            if _breaks(sentence, total) and not (
                i + 1 < len(waiting) and _joins(sentence, waiting[i + 1], room - total)
            ):
                return self._pop(i + 1)
        return self._pop(len(waiting)) if waiting and final else None

    def _room(self) -> int:
        room = self._limit if self.spoken else self._first_limit
        return max(room - (len(self._mood) + 1 if self._mood else 0), room // 2, 1)

    def _pop(self, count: int) -> list[Sentence]:
        return [self._waiting.popleft() for _ in range(count)]

    def _cut(self, count: int, room: int) -> list[Sentence]:
        """`count` sentences and the beginning of the next one, which is too long."""
        long = self._waiting[count]
        window = long.text[: 4 * room + LONGEST_SPAN]
        at = Cuts(window, self._rules, open_end=len(window) < len(long.text)).best(room)
        if count and at > room * 2:
            return self._pop(count)
        head, tail = long.text[:at].rstrip(), long.text[at:].lstrip()
        taken = self._pop(count + 1)
        if tail:
            taken[-1] = replace(long, text=head, pause=0.0, asked=0.0, ends_line=False)
            self._waiting.appendleft(replace(long, text=tail))
        return taken

    def _segment(self, sentences: list[Sentence], last: bool) -> Segment:
        pause = sentences[-1].asked + (0.0 if last else sentences[-1].pause)
        text = sentences[0].text
        for before, each in pairwise(sentences):
            text = _ended(text) if before.ends_line else text
            text += ("" if unicodedata.east_asian_width(text[-1]) in "WF" else " ") + each.text
        languages = [each.language for each in sorted(sentences, key=lambda each: -len(each.text))]
        seconds = sum(seconds_of(each.text, each.language, self._pace) for each in sentences)
        self.spoken = self.spoken or bool(text)
        return Segment(self._coloured(plain(text)), round(pause, 3), languages[0], round(seconds, 2))

    def _coloured(self, text: str) -> str:
        """The text with the markers that are in force where it begins; those that it ends with are in force next."""
        moods = self._rules.moods
        begun = moods.match(text)
        coloured = f"{self._mood} {text}" if self._mood and text and not begun else text
        last, end = "", -1
        for match in moods.finditer(text):
            adjacent = match.start() - end <= 1 and last
            last, end = f"{last} {match.group()}" if adjacent else match.group(), match.end()
        self._mood = last or self._mood
        return coloured


def _breaks(sentence: Sentence, total: int) -> bool:
    """Whether the silence after a sentence ends a segment: a long one always, a line's end unless the line is short."""
    silence = sentence.pause + sentence.asked
    return sentence.asked > 0 or silence >= PARAGRAPH or (silence > 0 and total > SHORT_LINE)


def _joins(sentence: Sentence, following: Sentence, room: int) -> bool:
    """Whether a line is too short to stand alone, and goes with the line before it."""
    line_end = not sentence.asked and sentence.pause < PARAGRAPH
    return line_end and weight(following.text) <= min(SHORT_LINE, room)


def _ended(text: str) -> str:
    """A line's text with a full stop, where another sentence follows it in a segment."""
    if text.rstrip("\"'”’»)]」』")[-1:] in _ENDINGS:
        return text
    return text + ("。" if "\u3000" < text[-1] <= "\u9fff" else ".")
