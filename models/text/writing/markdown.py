"""Markdown -> the plain text a person would read out. Blocks line by line here, spans by markdown-it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from models.text.marks import Shelf
from models.text.safety import clean
from models.text.writing.tags import Element, element

# Entities are decoded below: what they stand for must not be a private character of ours.
_PARSER = MarkdownIt("commonmark").enable("strikethrough").disable(["entity", "newline"])
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z]\w{1,30});")

_MARKED = re.compile(r"[*_`~\[\]<&\\\n]")

_QUOTE = re.compile(r"\s*(?:>\s?)+")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$", re.DOTALL)
_BULLET = re.compile(r"\s*(?:[*+•‣◦▪●○·]|[-–—](?!\d))\s+(?:\[[ xX]\]\s+)?")
_NUMBERED = re.compile(r"\s*(\d{1,2})[.)]\s+(?=\S)(?![^\W\d_]+\s+\d{4}\b)")
_ROW = re.compile(r"\s*\|(.*)\|\s*$", re.DOTALL)
_RULE = re.compile(r"[\s|:=+_*~#.─━═┄┈—–-]*$")
_DEFINITION = re.compile(r"\s{0,3}\[[^\]\n]{1,100}\]:\s+\S+(?:\s+[\"'(].*[\"')])?\s*$")
_LINK_BY_NAME = re.compile(r"\[([^\[\]\n]{1,300})\]\[[^\]\n]{0,100}\]")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,40}\]")
_STRAY = re.compile(
    r"(?<![^\s(\"'“])(?:\*{1,3}|_{2,3}|~~)(?=[^\s*_~])|(?<=[^\s*_~])(?:\*{2,3}|_{2,3}|~~)(?![^\s.,;:!?)\"'”])"
)


@dataclass(slots=True)
class _Frame:
    """What was opened and is not closed yet, with the text in it."""

    opened: str
    parts: list[str] = field(default_factory=list)
    element: Element | None = None


def block(text: str) -> tuple[str, bool]:
    """A line without the signs at its start that make it a heading, a list's item, a quote or a table's row, and
    whether it is a heading. Empty for a divider and for a link's definition."""
    text = _QUOTE.sub("", text, count=1) if _QUOTE.match(text) else text
    if _DEFINITION.match(text) or (_RULE.match(text) and not re.fullmatch(r"\s*[.…]{2,}\s*", text)):
        return "", False
    if heading := _HEADING.match(text):
        return heading[1], True
    if row := _ROW.match(text):
        return ", ".join(cell.strip() for cell in row[1].split("|") if cell.strip()), False
    text = _BULLET.sub("", text, count=1) if _BULLET.match(text) else text
    return _NUMBERED.sub(r"\1, ", text, count=1) if _NUMBERED.match(text) else text, False


def spans(text: str, shelf: Shelf) -> str:
    """The text without emphasis, code marks, links' targets and tags; a `<break>` becomes a pause."""
    if not _MARKED.search(text):
        return text
    text = _FOOTNOTE.sub("", _LINK_BY_NAME.sub(r"\1", text))
    frames = [_Frame("")]
    for token in _PARSER.parseInline(text)[0].children or []:
        _take(token, frames, shelf)
    while len(frames) > 1:
        frame = frames.pop()
        frames[-1].parts.append("".join(frame.parts))
    return _STRAY.sub("", "".join(frames[0].parts))


def _take(token: Token, frames: list[_Frame], shelf: Shelf) -> None:
    parts = frames[-1].parts
    if token.type in ("em_open", "strong_open", "s_open"):
        frames.append(_Frame(token.markup))
    elif token.type in ("em_close", "strong_close", "s_close"):
        _close_emphasis(token.markup, frames)
    elif token.type == "html_inline":
        _take_tag(token.content, frames, shelf)
    elif token.type in ("softbreak", "hardbreak"):
        parts.append(" ")
    elif token.type == "image":
        parts.append(_decoded(token.content))
    elif token.type == "code_inline":
        parts.append(token.content)
    elif token.content:
        parts.append(_decoded(token.content))


def _close_emphasis(markup: str, frames: list[_Frame]) -> None:
    """The emphasised text alone; with its signs where they are no emphasis: 2*3*4."""
    if frames[-1].opened != markup:
        frames[-1].parts.append(markup)
        return
    frame = frames.pop()
    inner, before = "".join(frame.parts), "".join(frames[-1].parts)[-1:]
    product = (before.isalnum() or before == ")") and not re.fullmatch(r"[^\W\d_]{3,}", inner)
    frames[-1].parts.append(f"{markup}{inner}{markup}" if product else inner)


def _take_tag(source: str, frames: list[_Frame], shelf: Shelf) -> None:
    found = element(source)
    if found is None:
        frames[-1].parts.append(_decoded(source))
    elif found.pause is not None:
        frames[-1].parts.append(shelf.pause(found.pause, found.asked))
    elif found.holds and not found.closes:
        frames.append(_Frame(found.name, element=found))
    elif found.closes and any(frame.opened == found.name for frame in frames):
        while (frame := frames.pop()).opened != found.name:
            frames[-1].parts.append("".join(frame.parts))
        inner = "".join(frame.parts)
        frames[-1].parts.append(_decoded(frame.element.said(inner)) if frame.element else inner)
    else:
        frames[-1].parts.append(found.space)


def _decoded(text: str) -> str:
    """Text with its entities decoded."""
    return _ENTITY.sub(lambda match: clean(html.unescape(match.group())), text)
