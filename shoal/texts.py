"""Where the text to speak comes from: words on the command line, a file, or stdin as it comes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from shoal.failures import Exit, Failure

# Ends of sentences and lines; the marks of Chinese and Japanese need no space after them.
_END = re.compile(r"[.!?\u2026\u061f\u0964][\"'\u201d\u2019)]*\s+|[\u3002\uff01\uff1f][\u300d\u300f\u201d]*|\n")


def read(words: list[str], file: Path | None) -> str | None:
    """The text of the command line or of a file; None where it is to come from stdin."""
    if words and file:
        raise Failure("Give the text as words or as a file, not both.", Exit.USAGE)
    if file is not None and str(file) != "-":
        return _file(file)
    if file is None and words and words != ["-"]:
        return " ".join(words)
    if file is None and not words and sys.stdin.isatty():
        raise Failure('Give a text: shoal say "Hello.", --file book.txt, or pipe one in.', Exit.USAGE)
    return None


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.", Exit.USAGE) from None
    except UnicodeDecodeError:
        raise Failure(f"{path} is not text in UTF-8.", Exit.USAGE) from None


def as_it_comes(descriptor: int) -> Iterator[str]:
    """What a pipe holds, in pieces of whole sentences: all that have come, each time that more is asked for."""
    waiting, bytes_left, open_ = "", b"", True
    while open_:
        data = os.read(descriptor, 1 << 16)
        open_ = bool(data)
        text, bytes_left = _decoded(bytes_left + data, final=not open_)
        waiting += text
        end = max((found.end() for found in _END.finditer(waiting)), default=0) if open_ else len(waiting)
        piece, waiting = waiting[:end], waiting[end:]
        if piece.strip():
            yield piece


def _decoded(data: bytes, final: bool) -> tuple[str, bytes]:
    """Text, and the bytes of a character that has not come whole."""
    for cut in range(1 if final else 4):
        try:
            return data[: len(data) - cut].decode("utf-8"), data[len(data) - cut :]
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace"), b""
