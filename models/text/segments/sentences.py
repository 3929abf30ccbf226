"""Where sentences, clauses and words end, in every script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from models.text.lists import names
from models.text.marks import JOIN

CLOSERS = r"[\"'”’»›)\]}」』）】》〉〗*_~]*"
# A run is tried from its first character alone: from each of them it would take quadratic time where it fails.
SENTENCE_END = re.compile(
    rf"(?:(?<![!?…؟۔।॥။៕‼⁇⁈⁉])[!?…؟۔।॥။៕‼⁇⁈⁉]+|(?<!\.)\.+){CLOSERS}(?=\s|$)|(?:[。！？｡؟।॥។៕]|．(?!\d))+{CLOSERS}|\n"
)
CLAUSE_END = re.compile(rf"[,;:،؛၊]{CLOSERS}(?=\s)|[，、；：､]{CLOSERS}|[—–](?!\d)|[)\]}}](?=\s)")
_ABBREVIATIONS = """
    mr mrs ms dr prof st sr jr vs etc e.g i.e no nos fig vol ch sec approx dept est gen gov hon rev sgt capt lt col
    inc ltd co corp mt ave blvd jan feb mar apr jun jul aug sep sept oct nov dec a.m p.m u.s u.k rd ext ft pp
    apt ste bldg hwy ln
    z.b d.h u.a usw bzw ca nr str hr fr evtl inkl vgl m mm mme mlle p.ex av env tel ee uu mio mrd tsd
    sra srta srs ud uds dna dña pág núm avda ej sig dott ssa ecc pag ing avv exmo dra
    np tj itp itd ul im pl al г гг т.е т.д т.п т.к ул им др см стр руб тыс млн млрд vb bkz örn sn yy
"""
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
# Those that also stand at a sentence's end: there a capital letter begins the next one.
CLOSING = frozenset(names("etc a.m p.m jr inc ltd co corp usw ecc itd itp vb u.s u.k st ave blvd rd ft"))
# Scripts written without spaces: Han and kana, with their punctuation and full-width forms; Thai, Lao, Burmese, Khmer.
UNSPACED = re.compile(
    "[\u0e01-\u0e5b\u0e81-\u0edf\u1000-\u109f\u1780-\u17f9\uaa60-\uaa7f"
    "\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_NEVER_FIRST = frozenset("ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々ๆໆ" + JOIN)
_AMOUNTS = frozenset("€$£¥%°")  # "3,5 Mio. €"
_OPENERS = {"Ps", "Pi"}
_LAST_WORD = re.compile(r"[^\s(\[\"'“„«¿¡*_]*$")


def sentence_ends(text: str, start: int = 0) -> Iterator[int]:
    """Offsets after a sentence's last character, ascending. A newline ends one too."""
    return (match.end() for match in SENTENCE_END.finditer(text, start) if _ends_sentence(text, match))


def clause_ends(text: str) -> Iterator[int]:
    """Offsets after a clause's last character, ascending."""
    return (match.end() for match in CLAUSE_END.finditer(text))


def word_ends(text: str) -> Iterator[int]:
    """Offsets at which a word begins after another, ascending: after a plain space, and where a dictionary finds a
    word's end in scripts without spaces."""
    found = {i for i in range(1, len(text)) if text[i - 1] in " \n"}
    if UNSPACED.search(text):
        found.update(i for i in _dictionary_ends(text) if 0 < i < len(text) and _may_part(text[i - 1], text[i]))
    return iter(sorted(found))


def next_char(text: str, offset: int) -> int:
    """Offset of the first character from `offset` on that is no space."""
    while offset < len(text) and text[offset].isspace():
        offset += 1
    return offset


def _dictionary_ends(text: str) -> Iterator[int]:
    # ICU's dictionaries take 6 MB and 6 ms, and most servers never see such a script.
    from icu4py.breakers import WordBreaker

    at = 0
    for word in WordBreaker(text, "en"):
        at += len(word)
        yield at


def _may_part(before: str, after: str) -> bool:
    """Not before closing or after opening punctuation, nor inside a run of another script."""
    if not (UNSPACED.match(before) or UNSPACED.match(after)) or after in _NEVER_FIRST or before == JOIN:
        return False
    closing = unicodedata.category(after)[0] in "PMZ" and unicodedata.category(after) not in _OPENERS
    return not closing and unicodedata.category(before) not in _OPENERS


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    """No: a full stop after an abbreviation, an initial or a small number ("3. Mai"), or before a small letter."""
    if match.group()[0] != ".":
        return True
    after = text[next_char(text, match.end()) :][:1]
    if after.islower() or after in _AMOUNTS:
        return False
    if match.group().startswith(".."):
        return True
    found = _LAST_WORD.search(text[max(0, match.start() - 20) : match.start()])
    word = found.group().lower() if found else ""
    if word in ABBREVIATIONS:
        return word in CLOSING and _begins_sentence(text, match.end())
    return not ((len(word) == 1 and word.isalpha()) or re.fullmatch(r"\d{1,2}", word))


_WORD = re.compile(r"\s*([^\s.,;:!?]*)")
_BEGINNING = frozenset(
    names(
        "the a an i it he she we they you this that these those there then but and so if when what who how why where "
        "now however also since later today tomorrow "
        "his her our your their in on at for with after before no yes is are was do did does can will let"
    )
)


def _begins_sentence(text: str, offset: int) -> bool:
    """Whether a frequent first word of a sentence follows, in a capital and whole, or nothing."""
    found = _WORD.match(text, offset)
    word = found[1] if found else ""
    whole = found is not None and found.end() < len(text)
    return not word or (whole and word[:1].isupper() and word.lower() in _BEGINNING)
