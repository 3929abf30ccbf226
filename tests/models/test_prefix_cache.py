"""The prefix cache keeps what fits its positions, the least recently used going first."""

from __future__ import annotations

from models.text_to_semantic.prefix_cache import PrefixCache


def test_short_voices_share_the_room_of_long_ones() -> None:
    cache = PrefixCache(100)
    for name, length in (("a", 30), ("b", 30), ("c", 30)):
        cache.put(name, name.upper(), length)
    assert cache.get("a") == "A" and len(cache) == 3 and cache.positions == 90
    cache.put("d", "D", 60)
    assert [cache.get(name) for name in "abcd"] == ["A", None, None, "D"]
    assert (cache.positions, cache.hits, cache.misses) == (90, 3, 2)


def test_only_what_is_new_and_fits_is_wanted() -> None:
    cache = PrefixCache(100)
    cache.put("a", "A", 100)
    assert not cache.wants("a", 100)
    assert cache.wants("b", 100)
    assert not cache.wants("c", 101), "it would push out everything and not fit"
