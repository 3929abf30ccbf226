"""Naming the nearest valid word, for errors about keys that a person typed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or the list of valid words when none is near."""
    options = sorted(valid)
    near = difflib.get_close_matches(word, options, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; valid are: {', '.join(options)}"
