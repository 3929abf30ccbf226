"""What the rules for numbers need to know of a language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

SPACE = "[ \u00a0\u202f]"


def one_or_many(number: int) -> int:
    """The plural of most languages: 0 for one, 1 for others."""
    return int(number != 1)


def french_plural(number: int) -> int:
    """French and Brazilian: zero takes the singular too."""
    return int(number > 1)


def russian_plural(number: int) -> int:
    """0 for 1, 21, 101; 1 for 2 to 4, 22; 2 for the others."""
    if number % 10 == 1 and number % 100 != 11:
        return 0
    return 1 if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14 else 2


def polish_plural(number: int) -> int:
    """0 for 1 alone; 1 for 2 to 4, 22; 2 for the others."""
    if number == 1:
        return 0
    return 1 if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14 else 2


def pairs(lines: str) -> dict[str, str]:
    """A table written one entry a line, "symbol: forms"; several symbols of one entry are separated by spaces."""
    table = {}
    for line in lines.strip().splitlines():
        keys, _, value = line.strip().partition(": ")
        table.update(dict.fromkeys(keys.split(), value))
    return table


@dataclass(frozen=True)
class Language:
    """`group`, `decimal`: separators in numbers, as patterns. `date`: of {day}, {month}, {year}; `day_month` without a
    year. `time`: of {hour}, {minute}; `full_hour` without minutes. `units`, `currencies`, `cents`: forms as
    `words.counted` takes them. `scales`: words and letters that multiply an amount before its currency.
    `abbreviations`: an expansion ending in "." closes a sentence at its end. `codes`: words after which digits are
    read one by one, `years`: words after which a number is a year, both as patterns. `attributive`: endings of
    cardinals that change before a noun. `signs`: names of the signs in addresses. `math`: names of signs between
    numbers."""

    code: str
    point: str
    minus: str
    percent: str
    date: str
    time: str
    group: str = r"\."
    decimal: str = ","
    space: str = " "
    full_hour: str = "{hour}"
    day_month: str = ""
    months: tuple[str, ...] = ()
    month_pattern: str = ""
    day_first: bool = True
    digits_after_point: bool = False
    plural: Callable[[int], int] = one_or_many
    attributive: tuple[tuple[str, str], ...] = ()
    currencies: Mapping[str, str] = field(default_factory=dict)
    cents: Mapping[str, str] = field(default_factory=dict)
    money_and: str = " "
    scales: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    abbreviations: Mapping[str, str] = field(default_factory=dict)
    range_to: str = ""
    codes: str = ""
    years: str = ""
    number_sign: str = ""
    half: str = ""
    fractions: Mapping[str, str] = field(default_factory=dict)
    signs: Mapping[str, str] = field(default_factory=dict)
    math: Mapping[str, str] = field(default_factory=dict)
