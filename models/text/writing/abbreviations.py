"""Abbreviations written out, by each language's table; English ones that depend on their neighbours."""

from __future__ import annotations

import re
from functools import lru_cache

from models.text.languages import LANGUAGES
from models.text.marks import GLUE, MARK

_BEGINS = re.compile(r"\s*(\S?)")
_LETTERS_AND = re.compile(r"(?<![\w&])([A-Z]{1,3})&([A-Z]{1,3})(?![\w&])")
_AMPERSAND = re.compile(r"\s*&+\s*(?=\S)")

_NUMBER = re.compile(r"\b(N|n)o(s?)\.\s?(?=\d)")
_STREET = re.compile(r"(?<=\w )(St|Dr)\b(\.?)(?=\s|[,.;:!?)]|$)")
_SAINT = re.compile(r"\bSt\b\.? (?=[A-Z])")
_DOCTOR = re.compile(r"\bDr\b\.? (?=[A-Z])")
_HALF_DAY = re.compile(r"(?<!\w)(?:([ap])\.\s?m\.|([AP])\.?\s?M\b\.?|(?<=[a-z\d] )([ap])m\b(?!\s?[a-z]))(?!\w)")
_PAGE = re.compile(r"\b(pp?|vol|ch|fig|sec)\.\s?(?=\d)", re.IGNORECASE)
_DAYS = {"Mon": "Monday", "Tue": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Fri": "Friday", "Sat": "Saturday",
         "Sun": "Sunday"}  # fmt: skip
_DAY_RANGE = re.compile(rf"\b({'|'.join(_DAYS)})\.?\s?[-–]\s?({'|'.join(_DAYS)})\b")
_PAGES = {"p": "page", "pp": "pages", "vol": "volume", "ch": "chapter", "fig": "figure", "sec": "section"}


def expanded(text: str, code: str) -> str:
    """The sentence with its abbreviations written out."""
    if code == "en":
        text = _english(text)
    table = LANGUAGES[code].abbreviations
    pattern = _pattern(code)

    def long(match: re.Match[str]) -> str:
        said = table[match.group()]
        if said.endswith(".") and not _ends_here(match):
            return said[:-1]
        if match.group().endswith(".") and not said.endswith(".") and _ends_text(match):
            return f"{said}."
        return said

    text = pattern.sub(long, text)
    gap = "" if code in ("zh", "ja") else " "
    return _AMPERSAND.sub(f"{gap}{table['&']}{gap}", text) if "&" in text else text


@lru_cache
def _pattern(code: str) -> re.Pattern[str]:
    keys = sorted((key for key in LANGUAGES[code].abbreviations if key != "&"), key=len, reverse=True)
    any_key = "|".join(map(re.escape, keys)) or "(?!)"
    return re.compile(rf"(?<![\w.])(?:{any_key})(?!\w)")


def _ends_here(match: re.Match[str]) -> bool:
    """Whether a sentence ends with the abbreviation."""
    following = _BEGINS.match(match.string, match.end())
    return not following or not following[1] or following[1].isupper()


def _ends_text(match: re.Match[str]) -> bool:
    return not match.string[match.end() :].strip()


def _english(text: str) -> str:
    text = _DAY_RANGE.sub(lambda match: f"{_DAYS[match[1]]} to {_DAYS[match[2]]}", text)
    text = _LETTERS_AND.sub(lambda match: f"{GLUE.join(match[1])} and {GLUE.join(match[2])}", text)
    text = _NUMBER.sub(lambda match: f"{match[1]}umber{match[2]} ", text)
    text = _STREET.sub(_street, text)
    text = _SAINT.sub("Saint ", text)
    text = _DOCTOR.sub("Doctor ", text)
    text = _PAGE.sub(_page, text)
    return _HALF_DAY.sub(_half_day, text)


def _street(match: re.Match[str]) -> str:
    """Street or Drive after a name, unless a name follows that it belongs to: "near St. John"."""
    words = match.string[: match.start()].split()
    name = MARK.sub("", words[-1]).strip("(\"'") if words else ""
    following = match.string[match.end() :].lstrip()
    named = name[:1].isupper() or re.fullmatch(r"\d+(?:st|nd|rd|th)", name) is not None
    if not named or name in ("The", "Visit", "At", "In", "On", "Near", "Mr", "Mrs", "And"):
        return match.group()
    if following[:1].isupper() and (match[1] == "Dr" or len(words) < 2 or not _numbered(words)):
        return match.group()
    long = {"St": "Street", "Dr": "Drive"}[match[1]]
    return long + ("." if match[2] and (not following or following[:1].isupper()) else "")


def _numbered(words: list[str]) -> bool:
    """Whether a house's number or "on" stands before the street's name."""
    return any(word[:1].isdigit() or word.lower() in ("on", "at", "to", "of") for word in words[-4:-1])


def _page(match: re.Match[str]) -> str:
    long = _PAGES[match[1].lower()]
    return f"{long.capitalize() if match[1][0].isupper() else long} "


def _half_day(match: re.Match[str]) -> str:
    letter = (match[1] or match[2] or match[3]).upper()
    rest = match.string[match.end() :].strip()
    ends = match.group().endswith(".") and (not rest or (rest[0].isupper() and len(rest) > 1))
    return f"{letter} M" + ("." if ends else "")
