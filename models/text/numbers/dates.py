"""Dates and times of day as words."""

from __future__ import annotations

import re

from models.text.numbers import words
from models.text.numbers.language import Language
from models.text.numbers.own import korean_native


def numeric(match: re.Match[str], language: Language) -> str | None:
    """2024-03-15, 15.3.2024, 3/15/2024."""
    day, month, year = (int(match[part]) for part in ("day", "month", "year"))
    if not language.day_first and month > 12 >= day:
        day, month = month, day
    if len(match["year"]) == 2:
        year += 2000 if year < 50 else 1900
    return _date(day, month, year, language)


def named(match: re.Match[str], language: Language) -> str | None:
    """3 May 2024, May 3rd, 3. Mai, with or without a year."""
    parts = match.groupdict()
    after_article = parts.get("before") or ""
    month = _month(match["name"], language)
    year = int(match["year"]) if match["year"] else None
    said = _date(int(match["day"]), month, year, language)
    if said is None:
        return None
    if after_article:  # "der dritte Mai", but "am dritten Mai"
        said = said.replace("n ", " ", 1)
    if language.code == "en" and re.search(r"\b[Tt]he $", match.string[: match.start()]) and said.count(" "):
        month_name, day, *rest = said.split(" ")
        return " ".join([day.rstrip(","), "of", month_name, *rest])
    return after_article + said


def month_and_year(match: re.Match[str], language: Language) -> str:
    """May 2024."""
    between = " de " if " de " in match.group() else " "
    return _month_name(_month(match["name"], language), language) + between + _year(int(match["year"]), language)


def clock(match: re.Match[str], language: Language) -> str | None:
    """A time of day; the language's word for the hour where there are no minutes."""
    parts = match.groupdict()
    hour, minute = int(match["hour"]), int(parts.get("minute") or parts.get("minute2") or 0)
    second = int(parts.get("second") or 0)
    if hour == 24 and minute:
        return None
    half = parts.get("half")
    said = _clock(hour, minute, bool(half), language)
    if second:
        said += language.space + words.cardinal(second, language.code) + ("秒" if language.code in ("zh", "ja") else "")
    if not half:
        return said
    rest = match.string[match.end() :].strip()
    ends = match.group().endswith(".") and (not rest or rest[0].isupper())
    return f"{said} {half.upper()} M" + ("." if ends else "")


def _clock(hour: int, minute: int, half: bool, language: Language) -> str:
    code = language.code
    if code == "en":
        if not minute:
            return words.cardinal(hour, code) if half else f"{words.cardinal(hour, code)} {_full_hour(hour)}"
        return f"{words.cardinal(hour, code)} {'oh ' if minute < 10 else ''}{words.cardinal(minute, code)}"
    if code == "fr":
        hours = "une heure" if hour == 1 else f"{_feminine(words.cardinal(hour, code))} heures"
        return f"{hours} {words.cardinal(minute, code)}" if minute else hours
    said_hour, said_minute = words.cardinal(hour, code), words.cardinal(minute, code)
    if code == "ko":
        said_hour = (korean_native(hour) if hour <= 12 else None) or said_hour
    elif code == "zh":
        said_hour = "两" if hour == 2 else said_hour
        said_minute = f"零{said_minute}" if 0 < minute < 10 else said_minute
    elif code == "de":
        said_hour = "ein" if hour == 1 else said_hour
    elif code in ("es", "it", "pt") and hour == 1:
        said_hour = "uma" if code == "pt" else "una"
    elif code == "pt" and hour == 2:
        said_hour = "duas"
    return (language.time if minute else language.full_hour).format(hour=said_hour, minute=said_minute)


def _full_hour(hour: int) -> str:
    return "o'clock" if hour <= 12 else "hundred hours" if hour < 24 else "hours"


def _feminine(said: str) -> str:
    return re.sub(r"\bun$", "une", said)


def _date(day: int, month: int, year: int | None, language: Language) -> str | None:
    if not (1 <= day <= 31 and 1 <= month <= 12 and (year is None or year > 0)):
        return None
    code = language.code
    said_day = words.cardinal(day, code)
    if code == "en" or (code == "fr" and day == 1):
        said_day = words.ordinal(day, code)
    elif code == "de":
        said_day = words.ordinal(day, code) + "n"
    elif code in ("ru", "pl"):
        said_day = words.genitive_ordinal(day, code)
    parts = {"day": said_day, "month": _month_name(month, language)}
    if year is None:
        return language.day_month.format(**parts) if language.day_month else None
    return language.date.format(**parts, year=_year(year, language))


def _year(year: int, language: Language) -> str:
    return words.genitive_ordinal(year, "ru") if language.code == "ru" else words.year(year, language.code)


def _month_name(month: int, language: Language) -> str:
    return language.months[month - 1] if language.months else words.cardinal(month, language.code)


def _month(name: str, language: Language) -> int:
    """The month that a name, or its beginning, stands for."""
    plain = name.removeprefix("de ").rstrip(".").lower()
    for number, month in enumerate(language.months, 1):
        if month.lower() == plain:
            return number
    starts = [number for number, month in enumerate(language.months, 1) if month.lower().startswith(plain[:3])]
    return starts[0] if starts else 0
