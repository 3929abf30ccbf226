"""What a checkpoint says of itself: the family's facts, the directory's card over them, and every fault by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.checkpoint.card import Card, read_card
from models.checkpoint.reader import Checkpoint
from models.families.s1.card import CARD
from models.types import CheckpointError
from tests.paths import ROOT

USUAL = Card(("en", "de"), "en", {"en": 0.07, "de": 0.08})


def read(tmp_path: Path, text: str) -> Card:
    path = tmp_path / "card.yaml"
    path.write_text(text)
    return read_card(path, USUAL)


def test_without_a_card_a_checkpoint_speaks_what_its_family_does(tiny: Path) -> None:
    assert Checkpoint(tiny).card is CARD
    assert set(CARD.seconds_per_character) == set(CARD.languages)


def test_the_starter_speaks_english_alone() -> None:
    card = Checkpoint(ROOT / "checkpoints" / "starter").card
    assert (card.languages, card.default_language) == (("en",), "en")
    assert card.pace("en") == card.pace(None) == card.pace("de") == 0.05


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("languages: [en, de]", USUAL),
        ("languages: [de]", Card(("de",), "de", {"de": 0.08})),
        ("default_language: de", Card(("en", "de"), "de", {"en": 0.07, "de": 0.08})),
        ("languages: ['no']\nseconds_per_character: {'no': 0.1}", Card(("no",), "no", {"no": 0.1})),
        ("languages: [fi]", Card(("fi",), "fi")),
    ],
)
def test_what_a_card_leaves_out_is_as_usual(tmp_path: Path, text: str, card: Card) -> None:
    assert read(tmp_path, text) == card


def test_a_language_without_a_figure_has_the_pace_of_the_default_one() -> None:
    assert USUAL.pace("de") == 0.08
    assert USUAL.pace("fr") == USUAL.pace(None) == 0.07
    assert Card(("fi",), "fi").pace("fi") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("langages: [en]", "unknown key 'langages'; did you mean 'languages'"),
        ("languages: en", "languages must be a list of languages"),
        ("languages: []", "languages must be a list of languages"),
        ("languages: [no]", "as ISO 639-1 codes in quotes, got .False."),
        ("default_language: fr", "default_language 'fr' is not among its languages"),
        ("seconds_per_character: {fr: 0.1}", "has 'fr', which is not among its languages"),
        ("seconds_per_character: {en: 0}", "of 'en' must be a number above 0, got 0"),
        ("seconds_per_character: 0.1", "must be a mapping of language to seconds"),
        ("- en", "must hold a mapping"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=f"card.yaml.*{message}"):
        read(tmp_path, text)
