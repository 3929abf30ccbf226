"""Silences that a text asks for, by line ends and by tags."""

from __future__ import annotations

import pytest

from models.text.pauses import LINE, LONGEST_BREAK, PARAGRAPH
from tests.models.text.reading import segments, texts


@pytest.mark.parametrize(
    ("text", "pauses"),
    [
        ("Introduction\n\nThis is the body.", [PARAGRAPH, 0]),
        ("# A title\nThis is the body.", [PARAGRAPH, 0]),
        ("This line is long enough\nAnd so is the second one", [LINE, 0]),
        ("This is the first part.\n***\nThis is the second part.", [PARAGRAPH, 0]),
        ("<p>This is one paragraph</p><p>This is another one</p>", [PARAGRAPH, 0]),
        ('<speak>Hello <break time="1s"/> world</speak>', [1.0, 0]),
        ('Hello <break time="500ms"/> world', [0.5, 0]),
        ('Hello <break strength="strong"/> world', [0.7, 0]),
        ("Hello <break/> world", [0.4, 0]),
        ('Hello <break time="99999s"/> world', [LONGEST_BREAK, 0]),
        ('Hello <break time="1s"/><break time="1s"/> world', [2.0, 0]),
        ('Hello world <break time="2s"/>', [2.0]),
        ('<break time="2s"/>Hello world', [2.0, 0]),
        ("Hello <br/> world of wonders", [0]),
    ],
)
def test_a_table_of_silences(text: str, pauses: list[float]) -> None:
    assert [segment.pause for segment in segments(text)] == pauses


def test_short_lines_share_a_segment() -> None:
    assert texts("- milk\n- eggs\n- bread") == ["milk. eggs. bread"]
    assert texts("We need all of these things:\n- milk\n- eggs") == ["We need all of these things: milk. eggs"]


def test_a_wrapped_line_goes_on() -> None:
    wrapped = "The old house stood alone at the end of the very long\nlane, and nobody lived there."
    assert texts(wrapped) == [wrapped.replace("\n", " ")]


def test_carriage_returns_are_no_blank_lines() -> None:
    text = "This line is long enough\r\nAnd so is the second one"
    assert segments(text) == segments(text.replace("\r", ""))
