"""Numbers as words, in every language that is spoken here."""

from __future__ import annotations

import re
from functools import lru_cache

from num2words import num2words

from models.text.numbers.language import Language
from models.text.numbers.own import chinese, hindi

MAX_DIGITS = 15


@lru_cache(1 << 14)
def cardinal(number: int, code: str) -> str:
    """A whole number: 42 is "forty-two"."""
    if code == "zh":
        return chinese(number)
    return hindi(number) if code == "hi" else _num2words(number, code, "cardinal")


@lru_cache(1 << 12)
def ordinal(number: int, code: str) -> str:
    """A whole number's ordinal, in the form that stands alone: 2 is "second"."""
    if code == "zh":
        return "第" + chinese(number)
    return f"{hindi(number)}वाँ" if code == "hi" else _num2words(number, code, "ordinal")


@lru_cache(1 << 12)
def year(number: int, code: str) -> str:
    """A year as it is said."""
    if code == "zh":
        return digits(str(number), code)
    if code not in ("en", "de"):
        return cardinal(number, code)
    return _num2words(number, code, "year").replace("oh-", "oh ")


@lru_cache(1 << 12)
def genitive_ordinal(number: int, code: str) -> str:
    """An ordinal as dates take it in Russian and Polish: "третьего", "trzeciego"."""
    if code == "ru":
        return str(num2words(number, lang="ru", to="ordinal", case="g"))
    said = _num2words(number, code, "ordinal").split()
    return " ".join(re.sub("i$", "iego", re.sub("y$", "ego", word)) for word in said)


def _num2words(number: int, code: str, form: str) -> str:
    return str(num2words(number, lang=code, to=form)).replace(",", "").strip()


def digits(text: str, code: str) -> str:
    """Digit by digit: 4821 is "four eight two one"."""
    gap = "" if code in ("zh", "ja") else " "
    return gap.join(cardinal(int(digit), code) for digit in text if digit.isdecimal())


def attributive(number: int, language: Language) -> str:
    """A cardinal before a masculine noun: "veintiún kilómetros", "ein Euro"."""
    said = cardinal(number, language.code)
    for ending, instead in language.attributive:
        if said.endswith(ending):
            return said.removesuffix(ending) + instead
    return said


def value(written: str, language: Language) -> tuple[str, str]:
    """Whole and decimal digits of a number as written, its separators removed."""
    whole, *rest = re.split(language.decimal, written)
    return re.sub(language.group, "", whole) or "0", rest[0] if rest else ""


def number(written: str, language: Language) -> str:
    """A number as written -> words; digit by digit where it looks like a code: a leading zero, or too long."""
    whole, part = value(written, language)
    if len(whole) > MAX_DIGITS or (len(whole) > 1 and whole[0] == "0"):
        return digits(whole + part, language.code)
    said = [cardinal(int(whole), language.code)]
    if part:
        said.append(language.point)
        zeros = len(part) - len(part.lstrip("0"))
        singly = language.digits_after_point or zeros == len(part) or len(part) > 3
        each = part if singly else part[:zeros]
        said += [cardinal(int(digit), language.code) for digit in each]
        if len(each) < len(part):
            said.append(cardinal(int(part[zeros:]), language.code))
    return language.space.join(said)


def counted(written: str, forms: str, language: Language) -> str:
    """So many of a thing. `forms`, separated by "|": one of it with its number word, then the plurals, of which a
    language may have two: "один километр|километра|километров"."""
    one, *others = forms.split("|")
    whole, part = value(written, language)
    if not others:
        return f"{number(written, language)}{language.space}{one}"
    if not part and int(whole) == 1 and len(whole) == 1:
        return one
    if part:
        form = others[0]
        if language.code == "fr" and int(whole) < 2:
            form = one.split(" ", 1)[1]
        return f"{number(written, language)} {form}"
    if len(whole) > MAX_DIGITS:
        return f"{number(written, language)} {others[-1]}"
    which = language.plural(int(whole))
    form = one.split(" ", 1)[1] if which == 0 else others[min(which, len(others)) - 1]
    return f"{attributive(int(whole), language)} {form}"
