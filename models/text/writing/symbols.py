"""Pictographs, arrows, dividers, look-alike letters: what is seen on a page and not said."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SAID = frozenset("°℃℉№℞©")  # So, yet read or handled by a language's rules
_LOOKALIKES = re.compile("[\uff01-\uff5e\ufb00-\ufb06\u2460-\u249b\u24b6-\u24ea\U0001d400-\U0001d7ff\u2000-\u200a]")
_FULL_WIDTH_PUNCTUATION = frozenset("！（），：；？［］｛｝～．")
_ARROWS = re.compile(
    r"(?<![\w<=-])(?:<?[-=]{1,3}>|<[-=]{1,3})(?![\w>=-])|[\u2190-\u21ff\u27f0-\u27ff\u2900-\u297f\u2b00-\u2bff]"
)
_EMOTICON = re.compile(r"(?<!\S)(?:[:;=8xX][-^']?[)(DPpOo|*3]{1,3}|<3+|\^_\^|¯\\_\(ツ\)_/¯)(?=$|[\s.,!?])")
_RUN = re.compile(r"(?<![^\s])(?:[-=_*~#+.]{4,}|[=_*~#+]{3}|-{2,3}|[—–]{2,})(?=$|\s)|[=_~#]{4,}")
_SEPARATOR = re.compile(r"(?<=\S)[ \t]+[|•·‣∙●][ \t]+(?=\S)")
_DROPPED = "\ufffc"  # in place of what is dropped, until the spaces around it are
_GAP = re.compile(rf" ?(?:{_DROPPED}[ \u200c\u200d]*)+([.,;:!?…)\]”’」』，。！？、；：]?)")
_HANDLE = re.compile(r"(?<![\w.@])@(?=[^\W\d_])")
_WORDS_JOINED = re.compile(r"(?<=[^\W\d_])/(?=[^\W\d_]{2})|(?<![\w#&])#(?=[^\W\d_])")
_REPEATED = re.compile(r"([,;:])(?:\s*[,;:])+(?=\s|$)")
_NUMBER_SIGNS = re.compile(r"(?<=\d)(?:[٬٫，．：](?=\d)|[٪％])")
_PLAIN_SIGNS = str.maketrans("٬٫，．：٪％", ",.,.:%%")


def readable(text: str) -> str:
    """The text without pictographs, arrows and dividers; full-width and styled letters and digits are plain ones, and
    so are digits of every script."""
    text = "".join(map(_drop, _LOOKALIKES.sub(_plain, " ".join(text.split()))))
    text = _NUMBER_SIGNS.sub(lambda match: match.group().translate(_PLAIN_SIGNS), text)
    text = _ARROWS.sub(_DROPPED, _EMOTICON.sub(_DROPPED, text))
    text = _RUN.sub(_run, _SEPARATOR.sub(", ", text))
    text = _HANDLE.sub("at ", _WORDS_JOINED.sub(" ", text))
    return _REPEATED.sub(r"\1", _GAP.sub(_join, text))


def _plain(match: re.Match[str]) -> str:
    char = match.group()
    return char if char in _FULL_WIDTH_PUNCTUATION else unicodedata.normalize("NFKC", char)


@lru_cache(1 << 14)
def _drop(char: str) -> str:
    if char < "\u0080" or char in _SAID:
        return char
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    pictograph = category == "So" or char in "\ufe0e\ufe0f\u20e3" or "\U0001f3fb" <= char <= "\U0001f3ff"
    return _DROPPED if pictograph else char


def _run(match: re.Match[str]) -> str:
    """Two or three hyphens between words are a dash, four full stops an ellipsis; other runs are dividers."""
    run = match.group()
    if set(run) == {"."}:
        return "..."
    between = match.string[: match.start()].strip() and match.string[match.end() :].strip()
    return "—" if len(run) < 4 and run[0] in "-—–" and between else _DROPPED


def _join(match: re.Match[str]) -> str:
    """One space where words were apart, none before punctuation."""
    outer = match.string[: match.start()].strip() and match.string[match.end() :].strip()
    if match[1]:
        return match[1]
    return " " if outer else ""
