"""Numbers, dates, amounts and common abbreviations as words, by num2words. What is not understood stays as it is: the
model reads digits too. Emotion markers and phoneme spans are never touched."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache

from num2words import num2words

from models.text.languages import LANGUAGES, SPACE, Language
from models.text.markers import PROTECTED

CURRENCIES = {
    "US$": "USD", "R$": "BRL", "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₩": "KRW", "₹": "INR", "₺": "TRY",
}  # fmt: skip
SYMBOL = rf"(?P<symbol>{'|'.join(map(re.escape, CURRENCIES))}|\b(?:USD|EUR|GBP)\b)"
SIGNS = "$€£¥₩₹₺₽"
MAX_DIGITS = 15
# Separators of Arabic and of full width, where they belong to a number.
FOREIGN_SEPARATOR = re.compile("(?<=\\d)(?:[٬٫，．：](?=\\d)|[٪％])")
PLAIN_SEPARATORS = str.maketrans("٬٫，．：٪％", ",.,.:%%")
ENGLISH_ORDINAL = re.compile(r"(?<![\w.,])(\d{1,4})(?:st|nd|rd|th)\b")
FRENCH_ORDINAL = re.compile(r"(?<![\w.,])(\d{1,3})(?:ers?|ème|e)\b")
IBERIAN_ORDINAL = re.compile(r"(?<![\w.,])(\d{1,2})\.?º")
KOREAN_MONTHS = {"6": "유", "10": "시"}  # before 월, unlike the numbers themselves
# Korean counts these with native numerals, which num2words does not give.
KOREAN_COUNTERS = r"(?!\s?(?:개|명|시|살|번|마리|시간|사람|잔|병|권|대))"


def normalize(text: str, language: str | None = None) -> str:
    """The text with its numbers written out, in `language` (ISO 639-1) or the one it seems to be in; unchanged when
    that is unknown or has no number words here."""
    name = language or guess_language(text)
    if name not in LANGUAGES:
        return text
    pieces, at = [], 0
    for span in PROTECTED.finditer(text):
        pieces += [_spoken(text[at : span.start()], name), span.group()]
        at = span.end()
    return "".join([*pieces, _spoken(text[at:], name)])


def guess_language(text: str) -> str | None:
    """By script, and for Latin by stopwords; None when two languages are as likely."""
    plain = PROTECTED.sub(" ", text)
    scripts = (("ja", "[\u3040-\u30ff]"), ("ko", "[\uac00-\ud7a3]"), ("zh", "[\u3400-\u9fff]"))
    for name, letters in (*scripts, ("hi", "[\u0900-\u097f]"), ("ar", "[\u0600-\u06ff]"), ("ru", "[\u0400-\u04ff]")):
        if len(re.findall(letters, plain)) * 4 > sum(map(str.isalpha, plain)):
            return name
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", unicodedata.normalize("NFC", plain).lower())
    scores = sorted(
        ((sum(word in spec.stopwords for word in words), name) for name, spec in LANGUAGES.items()), reverse=True
    )
    (best, name), (second, _) = scores[:2]
    return name if best > second else None


def _spoken(text: str, name: str) -> str:
    """Longest forms first: dates and amounts before the bare numbers in them."""
    spec = LANGUAGES[name]
    rules = _rules(name)
    text = _abbreviations(FOREIGN_SEPARATOR.sub(lambda m: m.group().translate(PLAIN_SEPARATORS), text), spec)
    text = rules["iso"].sub(lambda m: _date(m, name), text)
    text = rules["date"].sub(lambda m: _date(m, name), text)
    text = rules["time"].sub(lambda m: _time(m, name), text)
    for rule in ("amount_after", "amount_before"):
        text = rules[rule].sub(lambda m: _amount(m, name), text)
    for rule in ("percent", "percent_before"):
        text = rules[rule].sub(lambda m: _minus(m, name) + spec.percent.format(_number(m["number"], name)), text)
    text = _ordinals(text, name)
    if name in ("en", "de"):
        text = rules["year"].sub(lambda m: _words(int(m.group()), name, "year"), text)
    return rules["number"].sub(lambda m: _minus(m, name) + _number(m["number"], name), text)


@lru_cache
def _rules(name: str) -> dict[str, re.Pattern[str]]:
    """The patterns of a language. A number inside a word, an address, a version or a range is none; nor are groups of
    digits with spaces between, as in telephone and card numbers, unless the language groups thousands so."""
    spec = LANGUAGES[name]
    letters = r"A-Za-z\d_" if name in ("ja", "ko") else r"\w"
    before, after = rf"(?<![{letters}.,:/-])", rf"(?![{letters}]|[-.,:/]\d)"
    number = rf"(?P<number>(?:\d{{1,3}}(?:{spec.group}\d{{3}}){{1,{MAX_DIGITS // 3}}}|\d+)(?:{spec.decimal}\d+)?)"
    minus = r"(?:(?<=\s)|(?<=^)|(?<=\())(?P<minus>[-−])"
    sign = rf"(?:{minus}|{before})"
    loose = rf"(?!(?:(?<=\d{SPACE})|(?<=\d\){SPACE}))\d\d)(?<![{SIGNS}])(?<![{SIGNS}]{SPACE})"
    if spec.group == SPACE:
        loose += rf"(?!\d{{3}}{SPACE}\d{{3}}{SPACE}\d{{3}}(?!{SPACE}?\d))"
    if name in ("de", "pl", "tr"):  # written ordinals: "im 2. Weltkrieg"
        loose += rf"(?!\d{{1,2}}\.{SPACE}[^\W\d_])"
    last = rf"{after}(?!\)?{SPACE}?\d\d|{SPACE}?[{SIGNS}])"
    scale = r"(?P<scale>\s(?:thousand|million|billion|trillion)\b)?" if name == "en" else "(?P<scale>(?!))?"
    day, month, year = r"(?P<day>\d{1,2})", r"(?P<month>\d{1,2})", r"(?P<year>\d{4})"
    date = f"{month}/{day}/{year}" if name == "en" else f"{day}[./]{month}[./]{year}"
    times = r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)" + (r"(?P<uhr>\sUhr\b)?" if name == "de" else "")
    counters = KOREAN_COUNTERS if name == "ko" else ""
    patterns = {
        "iso": f"{before}{year}-{month}-{day}{after}",
        "date": f"{before}{date}{after}",
        "time": f"{before}{times}{after}",
        "amount_before": f"(?:{minus}|(?<![{letters}])){SYMBOL}{SPACE}?{number}{after}{scale}",
        "amount_after": f"{sign}{number}{scale}{SPACE}?{SYMBOL}(?![{letters}])",
        "percent": f"{sign}{number}{SPACE}?%",
        "percent_before": f"{sign}%{SPACE}?{number}{after}" if name == "tr" else "(?!)",
        "year": rf"{before}{loose}(?:19\d\d|20\d\d){last}",
        "number": rf"{sign}{loose}{number}{last}{counters}",
    }
    return {rule: re.compile(pattern) for rule, pattern in patterns.items()}


def _words(value: int, name: str, to: str = "cardinal") -> str:
    return num2words(value, lang=name, to=to).replace(",", "").strip()


def _value(digits: str, name: str) -> tuple[str, str]:
    """Whole and decimal digits, separators removed."""
    spec = LANGUAGES[name]
    whole, *rest = re.split(spec.decimal, digits)
    return re.sub(spec.group, "", whole), rest[0] if rest else ""


def _number(digits: str, name: str) -> str:
    """Digits as written -> words; unchanged when they look like a code: a leading zero, or too long."""
    whole, part = _value(digits, name)
    if len(whole) > MAX_DIGITS or (len(whole) > 1 and int(whole[0]) == 0):
        return digits
    gap = "" if name == "ja" else " "
    spoken = [_words(int(whole), name)]
    if part:
        zeros = len(part) - len(part.lstrip("0"))
        each = part if LANGUAGES[name].digits_after_point or zeros == len(part) or len(part) > 3 else part[:zeros]
        spoken += [LANGUAGES[name].point, *(_words(int(digit), name) for digit in each)]
        if len(each) < len(part):
            spoken.append(_words(int(part[zeros:]), name))
    return gap.join(spoken)


def _minus(match: re.Match[str], name: str) -> str:
    return f"{LANGUAGES[name].minus} " if match["minus"] else ""


def _amount(match: re.Match[str], name: str) -> str:
    whole, part = _value(match["number"], name)
    currency = CURRENCIES.get(match["symbol"], match["symbol"])
    if len(whole) > MAX_DIGITS or currency not in (*LANGUAGES[name].currencies, "USD", "EUR", "GBP"):
        return match.group()
    minus, number = _minus(match, name), _number(match["number"], name) + (match["scale"] or "")
    if currency in LANGUAGES[name].currencies:
        return minus + number + ("" if name == "ja" else " ") + LANGUAGES[name].currencies[currency]
    if match["scale"] or len(part) not in (0, 2):
        units = _currency(Decimal(2), name, currency)[0].split(" ", 1)[1]
        return f"{minus}{number} {units}"
    units, cents = _currency(Decimal(f"{int(whole)}.{part or '00'}"), name, currency)
    return minus + (f"{units} {cents}" if int(part or 0) else units)


def _currency(value: Decimal, name: str, currency: str) -> tuple[str, str]:
    """The units and the cents of an amount, each with its name."""
    spoken = num2words(value, lang=name, to="currency", currency=currency, separator=" |")
    units, _, cents = spoken.replace(",", "").partition("|")
    if (name, currency) == ("en", "EUR") and value >= 2:
        units = units.replace("euro", "euros")
    return units.strip(), cents.strip()


def _date(match: re.Match[str], name: str) -> str:
    spec = LANGUAGES[name]
    day, month, year = (int(match[part]) for part in ("day", "month", "year"))
    if not (1 <= day <= 31 and 1 <= month <= 12 and year):
        return match.group()
    spoken_day = _words(day, name)
    if name == "en" or (name == "fr" and day == 1):
        spoken_day = _words(day, name, "ordinal")
    elif name == "de":
        spoken_day = _words(day, name, "ordinal") + "n"
    spoken_year = _words(year, name, "year") if name in ("en", "de") else _words(year, name)
    spoken_month = spec.months[month - 1] if spec.months else _words(month, name)
    return spec.date.format(day=spoken_day, month=spoken_month, year=spoken_year)


def _time(match: re.Match[str], name: str) -> str:
    hour, minute = int(match["hour"]), int(match["minute"])
    if name == "en":
        small = "o'clock" if not minute else f"oh {_words(minute, name)}"
        return f"{_words(hour, name)} {small if minute < 10 else _words(minute, name)}"
    spec = LANGUAGES[name]
    spoken_hour = str(hour) if name == "ko" else _words(hour, name)  # in native numerals, which are missing
    return (spec.time if minute else spec.full_hour).format(hour=spoken_hour, minute=_words(minute, name))


def _ordinals(text: str, name: str) -> str:
    if name == "en":
        return ENGLISH_ORDINAL.sub(lambda m: _words(int(m[1]), name, "ordinal"), text)
    if name == "fr":
        return FRENCH_ORDINAL.sub(lambda m: _words(int(m[1]), name, "ordinal"), text)
    if name in ("es", "it", "pt"):
        return IBERIAN_ORDINAL.sub(lambda m: _words(int(m[1]), name, "ordinal"), text)
    if name == "de":
        months = "|".join(LANGUAGES[name].months)
        pattern = rf"(?<![\w.,])(\d{{1,2}})\.(?=\s(?:{months})\b)"
        return re.sub(pattern, lambda m: _words(int(m[1]), name, "ordinal") + "n", text)
    if name == "ko":
        return re.sub(r"(?<!\d)(?:6|10)(?=월)", lambda m: KOREAN_MONTHS[m.group()], text)
    return text


def _abbreviations(text: str, spec: Language) -> str:
    for short, long in spec.abbreviations.items():
        ends = long.endswith(".")
        text = re.sub(
            rf"(?<!\w){re.escape(short)}(?!\w)",
            lambda m, long=long, ends=ends: long.rstrip(".") + ("." if ends and _ends_here(m) else ""),
            text,
        )
    return text


def _ends_here(match: re.Match[str]) -> bool:
    following = re.compile(r"\s*(\S?)").match(match.string, match.end())[1]
    return not following or following.isupper()
