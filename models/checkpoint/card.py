"""Facts about a checkpoint that only its makers know: what it speaks, and at what pace."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from models.checkpoint.files import read_mapping, refuse_unknown
from models.types import CheckpointError


@dataclass(frozen=True, slots=True)
class Card:
    """`languages`: those it was trained to speak, by ISO 639-1. `default_language`: that of a text whose language is
    unknown. `seconds_per_character`: how long one character of a text takes to speak, on average, by language."""

    languages: tuple[str, ...]
    default_language: str
    seconds_per_character: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError for facts that contradict each other."""
        if self.default_language not in self.languages:
            raise ValueError(f"default_language {self.default_language!r} is not among its languages")
        for language, seconds in self.seconds_per_character.items():
            if language not in self.languages:
                raise ValueError(f"seconds_per_character has {language!r}, which is not among its languages")
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
                raise ValueError(f"seconds_per_character of {language!r} must be a number above 0, got {seconds!r}")

    def pace(self, language: str | None) -> float | None:
        """Seconds that a character takes to speak on average in a language, or in the default one where that has no
        figure; None without either."""
        by_language = self.seconds_per_character
        return by_language.get(language or self.default_language, by_language.get(self.default_language))


def read_card(path: Path, usual: Card) -> Card:
    """The card at `path`; what it leaves out, or all where there is no such file, is as `usual`: the family's. Raises
    CheckpointError that names the key at fault."""
    if not path.exists():
        return usual
    data = read_mapping(path, yaml.safe_load)
    refuse_unknown(path, data, {each.name for each in fields(Card)})
    try:
        given = {key: _checked(key, value) for key, value in data.items()}
        languages = given.get("languages", usual.languages)
        default = usual.default_language if usual.default_language in languages else languages[0]
        pace = {language: seconds for language, seconds in usual.seconds_per_character.items() if language in languages}
        return Card(languages, given.get("default_language", default), given.get("seconds_per_character", pace))
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _checked(key: str, value: Any) -> Any:
    """A value of the file as `Card` holds it. A code must be a string: YAML reads `no`, Norwegian, as false."""
    kinds: dict[str, tuple[type[Any], str]] = {
        "languages": (list, "a list of languages"),
        "default_language": (str, "a language"),
        "seconds_per_character": (dict, "a mapping of language to seconds"),
    }
    kind, wanted = kinds[key]
    codes = [value] if kind is str else value
    if not isinstance(value, kind) or not codes or not all(isinstance(code, str) for code in codes):
        raise ValueError(f"{key} must be {wanted}, as ISO 639-1 codes in quotes, got {value!r}")
    return tuple(value) if kind is list else value
