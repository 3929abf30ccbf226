"""Text from a pipe: in whole sentences, none lost, whatever the pipe cuts."""

from __future__ import annotations

import os
import threading
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.sinks import sized
from shoal.texts import as_it_comes


def through_a_pipe(*writes: bytes) -> list[str]:
    """The pieces that come out, each write read before the next."""
    receiver, sender = os.pipe()
    pieces = as_it_comes(receiver)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.extend(pieces))
    reader.start()
    for data in writes:
        os.write(sender, data)
    os.close(sender)
    reader.join(10)
    os.close(receiver)
    return got


def test_whole_sentences_and_lines_are_spoken() -> None:
    assert through_a_pipe(b"One. Two") == ["One. ", "Two"] or through_a_pipe(b"One. Two") == ["One. Two"]
    assert "".join(through_a_pipe("你好。再见".encode())) == "你好。再见"
    assert through_a_pipe(b"", b" \n ") == []


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=60), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_nothing_is_lost_between_writes(text: str, cuts: list[int]) -> None:
    data = text.encode("utf-8", "surrogatepass") if text.isprintable() else text.encode("utf-8", "ignore")
    at = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = through_a_pipe(*(data[a:b] for a, b in pairwise(at)))
    assert "".join("".join(pieces).split()) == "".join(data.decode("utf-8", "replace").split())


def test_a_wav_gets_its_true_sizes_and_nothing_else_does() -> None:
    head = b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(20) + b"data\xff\xff\xff\xff" + bytes(20)
    fixed = sized(head, 1000)
    assert int.from_bytes(fixed[4:8], "little") == 992
    assert int.from_bytes(fixed[40:44], "little") == 1000 - 44
    for other in (b"", b"ID3\x03", b"RIFF", head[:30], b"OggS" + bytes(60)):
        assert sized(other, 1000) == other
