"""What English needs besides the rules of every language: heights, decades, years by context, rates, versions."""

from __future__ import annotations

import re

from models.text.languages.en import ENGLISH
from models.text.lists import names
from models.text.marks import GLUE
from models.text.numbers import words

_SIX_FEET = re.compile(r"(?<![\w.,])(\d{1,2})\s?['′’]\s?(?:(\d{1,2})\s?(?:[\"″”]|''|’’)|(\d{1,2})(?![\w'’\"]))")
_HALF_RANGE = re.compile(r"(\d\s?[AaPp]\.?\s?[Mm]\.?)\s?[-–—]\s?(?=\d)")
_INCHES = re.compile(r"(?<![\w.,/])(\d{1,3}(?:\.\d{1,2})?)[\"″”](?=[\s.,;x×-]|$)")
_ORDINAL = re.compile(r"(?<![\w.,])(\d{1,3}(?:,\d{3})+|\d{1,6})(?:st|nd|rd|th)\b")
_DECADE = re.compile(r"(?<![\w.,])(?:(1[1-9]\d0|20\d0)|['’]?(\d0))['’]?s\b")
_FRACTION = re.compile(r"(?:(?<![\w.,/:-])(\d{1,3})[ -])?(?<![\w.,/:-])(\d{1,3})/(\d{1,3})(?![\w/]|[.,]\d)")
_RATE = re.compile(
    r"(?<=[\w$€£%])\s?/\s?(month|mo|year|yr|day|hour|hr|h|week|wk|person|user|night|minute|min|second|sec|lb|kg|mile|gallon|"
    r"seat|unit|piece|item|session|call|page|word|token|GB|MB|TB|kWh)\b"
)
_RATES = {"mo": "month", "yr": "year", "hr": "hour", "h": "hour", "wk": "week", "min": "minute", "sec": "second",
          "lb": "pound", "kg": "kilogram", "GB": "gigabyte", "MB": "megabyte", "TB": "terabyte",
          "kWh": "kilowatt hour"}  # fmt: skip
_FRACTIONS = {2: "half|halves", 4: "quarter|quarters"}
_EVENTS = {"9/11": "nine eleven", "24/7": "twenty-four seven", "50/50": "fifty fifty", "7/11": "seven eleven",
           "20/20": "twenty twenty"}  # fmt: skip
_HYPHENED = re.compile(r"(?<![\w.,-])([A-Z]{1,6})-(\d{1,4})(?![\w]|[-.,:/]\d)")
_MIXED = re.compile(r"(?<![\w.,:/$€£-])(?=[A-Z\d]{0,7}[A-Z])(?=[A-Z\d]{0,7}\d)[A-Z\d]{2,8}(?![\w/]|[-.,:]\d)")
_POWER = re.compile(r"(?<![\^\w.])(\d{1,9}|[A-Za-z])\^([-−]?\d{1,4})(?![\^\w])")
_BARE_POINT = re.compile(r"(?<![\w.])\.(?=\d{1,6}(?![\w.]))")
_OUT_OF = re.compile(r"(?<![\w.,/:-])(\d{1,3}(?:\.\d)?)/(10|100|5(?=\s(?:stars?|points?)))(?![\w/]|[.,]\d|\sof\b)")
_FEET_WRITTEN = re.compile(r"(?<![\w.,])(\d{1,2})\s?(?:ft|feet|foot)\.?,?\s(\d{1,2})\s?in(?:ch(?:es)?)?\b\.?")
_LEADING = re.compile(r"(?<![\w)\]}<>=~])([~<>≥≤±≈])(?=[$€£]?\d)")
_LEADERS = {"~": "about", "≈": "about", "<": "less than", ">": "more than", "≥": "at least", "≤": "at most",
            "±": "plus or minus"}  # fmt: skip
_DOTTED_DATE = re.compile(r"(?<![\w.,/-])(\d{1,2})([.-])(\d{1,2})\2((?:19|20)\d\d)(?![\w]|[.,-]\d)")
_COPYRIGHT = re.compile(r"©\s?(?=\d)")
_ZIP = re.compile(r"\b([A-Z]{2} )(\d{5})(?:-(\d{4}))?(?![\w]|[-.,]\d)")
_EMERGENCY = re.compile(r"(?<![\w.,$€£#:/-])(?:911|112|999)(?![\w%]|[.,:/-]\d|\s?[€£$]|\s[a-z]+s\b)")
_CALLED = re.compile(r"\b(?:call(?:ed|ing|s)?|dial(?:ed|ing|s)?|phone[ds]?)\b[^!?]{0,40}$", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"(?<![\w.,])(\d{1,3}(?:\.\d{1,6})?)[eE]([+-]?)(\d{1,3})(?![\w]|\.\d)")
_LETTER_EQUALS = re.compile(r"(?<![\w=])([A-Za-z])=(?=[-−]?\d)")
_VERSE = re.compile(
    r"\b(Genesis|Exodus|Leviticus|Psalms?|Proverbs|Isaiah|Matthew|Mark|Luke|John|Acts|Romans|Corinthians|Hebrews|"
    r"Revelation)\s(\d{1,3}):(\d{1,3})\b"
)
_BY = re.compile(r"(?<![\w.,])(\d{1,5}(?:\.\d)?)(\s?)x\s?(\d{1,5}(?:\.\d)?)(?![\w])")
_TIMES = re.compile(r"(?<![\w.,])(\d{1,4}(?:\.\d{1,2})?)x(?!\w)")
_SEASON = re.compile(r"(?<![\w.,:/-])((?:19|20)\d\d)[-–/](\d\d)(?![\w]|[-.,:/]\d)")
_THOUSANDS = re.compile(r"(?<![\w.,:/$€£-])(?![248]K)(\d{1,3}(?:\.\d{1,2})?)([kKM]|bn)\b(?!-)")
_VERSION = re.compile(
    r"\b(v|ver\.?|version|Version|Python|iOS|Android|macOS|Ubuntu|release|Release|Chapter|Section|section)(\s?)"
    r"(\d{1,4}(?:\.\d{1,4}){1,4})(?!\w|\.\d)"
)
_DOTTED = re.compile(r"(?<![\w.,])(\d{1,4}(?:\.\d{1,4}){2,4})(?!\w|\.\d)(?<!\d{3}\.\d{3}\.\d{4})")
_SCORE = re.compile(r"(?<![\w.,:/-])(\d{1,3}):(\d{1,2})(?![\w:]|[.,]\d)")
_DAY_SLASH = re.compile(
    r"(?i:\b(on|by|since|until|till|before|after|from|due))\s(1[0-2]|0?[1-9])/(3[01]|[12]\d|0?[1-9])(?![\w/]|[.,]\d)"
)

_YEAR = re.compile(r"(?<![\w.,:/$€£#-])(1\d\d\d|20\d\d)(?![\w%°]|[.,:/-]\d|\s?(?:[-–—+×*=]|%))")
_YEAR_WORDS = frozenset(
    names(
        """in between since until till by before after from during circa around year early late mid spring summer
        autumn fall winter copyright back ended began c. ca. © dated"""
    )
)
_COUNTED = frozenset(
    names(
        """people percent units items cases meters metres miles feet kilometers yards dollars euros pounds points
        words hours minutes seconds days weeks years months times votes users members students copies pages tons
        calories steps or more million billion thousand hundred of"""
    )
)  # fmt: skip
_NOT_PLURAL = frozenset(names("was is has this his its us as yes olympics elections always plus thus series news"))


def before(text: str) -> str:
    """Rules that come before those of every language."""
    text = _COPYRIGHT.sub("copyright ", text)
    text = _ZIP.sub(_zip_code, _DOTTED_DATE.sub(_dotted_date, text))
    text = _EMERGENCY.sub(_emergency, text)
    text = _SCIENTIFIC.sub(_scientific, _LETTER_EQUALS.sub(r"\1 equals ", text))
    text = _VERSE.sub(r"\1 \2 \3", text)
    text = _FEET_WRITTEN.sub(r"\1'\2''", text)
    text = _LEADING.sub(lambda match: f"{_LEADERS[match[1]]} ", text)
    text = _OUT_OF.sub(_out_of, _BARE_POINT.sub("point ", text))
    text = _DECADE.sub(_decade, _HALF_RANGE.sub(r"\1 to ", _SIX_FEET.sub(_feet, text)))
    text = _INCHES.sub(lambda match: _one(match[1], "inch", "inches"), text)
    text = _VERSION.sub(_version, text)
    text = _DOTTED.sub(lambda match: _parts(match[1]), text)
    text = _SEASON.sub(_season, _TIMES.sub(r"\1 times", _BY.sub(_by, text)))
    text = _POWER.sub(r"\1 to the power of \2", text).replace("√", "the square root of ")
    text = _DAY_SLASH.sub(_day_slash, text)
    text = _THOUSANDS.sub(_thousands, text)
    return _RATE.sub(lambda match: f" per {_RATES.get(match[1], match[1])}", text)


def after_dates(text: str) -> str:
    """Rules that come after dates, times and amounts, and before bare numbers."""
    text = _ORDINAL.sub(lambda match: _glue(words.ordinal(int(match[1].replace(",", "")), "en")), text)
    text = _FRACTION.sub(_fraction, text)
    text = _SCORE.sub(lambda match: f"{match[1]} to {match[2]}", text)
    text = _YEAR.sub(_year, text)
    text = _HYPHENED.sub(_hyphened, text)
    text = _MIXED.sub(_mixed, text)
    return re.sub(r"(?<=[A-Za-z])²", f"{GLUE}squared", re.sub(r"(?<=[A-Za-z])³", f"{GLUE}cubed", text))


def _glue(said: str) -> str:
    return said.replace(" ", GLUE)


def _one(number: str, one: str, many: str) -> str:
    return f"{number} {one if number == '1' else many}"


def _feet(match: re.Match[str]) -> str:
    """5'11" is "five feet eleven inches"; a quotation's end is no inch."""
    inches = match[2] or match[3]
    if int(inches) > 11:
        return match.group()
    return f"{_one(match[1], 'foot', 'feet')} {_one(inches, 'inch', 'inches')}"


def _out_of(match: re.Match[str]) -> str:
    """8/10 is "eight out of ten", but 1/10 of something is a tenth."""
    return match.group() if match.group() in _EVENTS else f"{match[1]} out of {match[2]}"


def _parts(dotted: str) -> str:
    return _glue(" point ".join(words.cardinal(int(part), "en") for part in dotted.split(".")))


def _version(match: re.Match[str]) -> str:
    word = "version" if match[1] in ("v", "ver", "ver.") else match[1]
    return f"{word} {_parts(match[3])}"


def _day_slash(match: re.Match[str]) -> str:
    month = ENGLISH.months[int(match[2]) - 1]
    return f"{match[1]} {month}{GLUE}{_glue(words.ordinal(int(match[3]), 'en'))}"


def _dotted_date(match: re.Match[str]) -> str:
    """05.06.2024 and 15-03-2024: the day comes first, as whoever writes dots or hyphens has it."""
    day, month = int(match[1]), int(match[3])
    if month > 12 >= day:
        day, month = month, day
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return match.group()
    said = f"{ENGLISH.months[month - 1]} {words.ordinal(day, 'en')}, {words.year(int(match[4]), 'en')}"
    return _glue(said)


def _zip_code(match: re.Match[str]) -> str:
    """NY 10001: digit by digit."""
    groups = [words.digits(group, "en") for group in match.groups()[1:] if group]
    return match[1] + _glue(", ".join(groups))


def _emergency(match: re.Match[str]) -> str:
    """911 where someone calls it, digit by digit."""
    return words.digits(match.group(), "en") if _CALLED.search(match.string[: match.start()]) else match.group()


def _scientific(match: re.Match[str]) -> str:
    """1.5e-3 is "1.5 times 10 to the power of minus 3"."""
    power = f"{'minus ' if match[2] == '-' else ''}{words.cardinal(int(match[3]), 'en')}"
    return f"{match[1]} times ten to the power of {power}"


def _thousands(match: re.Match[str]) -> str:
    return f"{match[1]} { {'k': 'thousand', 'K': 'thousand', 'M': 'million', 'bn': 'billion'}[match[2]] }"


def _decade(match: re.Match[str]) -> str:
    """1990s is "nineteen nineties", 80s is "eighties"."""
    century, tens = (match[1][:2], int(match[1][2:])) if match[1] else ("", int(match[2]))
    if tens < 20:
        return match.group() if not century else _glue(f"{words.year(int(match[1]), 'en')}s")
    name = words.cardinal(tens, "en").removesuffix("y") + "ies"
    return _glue(f"{words.cardinal(int(century), 'en')} {name}") if century else name


def _fraction(match: re.Match[str]) -> str:
    """1/2, 2 3/4, 7/8; other pairs are read one "over" the other."""
    whole, top, bottom = match[1], int(match[2]), int(match[3])
    pair = f"{match[2]}/{match[3]}"
    if not whole and pair in _EVENTS:
        return _glue(_EVENTS[pair])
    if not (0 < top < bottom <= 100):
        said = f"{words.cardinal(top, 'en')} over {words.cardinal(bottom, 'en')}"
        return _glue(f"{words.cardinal(int(whole), 'en')} {said}" if whole else said)
    if bottom in _FRACTIONS:
        one, many = _FRACTIONS[bottom].split("|")
    else:
        one = words.ordinal(bottom, "en")
        many = one + "s"
    said = f"{words.cardinal(top, 'en')} {one if top == 1 else many}"
    if not whole:
        return _glue(said)
    said = f"a {one}" if top == 1 else said
    return _glue(f"{words.cardinal(int(whole), 'en')} and {said}")


def _hyphened(match: re.Match[str]) -> str:
    """GPT-4, COVID-19: the letters one by one where there are few, then the number."""
    letters = match[1] if len(match[1]) > 3 else " ".join(match[1])
    return _glue(f"{letters} {_short_number(match[2])}")


def _mixed(match: re.Match[str]) -> str:
    """B12, MP3, R2D2: letters one by one, numbers between them as numbers."""
    runs = re.findall(r"[A-Z]+|\d+", match.group())
    return _glue(" ".join(" ".join(run) if run.isalpha() else _short_number(run) for run in runs))


def _short_number(written: str) -> str:
    if re.fullmatch(r"19\d\d|20\d\d", written):
        return words.year(int(written), "en")
    if written[0] == "0" or len(written) > 3:
        return words.digits(written, "en")
    return words.cardinal(int(written), "en")


def _by(match: re.Match[str]) -> str:
    """1920x1080 is "nineteen twenty by ten eighty"."""
    sides = (match[1], match[3])
    said = [
        words.year(int(side), "en") if re.fullmatch(r"\d{4}", side) and side[-2:] != "00" else side for side in sides
    ]
    return " by ".join(map(_glue, said))


def _season(match: re.Match[str]) -> str:
    """2020-21 is "twenty twenty twenty-one"; 2020-15 is none."""
    first, second = int(match[1]), int(match[2])
    if second != (first + 1) % 100:
        return match.group()
    return _glue(f"{words.year(first, 'en')} {words.cardinal(second, 'en')}")


def _year(match: re.Match[str]) -> str:
    text = match.string
    previous = re.findall(r"[\w.©'’-]+", text[max(0, match.start() - 24) : match.start()])
    following = re.match(r"\s([\w'’]+)", text[match.end() :])
    next_word = following[1].lower() if following else ""
    plural = len(next_word) > 3 and next_word.endswith("s") and next_word not in _NOT_PLURAL
    said = _glue(words.year(int(match[1]), "en"))
    if not previous or next_word in _COUNTED:
        return match.group()
    word = previous[-1]
    if word.lower() in _YEAR_WORDS or text[: match.start()].endswith("© "):
        small = match[1] < "1100"  # bytes and pixels come in 1024
        return match.group() if plural and (small or word.lower() not in ("in", "since", "year")) else said
    if text[: match.start()].endswith("(") and text[match.end() :].startswith(")"):
        return said
    if word.lower() in ("the", "a", "this", "that", "our", "my", "his", "her", "their", "of", "and", "or", "to"):
        singular = next_word and not plural and word.lower() not in ("of", "and", "or", "to")
        range_end = word.lower() in ("and", "or", "to") and _says_a_year(text[: match.start()])
        return said if singular or range_end else match.group()
    named = word[0].isupper() and len(previous) > 1 and not plural and word.lower() not in ("no.", "nos.")
    return said if named else match.group()


def _says_a_year(text: str) -> bool:
    """Whether a year stands a few words back."""
    return bool(re.search(r"\b(?:1[1-9]\d\d|20\d\d|nineteen|twenty)\b[^.!?]{0,12}$", text))
