"""Tags of SSML and HTML: which of them are tags at all, and what each means for a voice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from models.text.lists import names
from models.text.pauses import LINE, LONGEST_BREAK, PARAGRAPH, STRENGTHS

_PARAGRAPHS = frozenset(names("p h1 h2 h3 h4 h5 h6 hr table blockquote section article header footer pre ul ol dl"))
_LINES = frozenset(names("br div li tr dt dd s"))
_SPACED = frozenset(names("td th"))
_HIDDEN = frozenset(names("script style head title audio svg template"))
_INLINE = names("""
    speak voice prosody emphasis phoneme lang mark w token metadata lexicon say-as sub break desc
    a abbr b bdi bdo big body button caption center cite code col colgroup data del details dfn em fieldset figcaption
    figure font footer form html i img input ins kbd label legend link main map meta meter nav noscript object option
    picture q rp rt ruby samp select small source span strike strong sup tbody textarea tfoot thead time tt u var video
    wbr summary thinking think
""")
_KNOWN = _PARAGRAPHS | _LINES | _SPACED | _HIDDEN | frozenset(_INLINE)
_TAG = re.compile(r"<(?P<close>/?)(?P<name>[A-Za-z][\w:.-]*)(?P<rest>[^<>]*?)(?P<empty>/?)>", re.DOTALL)
_ATTRIBUTE = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=<>`/]+))")
_TIME = re.compile(r"\+?(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})\s*(ms|s)?")
_SPELLED = {"characters", "spell-out", "verbatim", "digits", "digit"}


@dataclass(frozen=True, slots=True)
class Element:
    """A tag. `pause`: seconds of silence that it means; `asked` of a `<break>`, which gives
    them itself. `holds`: what it encloses is changed by it. `space`: what
    stands in its place."""

    name: str
    closes: bool
    attributes: dict[str, str] = field(default_factory=dict)
    pause: float | None = None
    asked: bool = False
    holds: bool = False
    space: str = ""

    def said(self, inner: str) -> str:
        """What is read of the text that the element encloses."""
        if self.name == "sub":
            return self.attributes.get("alias", inner)
        if self.name == "say-as":
            spelled = self.attributes.get("interpret-as", "") in _SPELLED
            return " ".join(char for char in inner if not char.isspace()) if spelled else inner
        return ""


def element(source: str) -> Element | None:
    """The tag that `source` is; None for what only looks like one ("a <b and c> d"). Comments and declarations are tags
    without a meaning."""
    if source.startswith(("<!", "<?")):
        return Element("", False)
    found = _TAG.fullmatch(source)
    if not found:
        return None
    name, closes, rest = found["name"].lower(), bool(found["close"]), found["rest"]
    attributes = {each[1].lower(): each[2] or each[3] or each[4] or "" for each in _ATTRIBUTE.finditer(rest)}
    if _ATTRIBUTE.sub("", rest).strip() or not (name in _KNOWN or closes or found["empty"] or attributes):
        return None
    if name == "break":
        return Element(name, closes, attributes, None if closes else _break(attributes), True)
    if name in _PARAGRAPHS or name in _LINES:
        return Element(name, closes, attributes, PARAGRAPH if name in _PARAGRAPHS else LINE)
    holds = (name in ("sub", "say-as") or name in _HIDDEN) and not found["empty"]
    return Element(name, closes, attributes, None, False, holds, ", " if name in _SPACED and closes else "")


def _break(attributes: dict[str, str]) -> float:
    """Seconds that a `<break>` asks for, bounded."""
    time = _TIME.fullmatch(attributes.get("time", "").strip())
    if time:
        seconds = float(time[1]) / (1000 if time[2] == "ms" else 1)
        return min(seconds, LONGEST_BREAK)
    return STRENGTHS.get(attributes.get("strength", "medium"), STRENGTHS["medium"])
