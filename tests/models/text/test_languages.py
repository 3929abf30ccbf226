"""The language of each sentence."""

from __future__ import annotations

import pytest

from models.text.identify import identify
from tests.models.text.reading import said, segments

TOLD = {
    "en": ["I have cats.", "Call me at 5 pm.", "Take 2 tablets a day.", "The old house stood alone."],
    "fr": ["J'ai 3 chats.", "Il fait 25 degrés.", "Nous avons 4 chambres libres", "Merci beaucoup, à demain"],
    "de": ["Ich habe 3 Katzen.", "Es sind 25 Grad.", "Zimmer 12 ist frei", "Wir treffen uns um 14:30 Uhr."],
    "es": ["Tengo 3 gatos.", "Hace 25 grados.", "Mi hija tiene 12 años", "Hay 4 habitaciones libres"],
    "it": ["Ho 3 gatti.", "Ci sono 25 gradi.", "Mia figlia ha 12 anni", "Grazie per i 20 euro"],
    "pt": ["Tenho 3 gatos.", "Minha filha tem 12 anos", "Vejo você às 8", "Não há 4 quartos"],
    "pl": ["Jest 25 stopni.", "Moja córka ma 12 lat", "Zostały 2 dni", "Weź 2 tabletki dziennie"],
    "tr": ["Kızım 12 yaşında", "Günde 2 tablet al", "2 gün kaldı", "20 lira için teşekkürler"],
    "ru": ["У меня 3 кота.", "Мне 12 лет", "Привет 5", "Сегодня 25 градусов"],
    "zh": ["我有3只猫。", "今天25度", "他买了 iPhone 15 手机"],
    "ja": ["猫が3匹います。", "今日は25度です", "5つください"],
    "ko": ["고양이 3마리가 있어요.", "오늘은 25도입니다"],
    "ar": ["عندي 3 قطط", "درجة الحرارة 25"],
    "hi": ["मेरे पास 3 बिल्लियाँ हैं", "आज 25 डिग्री है"],
    None: ["Minulla on 3 kissaa.", "Jag har 3 katter.", "Ik heb 3 katten.", "Τρεις 3 γάτες",
           "Tôi có 3 con mèo.", "ฉันมี 3 ตัว"],
}  # fmt: skip
TELLS_NOTHING = ["10%", "$5", "12:30", "2 + 2 = 4", "5 km", "...", "A1"]


@pytest.mark.parametrize("language", TOLD)
def test_a_sentence_tells(language: str | None) -> None:
    assert {text: identify(text, "en") for text in TOLD[language]} == dict.fromkeys(TOLD[language], language)


@pytest.mark.parametrize("text", TELLS_NOTHING)
@pytest.mark.parametrize("expected", ["en", "de", "zh"])
def test_a_sentence_that_tells_nothing_is_in_the_expected_one(text: str, expected: str) -> None:
    assert identify(text, expected) == expected


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("I have 3 cats. J'ai 3 chats.", "I have three cats. J'ai trois chats."),
        (
            "Ich habe 3 Katzen. I have 3 cats. Tengo 3 gatos.",
            "Ich habe drei Katzen. I have three cats. Tengo tres gatos.",
        ),
        ("She has 2 dogs. 我有2只狗。", "She has two dogs. 我有两只狗。"),
        ("У меня 3 кота. I have 3 cats.", "У меня три кота. I have three cats."),
        ("I have 3 cats. Minulla on 3 kissaa.", "I have three cats. Minulla on 3 kissaa."),
        ("Mam trzy koty i psa. 5 km.", "Mam trzy koty i psa. pięć kilometrów."),
        ("Das ist gut. 5 %!", "Das ist gut. fünf Prozent!"),
    ],
)
def test_each_sentence_has_its_own(written: str, read: str) -> None:
    assert said(written) == read


def test_an_address_decides_nothing() -> None:
    for text in (
        "Visit https://www.ejemplo.es/los-mejores-gatos-de-la-ciudad 3 times.",
        "Use /usr/share/les/chats 3 times.",
    ):
        assert segments(text)[0].language == "en" and segments(text)[-1].text.endswith("three times.")


def test_the_request_then_the_checkpoint_say_what_a_text_does_not() -> None:
    assert said("10%") == "ten percent"
    assert said("10%", default_language="fr") == "dix pour cent"
    assert said("10%", default_language="fr", language="de") == "zehn Prozent"
    assert said("J'ai 3 chats à la maison.", language="en") == "J'ai trois chats à la maison."
