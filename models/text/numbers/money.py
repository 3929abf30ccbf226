"""Amounts of money as words."""

from __future__ import annotations

import re

from models.text.numbers import words
from models.text.numbers.language import Language
from models.text.numbers.patterns import CURRENCIES


def amount(match: re.Match[str], language: Language) -> str | None:
    """$5, 5,50 €, $1.2M; None where the language has no name for the currency."""
    currency = _currency(match["symbol"], language)
    forms = language.currencies.get(currency)
    if forms is None:
        return None
    sign = language.minus + language.space if match["minus"] else ""
    written = match["number"]
    whole, part = words.value(written, language)
    if match["scale"]:
        return sign + _scaled(words.number(written, language), match["scale"], forms, language)
    cents = language.cents.get(currency)
    if len(part) == 2 and cents and len(whole) <= words.MAX_DIGITS:
        parts = [words.counted(whole, forms, language)] if int(whole) or not int(part) else []
        if int(part):
            parts.append(words.counted(str(int(part)), cents, language))
        return sign + language.money_and.join(parts)
    if len(part) == 2 and not int(part):
        written = whole
    return sign + words.counted(written, forms, language)


def amount_range(match: re.Match[str], language: Language) -> str | None:
    """$10-15."""
    forms = language.currencies.get(_currency(match["symbol"], language))
    if forms is None or not language.range_to:
        return None
    low, high = (words.number(match[part], language) for part in ("low", "high"))
    gap = language.space
    both = f"{low}{gap}{language.range_to}{gap}{high}"
    return _scaled(both, match["scale"], forms, language) if match["scale"] else f"{both}{gap}{forms.split('|')[-1]}"


def _scaled(number: str, scale: str, forms: str, language: Language) -> str:
    unit = forms.split("|")[-1]
    said = language.scales[scale]
    if language.code == "fr" and said != "mille":
        unit = f"de {unit}" if unit[:1] not in "aeiou" else f"d'{unit}"
        said = said.removesuffix("s") if number == "un" else said
    return language.space.join([number, said, unit])


def _currency(symbol: str, language: Language) -> str:
    currency = CURRENCIES.get(symbol, symbol)
    return "CNY" if currency == "JPY" and language.code == "zh" else currency
