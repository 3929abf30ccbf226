"""How numbers, dates, times, amounts and units are written: one language's regular expressions."""

from __future__ import annotations

import re

from models.text.numbers.language import SPACE, Language
from models.text.numbers.words import MAX_DIGITS

CURRENCIES = {
    "US$": "USD", "R$": "BRL", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD", "$": "USD", "€": "EUR", "£": "GBP",
    "¥": "JPY", "￥": "JPY", "₩": "KRW", "₹": "INR", "₺": "TRY", "₽": "RUB", "zł": "PLN",
}  # fmt: skip
_CODES = ("USD", "EUR", "GBP", "JPY", "CNY", "INR", "CHF", "CAD", "AUD", "PLN", "TRY", "RUB", "BRL", "KRW")
_SIGNS = "$€£¥₩₹₺₽"
_DASH = rf"{SPACE}?[–—−-]{SPACE}?"
_UNSPACED = ("zh", "ja", "ko")


def _any(keys: list[str]) -> str:
    return "|".join(map(re.escape, sorted(keys, key=len, reverse=True)))


class Patterns:
    """A number inside a word, a version or a date is none."""

    def __init__(self, language: Language, ordinal: str) -> None:
        self._language = language
        # Letters that make a digit beside them part of a word; Chinese, Japanese and Korean write no space there.
        self._letters = r"A-Za-z\d_" if language.code in (*_UNSPACED, "ar", "hi") else r"\w"
        self._before, self._after = rf"(?<![{self._letters}.,:/-])", rf"(?![{self._letters}]|[-.,:/]\d)"
        whole = rf"\d{{1,3}}(?:{language.group}\d{{3}}){{1,{MAX_DIGITS // 3}}}(?!\d)|\d+"
        if language.group == ",":  # 1,25,000: in lakhs and crores
            whole = rf"\d{{1,2}}(?:,\d\d){{1,6}},\d{{3}}(?!\d)|{whole}"
        self._digits = rf"(?:{whole})(?:{language.decimal}\d+)?"
        apart = r"(?<![\w)\]\d])" if language.space else r"(?<![A-Za-z\d)\]])"
        self._minus = rf"{apart}(?P<minus>[-−])"
        self._sign = rf"(?:{self._minus}|{self._before})"
        self._value = f"{self._sign}(?P<number>{self._digits})"
        self._dates()
        self._clocks()
        self._money()
        self._codes()
        self._units()
        self.ordinal = re.compile(ordinal)
        self.year = self._years()
        self.range = re.compile(
            rf"{self._before}(?P<low>\d{{1,9}}){_DASH}(?P<high>\d{{1,9}})(?![\d_]|[-./:]\d|[A-Za-z]*-\d)"
        )
        self.fraction = re.compile(
            rf"(?:{self._before}(?P<whole>\d{{1,3}}){SPACE})?{self._before}(?P<fraction>[123]/[234])(?![\d/{self._letters}])"
        )
        self.number_sign = re.compile(r"(?<![\w&#])(?:#|№\s?)(?=\d)")
        self.math = re.compile(
            rf"(?<=[{self._letters})²³%°])\s(?P<spaced>[×÷+=<>≤≥≈±−*≠])\s(?=[-−]?[{self._letters}(])"
            r"|(?<=[\d)])(?P<tight>[×÷+=<>≤≥≈±*])(?=[\d(])"
        )
        self.plus_after = re.compile(r"(?<=\d)\+(?=$|[\s.,;!?])")
        self.number = re.compile(rf"{self._value}(?![\d_]|[A-Za-z]+\d)")

    def _dates(self) -> None:
        day, month, year = r"(?P<day>\d{1,2})", r"(?P<month>\d{1,2})", r"(?P<year>\d{4})"
        self.iso_date = re.compile(f"{self._before}{year}-{month}-{day}{self._after}")
        if self._language.day_first:
            numeric = rf"{day}(?P<dot>[./]){SPACE}?{month}(?P=dot){SPACE}?{year}"
        else:
            numeric = rf"{month}/{day}/(?P<year>\d{{4}}|\d\d)"
        self.numeric_date = re.compile(f"{self._before}{numeric}{self._after}")
        name = f"(?P<name>{self._language.month_pattern})"
        dotted = r"(?P<dot>\.?)" if self._language.code in ("de", "pl", "tr") else "(?P<dot>)"
        ending = r"(?:st|nd|rd|th|º|er)?"
        last = r"(?:(?:,? |,| de | del )(?P<year>[12]\d{3})(?![\w]|[.,]\d))?"
        day_first = (
            rf"(?P<before>\b[Dd]er )?{self._before}(?P<day>\d{{1,2}}){ending}{dotted} (?:of |de )?{name}(?!\w){last}"
        )
        day_last = rf"(?<!\w){name} (?P<day>\d{{1,2}}){ending}(?![\w:]|[.,/-]\d){last}"
        year_only = rf"(?<!\w){name}(?:,? | de )(?P<year>[12]\d{{3}})(?![\w]|[.,]\d)"
        if not self._language.month_pattern:
            self.named_date = self.named_date_2 = self.month_year = re.compile("(?!)")
            return
        self.named_date = re.compile(day_first)
        self.named_date_2 = re.compile(day_last if not self._language.day_first else "(?!)")
        self.month_year = re.compile(year_only)

    def _clocks(self) -> None:
        hour, minute = r"(?P<hour>[01]?\d|2[0-4])", r"(?P<minute>[0-5]\d)"
        code = self._language.code
        second = r"(?::(?P<second>[0-5]\d))?"
        if code == "de":
            body = rf"{hour}(?:(?P<colon>:){minute}{second}(?:\sUhr\b)?|\.{minute}\sUhr\b)".replace(
                rf"\.{minute}", r"\.(?P<minute2>[0-5]\d)"
            )
        elif code in ("fr", "pt"):
            body = rf"{hour}(?::{minute}{second}|\s?[hH]\s?(?P<minute2>[0-5]\d)|\s?(?P<h>[hH])(?!\w))"
        elif code in _UNSPACED:
            body = rf"{hour}[:：]{minute}{second}"
        else:
            body = rf"{hour}:{minute}{second}"
        half = r"(?:\s?(?P<half>[AaPp])\.?\s?[Mm](?!\w)\.?(?!\w))" if code == "en" else "(?P<half>(?!))"
        self.clock = re.compile(f"{self._before}{body}{half}?{self._after}")
        self.hour = re.compile(rf"{self._before}{hour}{half}") if code == "en" else re.compile("(?!)")
        self.clock_range = re.compile(rf"(\d{{1,2}}:\d\d(?:\s?[AaPp]\.?\s?[Mm]\.?)?){_DASH}(?=\d{{1,2}}:\d\d)")

    def _money(self) -> None:
        symbols = f"{_any(list(CURRENCIES))}|(?<![A-Za-z])(?:{'|'.join(_CODES)})(?![A-Za-z])"
        scale = rf"(?:{SPACE}?(?P<scale>{_any(list(self._language.scales))})(?!\w))?" if self._language.scales else ""
        scale = scale.replace(r"(?!\w)", f"(?![{self._letters}])")
        scale = scale or "(?P<scale>(?!))?"
        plurals = {form for forms in self._language.currencies.values() for form in forms.split("|")[1:]}
        named = rf"(?:{SPACE}(?:de )?(?:{_any([*plurals, *_CODES])})(?!\w))?"
        sign = rf"(?:{self._minus}|(?<![{self._letters}]))"
        self.money_before = re.compile(
            rf"{sign}(?P<symbol>{symbols}){SPACE}?(?P<number>{self._digits})(?![.,]\d){scale}(?![\d_]){named}"
        )
        self.money_after = re.compile(rf"{self._value}{scale}{SPACE}?(?P<symbol>{symbols})(?![{self._letters}])")
        digits = self._digits
        self.money_range = re.compile(
            rf"(?<![{self._letters}])(?P<symbol>{symbols})(?P<low>{digits}){_DASH}(?P=symbol)?(?P<high>{digits}){scale}"
            rf"(?![\d_])"
        )

    def _codes(self) -> None:
        language = self._language
        b = self._before
        self.phone = re.compile(
            r"(?<![\w.,/+])\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?![\w-])"
            r"|(?<![\w.,/-])(?:\d{1,2}[ .-])?\(\d{2,4}\)[ -]?\d{3,4}[ -]?\d{3,4}(?!\d)"
            rf"|{b}(?:\d{{1,2}}-)?\d{{3}}[-.]\d{{3}}[-.]\d{{4}}(?!\d)|{b}\d{{3}}-\d{{4}}(?![\d-])"
            rf"|{b}\d{{3}} \d{{3}} \d{{3}}(?! ?\d)|{b}\d{{3,4}}-\d{{4}}-\d{{4}}(?!\d)"
            rf"|{b}\d{{3}}-\d\d-\d{{4}}(?!\d)|{b}\d{{4}} \d{{4}} \d{{4}}(?: \d{{4}})?(?! ?\d)"
            rf"|{b}\d{{1,5}}(?:-\d{{1,7}}){{3,5}}(?![\w-])"
            + (rf"|{b}1[3-9]\d[ -]?\d{{4}}[ -]?\d{{4}}(?!\d)" if language.code == "zh" else "")
        )
        announced = rf"(?<![{self._letters}])(?i:{language.codes})" if language.codes else "(?!)"
        links = r"(?:\s(?:is|number|no\.|ist|lautet|est|es|è|é|to|Nummer|numéro|número|это)(?!\w)){0,2}[\s:#]{1,3}"
        links = f"(?:{links}|(?:是|为|は)?)" if language.code in _UNSPACED else links
        code = r"(?=[A-Z-]{0,6}\d)(?:[A-Z\d]{3,16}|\d{5}-\d{4}|\d{2,4}(?:[- ]\d{2,4}){1,3})"
        self.code = re.compile(
            rf"(?P<before>{announced}{links})(?P<code>{code})(?![{self._letters}]|[.,:/-]\d|{SPACE}?[%°{_SIGNS}])"
        )

    def _units(self) -> None:
        self.percent = re.compile(rf"{self._value}{SPACE}?%")
        turkish = self._language.code == "tr"
        self.percent_before = re.compile(
            f"{self._sign}%{SPACE}?(?P<number>{self._digits}){self._after}" if turkish else "(?!)"
        )
        units = _any(list(self._language.units)).replace("°C", f"°{SPACE}?C").replace("°F", f"°{SPACE}?F") or "(?!)"
        # "5 W" before a capital is West, not watts.
        self.unit = re.compile(
            rf"{self._value}(?:{SPACE}|-)?(?P<unit>{units})(?![{self._letters}²³/])(?!(?<=[ \d][A-Z])\s[A-Z])"
        )

    def _years(self) -> re.Pattern[str]:
        """Years by the word before them; other numbers like 1984 are counts. English has rules of its own, and most
        other languages read a year like any number."""
        if self._language.code != "de":
            return re.compile("(?P<before>(?!))(?P<year>)")
        return re.compile(
            rf"(?<!\w)(?P<before>(?i:{self._language.years})\s)(?P<year>1[1-9]\d\d)(?![\w%°]|[.,:/-]\d|\s?[{_SIGNS}])"
        )
