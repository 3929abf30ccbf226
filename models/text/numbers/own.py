"""Number words that num2words lacks: Chinese, Hindi, and Korean's native numerals."""

from __future__ import annotations

from models.text.lists import names

_HAN = "零一二三四五六七八九"
_HAN_UNITS = ("", "十", "百", "千")
_HAN_GROUPS = ("", "万", "亿", "万亿")


def chinese(number: int) -> str:
    """A cardinal below 10**16: 12005 is 一万二千零五."""
    if number < 0:
        return "负" + chinese(-number)
    if number == 0:
        return _HAN[0]
    text, gap = "", False
    groups = [(number // 10_000**i) % 10_000 for i in range(4)]
    for i in range(3, -1, -1):
        value = groups[i]
        if value == 0:
            gap = bool(text)
            continue
        text += (_HAN[0] if text and (gap or value < 1000) else "") + _group(value) + _HAN_GROUPS[i]
        gap = False
    return text.removeprefix("一") if text.startswith("一十") else text


def _group(value: int) -> str:
    """1 to 9999."""
    text, gap = "", False
    for i in range(3, -1, -1):
        digit = (value // 10**i) % 10
        if digit:
            text += (_HAN[0] if gap and text else "") + _HAN[digit] + _HAN_UNITS[i]
        gap = digit == 0
    return text


# 0 to 99: every one is irregular.
_HINDI = names("""
    शून्य एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस बीस इक्कीस बाईस तेईस चौबीस
    पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस चालीस इकतालीस बयालीस
    तैंतालीस चवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ साठ
    इकसठ बासठ तिरसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर
    उन्यासी अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी नब्बे इक्यानवे बानवे तिरानवे चौरानवे पचानवे छियानवे
    सत्तानवे अट्ठानवे निन्यानवे
""")
_HINDI_SCALES = ((10**11, "खरब"), (10**9, "अरब"), (10**7, "करोड़"), (10**5, "लाख"), (1000, "हज़ार"), (100, "सौ"))


def hindi(number: int) -> str:
    """A cardinal, in lakhs and crores: 125000 is एक लाख पच्चीस हज़ार."""
    if number < 0:
        return "ऋण " + hindi(-number)
    words: list[str] = []
    for scale, name in _HINDI_SCALES:
        if number >= scale:
            words += [hindi(number // scale), name]
            number %= scale
    if number or not words:
        words.append(_HINDI[number])
    return " ".join(words)


_KOREAN_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_KOREAN_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")


def korean_native(number: int) -> str | None:
    """The numeral before a counted thing, 1 to 99: 5개 is 다섯 개."""
    if not 1 <= number <= 99:
        return None
    return "스무" if number == 20 else _KOREAN_TENS[number // 10] + _KOREAN_ONES[number % 10]
