"""The prefix cache keeps what fits its positions, the least recently used going first."""

from __future__ import annotations

import pytest

from models.text_to_semantic.prefix_cache import PrefixCache


def test_short_voices_share_the_room_of_long_ones() -> None:
    cache = PrefixCache(100)
    for name, length in (("a", 30), ("b", 30), ("c", 30)):
        cache.keep(name, length, name.upper)
    assert cache.get("a") == "A" and len(cache) == 3 and cache.positions == 90
    cache.keep("d", 60, lambda: "D")
    assert [cache.get(name) for name in "abcd"] == ["A", None, None, "D"]
    assert (cache.positions, cache.hits, cache.misses) == (90, 3, 2)


def test_only_what_is_new_and_fits_is_wanted() -> None:
    cache = PrefixCache(100)
    cache.keep("a", 100, lambda: "A")
    assert not cache.wants("a", 100)
    assert cache.wants("b", 100)
    assert not cache.wants("c", 101), "it would push out everything and not fit"


def test_room_is_made_before_memory_is_taken() -> None:
    cache = PrefixCache(100)
    cache.keep("a", 60, lambda: "A")
    held = []
    cache.keep("b", 60, lambda: held.append(cache.positions))
    assert held == [0]


def test_a_copy_that_fails_is_not_counted() -> None:
    cache = PrefixCache(100)
    with pytest.raises(MemoryError):
        cache.keep("a", 60, fails)
    assert (len(cache), cache.positions) == (0, 0)


def fails() -> None:
    raise MemoryError
