"""A transcript held against its recording: whether the two can belong together, and which part of it was kept.

Pure, and without torch: the pipeline asks it for every reference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from models.types import InvalidRequest

# Characters per second: as texts are read on average, and as the fastest speakers say them. For alphabets, Chinese and
# Japanese after the International Reading Speed Texts (Trauzettel-Klosinski and Dietz, 2012), spaces included; the
# fastest speakers, auctioneers and commentators, say some 300 words per minute, or 9 Chinese syllables per second.
ALPHABET = 14.0, 25.0
SCRIPTS: tuple[tuple[str, tuple[float, float]], ...] = (
    (r"[\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]", (4.5, 9.0)),  # han
    (r"[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f]", (7.5, 14.0)),  # kana
    (r"[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]", (5.5, 11.0)),  # hangul
    (r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]", (10.0, 20.0)),  # Hebrew, Arabic
    (r"\d", (2.5, 8.0)),
)
PAUSES = 1000.0, 50.0  # punctuation and symbols, which are hardly spoken

ROOM_SECONDS = 1.0  # by which a transcript may take longer even at the fastest pace
SPARSE_SHARE = 0.12  # of a recording's speech that its transcript must account for at the average pace
FITTING_SHARE = 1.6  # times the average pace at which a transcript still fits what was kept
SENTENCE_SECONDS, CLAUSE_SECONDS = 1.5, 1.0  # by which a sentence's or a clause's end may miss the pause
LONG_PAUSE_SECONDS = 0.5  # as good as any longer one
LATER = 0.1  # seconds that each second of the voice is worth

# The marks of other scripts by their numbers, as some look like ours.
_CLOSING = r"[\"'\u201d\u2019\u00bb)\]]*"
_SENTENCE = re.compile(
    rf"[.!?\u2026\u061f\u0964]+{_CLOSING}(?=\s|$)|[\u3002\uff01\uff1f]+[\u300d\u300f\u201d\u2019\uff09]*"
)
_CLAUSE = re.compile(r"[,;:\u2013\u2014\u060c]+(?=\s)|[\u3001\uff0c\uff1b\uff1a]")
_WORD = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a recording that is too long may end: at `end` seconds of what was kept, in a pause of `length` seconds,
    after `speech` seconds of speech."""

    end: float
    length: float
    speech: float


@dataclass(frozen=True, slots=True)
class Heard:
    """`seconds` of a recording were kept. `speech`: seconds of speech in all of it, None where its end is unknown.
    `cuts`: where it may end, in order, if it was too long; the last is where what was kept ends."""

    seconds: float
    speech: float | None
    cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """The words of what is used of a recording: its first `seconds`, or all that was kept where they are None."""

    text: str
    seconds: float | None = None
    notes: tuple[str, ...] = ()


def match(text: str, heard: Heard) -> Match:
    """The part of a transcript that belongs to what was kept of its recording. Raises InvalidRequest where the two
    cannot belong together."""
    text = text.strip()
    speech = heard.seconds if heard.speech is None else heard.speech
    if heard.speech is not None:
        _refuse_hasty(text, max(heard.seconds, heard.speech))
    sparse = _seconds(text) < SPARSE_SHARE * speech
    notes = (_sparse(text, speech),) if sparse else ()
    if not heard.cuts:
        return Match(text, None, notes)
    if sparse or heard.speech is None:
        cut = max(heard.cuts, key=_merit)
        if _seconds(text) > FITTING_SHARE * cut.speech:
            raise InvalidRequest(
                "The reference audio is so long that only its beginning was read, and its transcript is longer than "
                "that: send 10 to 30 s of speech with the words spoken in it."
            )
        used = f"Its first {cut.end:.1f} s are used with all of its transcript."
        return Match(text, _up_to(cut, heard), (used, *notes))
    cut, end = _meeting(text, heard.cuts, heard.speech)
    kept = text[:end].rstrip()
    shown = kept if len(kept) <= 40 else "…" + kept[-40:].split(" ", 1)[-1]
    return Match(
        kept, _up_to(cut, heard), (f'Its first {cut.end:.1f} s are used, and its transcript up to "{shown}".',)
    )


def _up_to(cut: Cut, heard: Heard) -> float | None:
    return None if cut is heard.cuts[-1] else cut.end


def _meeting(text: str, cuts: tuple[Cut, ...], speech: float) -> tuple[Cut, int]:
    """The pause and the place in the text that most likely belong together: of a sentence's end near a pause, else of a
    clause's end, else the word at which the best pause should be."""
    at = [0.0, *accumulate(_paces(text, 0))]
    scale = speech / max(at[-1], 1e-9)
    for pattern, tolerance in ((_SENTENCE, SENTENCE_SECONDS), (_CLAUSE, CLAUSE_SECONDS)):
        ends = [found.end() for found in pattern.finditer(text)]
        pairs = [(abs(at[end] * scale - cut.speech), cut, end) for cut in cuts for end in ends]
        near = [pair for pair in pairs if pair[0] <= tolerance]
        if near:
            _, cut, end = min(near, key=lambda pair: pair[0] - _merit(pair[1]))
            return cut, end
    cut = max(cuts, key=_merit)
    words = [found.end() for found in _WORD.finditer(text)] or list(range(1, len(text)))
    return cut, min([*words, len(text)], key=lambda end: abs(at[end] * scale - cut.speech))


def _merit(cut: Cut) -> float:
    """How good a place a cut is, in seconds by which it may miss: a long pause ends a sentence, and a late one keeps
    more of the voice."""
    return min(cut.length, LONG_PAUSE_SECONDS) + LATER * cut.end


def _refuse_hasty(text: str, seconds: float) -> None:
    if sum(_paces(text, 1)) > seconds + ROOM_SECONDS:
        raise InvalidRequest(
            f"The transcript of {len(text)} characters cannot belong to {seconds:.1f} s of reference audio: send the "
            "words that are spoken in it, and no others."
        )


def _sparse(text: str, seconds: float) -> str:
    return (
        f"The transcript has only {len(text)} characters for {seconds:.0f} s of speech: with all words that are spoken "
        "the voice comes closer."
    )


def _seconds(text: str) -> float:
    """How long a text is on average."""
    return sum(_paces(text, 0))


def _paces(text: str, fastest: int) -> Iterable[float]:
    """Seconds that each character takes, on average (0) or from the fastest speaker (1)."""
    return (1 / _per_second(character)[fastest] for character in text)


@lru_cache(1024)
def _per_second(character: str) -> tuple[float, float]:
    for script, pace in SCRIPTS:
        if re.match(script, character):
            return pace
    return PAUSES if unicodedata.category(character)[0] in "PSC" else ALPHABET
