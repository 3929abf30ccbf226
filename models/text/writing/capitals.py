"""Capitals: a shouted sentence is words, an initialism is spelled, an acronym is a word."""

from __future__ import annotations

import re

from models.text.lists import names
from models.text.marks import GLUE

# Said as words although they are written in capitals.
ACRONYMS = frozenset(
    names(
        """NASA NATO UNESCO UNICEF OPEC LASER RADAR SCUBA SONAR AIDS COVID FIFA UEFA IKEA NAFTA OSHA DARPA FEMA
        ASCII JPEG GIF RAM ROM LAN WAN PIN SIM YOLO NASDAQ SWAT POTUS SCOTUS FLOTUS BASIC COBOL FORTRAN LISP CAPTCHA
        GIMP LIDAR MIDI UNIX SAP SARS MERS ASEAN BRICS INTERPOL EBITDA GAAP ISO IELTS TOEFL SAT NIMBY FOMO LOL ALEXA
        SIRI CERN ESA VAT PAC ZIP WIFI HIPAA CRISPR LED NICU MOMA TED PETA NASCAR AWOL BOGO VIN DOS SQUID SOAP REST
        CRUD JSON YAML CUDA GUI SaaS"""
    )
)
_SPELLED = frozenset(
    names(
        """FBI CIA USA UK EU UN US TV PC CEO CFO CTO API APIS HTML CSS HTTP HTTPS URL SQL PDF CPU GPU USB DVD CD ATM
        DNA RNA FAQ GPS AI IT HR PR VIP DIY ID IP OS UI UX BBC CNN NBC ABC MTV NBA NFL NHL MLB UFO IRS FDA EPA NSA
        DOJ DMV LA NYC DC IBM BMW AWS SDK IDE LLM TTS ASR NLP ML GDP GDPR ETA ASAP RSVP AKA SUV HIV MRI CT EKG ICU
        ER OK"""
    )
)
_ALSO_WORDS = frozenset(("US", "IT", "OK", "LA"))  # in a shouted sentence they are words
# Short words that are shouted inside a sentence: "do NOT touch".
_SHOUTED = frozenset(
    names(
        """a all also an and any are as at away back bad be best big both but buy by call can come day do done dont
        down each end even ever every few fine for free from full get give go good great had has have he help her
        here high hot how i if in into is its just keep know last less let like long look lot love made make man
        many may me mean more most move much must my near need never new news next nice no none not note now of off
        old on once one only open or other our out over own part past pay play please put read real really right run
        safe said sale same save say see seen she show so some soon sorry start stay still stop such sure take tell
        than thank that the them then there these they thing think this those time to today too top true try turn
        two under until up use very wait want was way we well went were what when where which while who whole why
        will win wish with wont work wow yes yet you your zero wrong warning danger fire hello hey hi bye sir mom
        dad king queen house home dog cat red blue green book story life dead alive war peace end city town world"""
    )
)
_WORD = re.compile(r"(?<!&)[^\W\d_]+(?:['’][^\W\d_]+)?")
_CAPITALS = re.compile(r"(?<![\w@#.])([A-Z]{2,6})(s|['’]s)?(?![\w@]|\.\w)")
_DOTTED = re.compile(r"(?<![\w.])(?:[A-Z]\.){2,6}(?!\w)")
_SLASHED = re.compile(r"(?<![\w/])([A-Z]{1,4})/([A-Z]{1,4})(?![\w/])")
_FULL_NAME = re.compile(r"\b([A-Z][a-z]+ [A-Z]\. [A-Z][a-z]+) (II|III|IV)\b(?!['’.]\w)")
_VOWELS = frozenset("AEIOUYÄÖÜÁÉÍÓÚÀÈÌÒÙÂÊÎÔÛÃÕŒÆ")
_ROMAN = {"II": "two", "III": "three", "IV": "four", "VI": "six", "VII": "seven", "VIII": "eight", "IX": "nine",
          "XI": "eleven", "XII": "twelve", "XIII": "thirteen", "XIV": "fourteen", "XV": "fifteen",
          "XVI": "sixteen"}  # fmt: skip
_ROMAN_ORDINALS = {"II": "second", "III": "third", "IV": "fourth", "VI": "sixth", "VII": "seventh", "VIII": "eighth",
                   "IX": "ninth", "XI": "eleventh", "XII": "twelfth", "XIII": "thirteenth", "XIV": "fourteenth",
                   "XV": "fifteenth", "XVI": "sixteenth"}  # fmt: skip
_COUNTED = (
    r"(?:War|Chapter|Part|Volume|Act|Scene|Section|Book|Phase|Type|Title|Level|Episode|Season|Super Bowl|Article)"
)
_NUMERAL = "|".join(sorted(_ROMAN, key=len, reverse=True))
_AFTER_COUNTED = re.compile(rf"\b({_COUNTED}) ({_NUMERAL})\b(?!['’.]\w)")
_AFTER_NAME = re.compile(
    rf"\b(Henry|Louis|George|Edward|James|Charles|Elizabeth|Pope [A-Z]\w+|John Paul|Benedict|Pius|Richard|William|"
    rf"Philip|Queen [A-Z]\w+|King [A-Z]\w+|Catherine|Napoleon|Wilhelm|Friedrich|Alexander|Nicholas) ({_NUMERAL})\b"
)


def calmed(text: str, code: str) -> str:
    """A shouted sentence in small letters, known acronyms and initialisms aside; in every language with capitals."""
    words = _WORD.findall(text)
    several = [word for word in words if len(word) > 1]
    loud = [word for word in several if word.isupper()]
    if len(loud) < len(several) or not _shouts(loud, len(words)):
        return text

    def calm(match: re.Match[str]) -> str:
        word = match.group()
        stem = word.removesuffix("S") if code == "en" and word not in ACRONYMS | _SPELLED else word
        if code == "en" and (word == "I" or word.startswith(("I'", "I’"))):
            return "I" + word[1:].lower()
        if stem in ACRONYMS or (stem in _SPELLED and stem.lower() not in _SHOUTED and stem not in _ALSO_WORDS):
            return stem + word[len(stem) :].lower()
        return _small(word, code)

    calm_text = _WORD.sub(calm, text)
    first = _WORD.search(calm_text)
    if not first:
        return calm_text
    at = first.start()
    if any(map(str.isalnum, calm_text[:at])):
        return calm_text
    capital = {"i": "İ"}.get(calm_text[at], calm_text[at].upper()) if code == "tr" else calm_text[at].upper()
    return calm_text[:at] + capital + calm_text[at + 1 :]


def spelled(text: str, code: str) -> str:
    """Initialisms with their letters apart: "F B I". Letters hold together where the text is cut."""
    text = _DOTTED.sub(_undotted, text)
    if code != "en":
        return _CAPITALS.sub(lambda match: match.group() if set(match[1]) & _VOWELS else _letters(match[1], ""), text)
    text = _AFTER_COUNTED.sub(lambda match: f"{match[1]} {_ROMAN[match[2]]}", text)
    for named in (_AFTER_NAME, _FULL_NAME):
        text = named.sub(lambda match: f"{match[1]} the {_ROMAN_ORDINALS[match[2]]}", text)
    text = _SLASHED.sub(rf"\1{GLUE}\2", text)
    return _CAPITALS.sub(_english, text)


def _english(match: re.Match[str]) -> str:
    word, ending = match[1], (match[2] or "").replace("’", "'")
    if word == "OK":
        return "okay" if not ending else match.group()
    if word in ACRONYMS or word[:-1] in ACRONYMS:
        return match.group()
    if word not in _SPELLED and word.lower() in _SHOUTED:
        return word.lower()
    if word not in _SPELLED and len(word) > 4 and _pronounceable(word):
        return word.lower()
    return _letters(word, ending)


def _letters(word: str, ending: str) -> str:
    return GLUE.join(word) + ending


def _undotted(match: re.Match[str]) -> str:
    """U.S. is "U S"; the last full stop stays where it also ends the sentence."""
    rest = match.string[match.end() :]
    return GLUE.join(match.group().replace(".", "")) + ("" if rest.strip() else ".")


def _pronounceable(word: str) -> bool:
    """Whether vowels and consonants take turns as in words."""
    return bool(set(word) & _VOWELS) and not re.search(r"[^AEIOUY]{4}|^[^AEIOUY]{3}[^AEIOUY]|[AEIOU]{3}", word)


def _shouts(loud: list[str], words: int) -> bool:
    """Whether words in capitals are more than initialisms: three of them, or one that is long."""
    plain = [word for word in loud if word not in ACRONYMS and word not in _SPELLED]
    return any(len(word) > 3 for word in plain) and (
        len(plain) >= 3
        or any(len(word) > 5 for word in plain)
        or (len(plain) == words and all(word.lower() in _SHOUTED for word in plain))
    )


def _small(word: str, code: str) -> str:
    return word.replace("İ", "i").replace("I", "ı").lower() if code == "tr" else word.lower()
