"""A hundred English sentences with numbers, dates, amounts and addresses, read as a person says them."""

from __future__ import annotations

import re

from tests.models.text.reading import said
from tests.paths import ROOT

LEAST_RIGHT = 97  # of a hundred
READINGS = [
    line.split("\t")
    for line in (ROOT / "tests/bench/readings.tsv").read_text().splitlines()
    if line and not line.startswith("#")
]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower().replace("-", " "))


def test_sentences_are_read_as_a_person_says_them() -> None:
    wrong = [(written, read) for written, read in READINGS if words(said(written)) != words(read)]
    assert len(READINGS) == 100 and len(READINGS) - len(wrong) >= LEAST_RIGHT, wrong


def test_a_reading_reads_as_itself() -> None:
    changed = [read for _, read in READINGS if words(said(read)) != words(read)]
    assert len(changed) <= 2, changed
