"""Marks inside a text on its way through the front end: private characters that stand for what no rule may touch.

Input cannot hold them: `safety.clean` drops private-use and format characters and makes every space a plain one.
"""

from __future__ import annotations

import re
from typing import TypeVar

GLUE = "\u00a0"  # a space at which a text is not cut while another one is near
JOIN = "\u2060"  # the same without width, between characters of scripts without spaces

_KEPT, _ADDRESS, _PAUSE, _ROOM = 0xF0000, 0xF4000, 0xF8000, 0x4000
KEPT = "[\U000f0000-\U000f3fff]"
ADDRESS = "[\U000f4000-\U000f7fff]"
PAUSE = "[\U000f8000-\U000fbfff]"
MARK = re.compile("[\U000f0000-\U000fbfff]")


T = TypeVar("T")


class Shelf:
    """What was taken out of one unit of text, by the mark that stands for it there."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._addresses: list[str] = []
        self._pauses: list[tuple[float, bool]] = []

    def keep(self, text: str) -> str:
        """A mark for text that reaches the model as it is."""
        return _put(self._kept, text, _KEPT) or text

    def address(self, text: str) -> str:
        """A mark for an address, a path or a file's name."""
        return _put(self._addresses, text, _ADDRESS) or text

    def pause(self, seconds: float, asked: bool = False) -> str:
        """A mark for a silence; `asked`: by a `<break>`, so that it adds to the silence that is there."""
        return _put(self._pauses, (seconds, asked), _PAUSE) or " "

    def kept(self, mark: str) -> str:
        """The text that a mark of `keep` stands for."""
        return self._kept[ord(mark) - _KEPT]

    def address_of(self, mark: str) -> str:
        """The address that a mark of `address` stands for."""
        return self._addresses[ord(mark) - _ADDRESS]

    def silence(self, mark: str) -> tuple[float, bool]:
        """What a mark of `pause` stands for."""
        return self._pauses[ord(mark) - _PAUSE]


def _put(items: list[T], item: T, start: int) -> str:
    if len(items) == _ROOM:
        return ""
    items.append(item)
    return chr(start + len(items) - 1)


def plain(text: str) -> str:
    """The text without glue, as the model gets it."""
    return " ".join(text.replace(JOIN, "").split())
