"""The languages that S1 was trained to speak, by ISO 639-1, and how each reads numbers, dates and signs."""

from __future__ import annotations

from models.text.languages.ar import ARABIC
from models.text.languages.de import GERMAN
from models.text.languages.en import ENGLISH
from models.text.languages.es import SPANISH
from models.text.languages.fr import FRENCH
from models.text.languages.hi import HINDI
from models.text.languages.it import ITALIAN
from models.text.languages.ja import JAPANESE
from models.text.languages.ko import KOREAN
from models.text.languages.pl import POLISH
from models.text.languages.pt import PORTUGUESE
from models.text.languages.ru import RUSSIAN
from models.text.languages.tr import TURKISH
from models.text.languages.zh import CHINESE

SPOKEN = {
    "en": "English", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "fr": "French", "de": "German",
    "es": "Spanish", "pl": "Polish", "ru": "Russian", "it": "Italian", "pt": "Portuguese", "ar": "Arabic",
    "hi": "Hindi", "tr": "Turkish",
}  # fmt: skip

LANGUAGES = {
    language.code: language
    for language in (
        *(ENGLISH, CHINESE, JAPANESE, KOREAN, FRENCH, GERMAN, SPANISH),
        *(POLISH, RUSSIAN, ITALIAN, PORTUGUESE, ARABIC, HINDI, TURKISH),
    )
}
