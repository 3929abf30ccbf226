"""What OpenAudio S1 speaks, and at what pace."""

from __future__ import annotations

from models.checkpoint.card import Card

# Texts read aloud, from S. Trauzettel-Klosinski, K. Dietz et al., Standardized Assessment of Reading Performance: The
# New International Reading Speed Texts (Invest. Ophthalmol. Vis. Sci. 53, 2012): 68 ms per character in alphabets, 612
# characters per minute in Arabic, 357 in Japanese, 255 in Chinese. It has neither Korean nor Hindi: those figures are
# estimates from five syllables per second.
_ALPHABET = 0.068
_PACE = {"ar": 0.098, "ja": 0.168, "zh": 0.235, "ko": 0.15, "hi": 0.08}
_LANGUAGES = ("en", "zh", "ja", "ko", "fr", "de", "es", "pl", "ru", "it", "pt", "ar", "hi", "tr")

CARD = Card(
    languages=_LANGUAGES,
    default_language="en",
    seconds_per_character={language: _PACE.get(language, _ALPHABET) for language in _LANGUAGES},
)
