"""Numbers, dates, times, amounts and units of a sentence as words, by each language's table. What is not understood
stays as it is: the model reads digits too.

The order matters, and stands once, in `spoken`: longest forms first, so that a date's numbers are gone before bare
numbers are looked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from models.text.languages import LANGUAGES
from models.text.marks import GLUE, JOIN
from models.text.numbers import dates, english, money, words
from models.text.numbers.language import SPACE, Language
from models.text.numbers.own import korean_native
from models.text.numbers.patterns import Patterns

_ORDINAL_SIGNS = {
    "fr": r"(?<![\w.,])(\d{1,3})(?:ers?|res?|ères?|èmes?|nde?s?|es?)(?!\w)",
    "es": r"(?<![\w.,])(\d{1,3})\.?[ºª]",
    "it": r"(?<![\w.,])(\d{1,3})\.?[º°ª](?!\s?[CF]\b)",
    "pt": r"(?<![\w.,])(\d{1,3})\.?[ºª]",
}
_VULGAR = re.compile("[¼½¾⅐-⅞]")
_NUMERIC = re.compile(r"[\d¼½¾⅐-⅞²³]")
_TURKISH_ORDINAL = re.compile(r"(?<![\w.,])(\d{1,3})\.(?= [^\W\d_])")
_GERMAN_ORDINAL = re.compile(
    r"\b([Dd]er|[Dd]ie|[Dd]as|[Dd]en|[Dd]em|[Dd]es|[Ii]m|[Aa]m|[Zz]um|[Zz]ur|[Vv]om|[Bb]eim|[Ii]ns) (\d{1,2})\."
    r"(?= [A-ZÄÖÜ])"
)
_KOREAN_COUNTED = re.compile(r"(?<![\d.,])(\d{1,2}) ?(개|명|시간|시|살|번|마리|사람|잔|병|권|대)(?!월)")
_KOREAN_MONTHS = re.compile(r"(?<!\d)(6|10)(?=월)")
_CHINESE_TWO = re.compile(r"(?<![\d.,:/-])2(?=[个位次点只条张本块天年种件倍岁杯瓶名颗米公千厘](?!分之))(?!年[代级])")
_CHINESE_YEAR = re.compile(r"(?<!\d)(\d{4}|\d{2})(?=年(?!前|后|来|级|以))")


def spoken(text: str, language: Language) -> str:
    """The sentence with its numbers as words; a number's words hold together where the text is cut."""
    patterns = _patterns(language.code)
    if not _NUMERIC.search(text):
        return text

    text = _VULGAR.sub(_written_out, text)
    if language.code == "en":
        text = english.before(text)

    def put(pattern: re.Pattern[str], make: Callable[[re.Match[str], Language], str | None]) -> None:
        nonlocal text
        text = pattern.sub(lambda match: _glued(make(match, language), match.group(), language), text)

    put(patterns.iso_date, dates.numeric)
    put(patterns.numeric_date, dates.numeric)
    put(patterns.named_date, dates.named)
    put(patterns.named_date_2, dates.named)
    put(patterns.month_year, dates.month_and_year)
    text = patterns.clock_range.sub(rf"\1 {language.range_to} ", text)
    put(patterns.clock, dates.clock)
    put(patterns.hour, dates.clock)
    put(patterns.phone, _phone)
    put(patterns.code, _code)
    put(patterns.money_range, money.amount_range)
    text = patterns.range.sub(lambda match: _range(match, language), text)
    put(patterns.money_before, money.amount)
    put(patterns.money_after, money.amount)
    put(patterns.percent, _percent)
    put(patterns.percent_before, _percent)
    put(patterns.unit, _unit)
    text = english.after_dates(text) if language.code == "en" else _counters(text, language)
    text = _dotted_ordinals(text, language)
    put(patterns.ordinal, lambda match, _: words.ordinal(int(match[1]), language.code))
    put(patterns.fraction, _fraction)
    put(patterns.year, lambda match, _: match["before"] + words.year(int(match["year"]), language.code))
    text = _signs(text, patterns, language)
    put(patterns.number, _number)
    return text


def _written_out(match: re.Match[str]) -> str:
    """½ is 1/2, apart from a number before it."""
    gap = " " if match.string[match.start() - 1 : match.start()].isdigit() else ""
    return gap + unicodedata.normalize("NFKC", match.group()).replace("\u2044", "/")


@lru_cache
def _patterns(code: str) -> Patterns:
    return Patterns(LANGUAGES[code], _ORDINAL_SIGNS.get(code, "(?!)"))


def _glued(said: str | None, written: str, language: Language) -> str:
    if said is None:
        return written
    if language.space:
        edges = (" " if said[:1] == " " else "", " " if said[-1:] == " " else "")
        return edges[0] + said.strip().replace(" ", GLUE) + edges[1]
    return JOIN.join(said)


def minus(match: re.Match[str], language: Language) -> str:
    """The word for the sign before a number, or nothing."""
    return language.minus + language.space if match["minus"] else ""


def _number(match: re.Match[str], language: Language) -> str | None:
    written, following = match["number"], match.string[match.end() : match.end() + 2]
    noun = re.match(r"[ \u00a0][^\W\d_]", following) and (language.code != "de" or following[1].isupper())
    if noun and written.isdigit() and (len(written) == 1 or written[0] != "0") and len(written) <= words.MAX_DIGITS:
        said = minus(match, language) + words.attributive(int(written), language)
    else:
        said = minus(match, language) + words.number(written, language)
    joined = match.string[match.end() : match.end() + 1].isalpha() and language.space and language.code != "ko"
    return f"{said} " if joined else said


def _percent(match: re.Match[str], language: Language) -> str:
    said = language.percent.format(words.number(match["number"], language))
    return minus(match, language) + said


def _unit(match: re.Match[str], language: Language) -> str:
    symbol = re.sub(rf"(?<=°){SPACE}", "", match["unit"])
    return minus(match, language) + words.counted(match["number"], language.units[symbol], language)


def _phone(match: re.Match[str], language: Language) -> str:
    groups = re.findall(r"\d+", match.group())
    plus = language.math["+"] + language.space if match.group().startswith("+") else ""
    comma = "，" if language.code == "zh" else "、" if language.code == "ja" else ", "
    return plus + comma.join(words.digits(group, language.code) for group in groups)


def _code(match: re.Match[str], language: Language) -> str:
    """A code after a word that announces one: digit by digit, letters spelled."""
    gap = language.space
    said = gap.join(
        words.digits(char, language.code) if char.isdigit() else char for char in match["code"] if char.isalnum()
    )
    return match["before"] + said


def _range(match: re.Match[str], language: Language) -> str:
    """ "10-12" is "10 to 12": the numbers themselves are read by later rules, but for years."""
    low, high = match["low"], match["high"]
    if not language.range_to or (len(low) > 1 and low[0] == "0"):
        return match.group()
    join = (
        "zu"
        if language.code == "de" and len(low) < 3 and low.isdigit() and int(low) >= int(high)
        else language.range_to
    )
    gap = language.space
    if low == high:
        return f"{low}{gap}{high}"
    if re.fullmatch(r"1[1-9]\d\d|20\d\d", low) and re.fullmatch(r"1[1-9]\d\d|20\d\d", high) and low < high:
        return f"{words.year(int(low), language.code)}{gap}{join}{gap}{words.year(int(high), language.code)}"
    return f"{low}{gap}{join}{gap}{high}"


def _fraction(match: re.Match[str], language: Language) -> str | None:
    said = language.fractions.get(match["fraction"])
    if said is None:
        return None
    if not match["whole"]:
        return said
    whole = words.cardinal(int(match["whole"]), language.code)
    if said == language.fractions.get("1/2") and language.half:
        return f"{whole}{language.half}" if language.code == "de" else f"{whole} {language.half}"
    joined = {"es": " y ", "it": " e ", "pt": " e ", "fr": " et "}.get(language.code, " ")
    return whole + joined + said


def _dotted_ordinals(text: str, language: Language) -> str:
    """Ordinals written with a full stop before a word: "im 2. Weltkrieg", "3. katta"."""
    if language.code == "tr":
        return _TURKISH_ORDINAL.sub(lambda match: words.ordinal(int(match[1]), "tr"), text)
    if language.code == "de":
        return _GERMAN_ORDINAL.sub(_german_ordinal, text)
    return text


def _german_ordinal(match: re.Match[str]) -> str:
    ending = "" if match[1].lower() in ("der", "die", "das") else "n"
    return f"{match[1]} {words.ordinal(int(match[2]), 'de')}{ending}"


def _counters(text: str, language: Language) -> str:
    """Numerals that depend on what they count."""
    if language.code == "ko":
        text = _KOREAN_MONTHS.sub(lambda match: {"6": "유", "10": "시"}[match[1]], text)

        def counted(match: re.Match[str]) -> str:
            native = korean_native(int(match[1]))
            return f"{native}{GLUE}{match[2]}" if native else match.group()

        return _KOREAN_COUNTED.sub(counted, text)
    if language.code == "zh":
        text = _CHINESE_YEAR.sub(lambda match: JOIN.join(words.digits(match[1], "zh")), text)
        return _CHINESE_TWO.sub("两", text)
    return text


def _signs(text: str, patterns: Patterns, language: Language) -> str:
    """Signs between and before numbers."""
    gap = language.space
    text = patterns.number_sign.sub(f"{language.number_sign}{gap}", text) if language.number_sign else text
    names = language.math

    def between(match: re.Match[str]) -> str:
        name = names.get(match["spaced"] or match["tight"])
        return f"{gap}{name}{gap}" if name else match.group()

    text = patterns.math.sub(between, text)
    return patterns.plus_after.sub(f"{gap}{names['+']}", text)
