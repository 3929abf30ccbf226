"""Numbers, dates, times, amounts and units in every language that is spoken here."""

from __future__ import annotations

import pytest

from models.text.languages import LANGUAGES, SPOKEN
from models.text.numbers.own import chinese, hindi
from tests.models.text.reading import said

SAID = {
    "en": [
        ("10% off", "ten percent off"),
        ("$5", "five dollars"),
        ("It's 72 degrees.", "It's seventy-two degrees."),
        ("9:30PM", "nine thirty P M"),
        ("3:00 pm", "three P M"),
        ("$1.2M", "one point two million dollars"),
        ("$3.5 million dollars", "three point five million dollars"),
        ("He is 5'11\".", "He is five feet eleven inches."),
        ("Your code is 4821.", "Your code is four eight two one."),
        ("PIN: 0042", "PIN: zero zero four two"),
        ("extension 204", "extension two zero four"),
        ("It has 2048 items", "It has two thousand and forty-eight items"),
        ("Flight 370", "Flight three seven zero"),
        ("In 1999 and since 2020", "In nineteen ninety-nine and since twenty twenty"),
        ("The 1984 chairs", "The one thousand nine hundred and eighty-four chairs"),
        ("It is $5.50, 20% or -5%.", "It is five dollars fifty cents, twenty percent or minus five percent."),
        ("10–12 km at 60 mph", "ten to twelve kilometers at sixty miles per hour"),
        ("the 21st of May", "the twenty-first of May"),
        ("3/4 of 1½ cups", "three quarters of one and a half cups"),
        ("2 * 3 * 4 = 24", "two times three times four equals twenty-four"),
        ("1920x1080 at 3x", "nineteen twenty by ten eighty at three times"),
        ("MP3, B12, GPT-4, COVID-19", "M P three, B twelve, G P T four, COVID nineteen"),
        ("9 a.m.-5 p.m.", "nine A M to five P M."),
        ("He scored 8/10 and 4.5/5 stars", "He scored eight out of ten and four point five out of five stars"),
        ("~100 people, >50%, ±5%, <10 items", "about one hundred people, more than fifty percent, "
         "plus or minus five percent, less than ten items"),
        ("Apt. 5, Albany, NY 12207-1234", "Apartment five, Albany, N Y one two two zero seven, one two three four"),
        ("Please call 911, not ext. 12", "Please call nine one one, not extension twelve"),
        ("The date is 05.06.2024 or 15-03-2024", "The date is June fifth, twenty twenty-four or March fifteenth, "
         "twenty twenty-four"),
        ("It takes 1e5 or 1.5e-3 steps, x=5", "It takes one times ten to the power of five or one point five times ten "
         "to the power of minus three steps, x equals five"),
        ("© 2024 Shoal", "copyright twenty twenty-four Shoal"),
        ("Grow by .5 or 10^-3", "Grow by point five or ten to the power of minus three"),
        ("Mon-Fri at 5 ft 11 in", "Monday to Friday at five feet eleven inches"),
        ("John 3:16 and Psalm 23:4", "John three sixteen and Psalm twenty-three four"),
        ("It is $1,299.00 USD", "It is one thousand two hundred and ninety-nine dollars"),
        ("ISBN 978-3-16-148410-0",
         "I S B N nine seven eight, three, one six, one four eight four one zero, zero"),
        ("555-1234", "five five five, one two three four"),
        ("the '90s and the 1980s", "the nineties and the nineteen eighties"),
    ],
    "fr": [
        ("Il y a 1 234,5 € pour vous", "Il y a mille deux cent trente-quatre virgule cinq euros pour vous"),
        ("le 1er mai, 3,14 et 20 %", "le premier mai, trois virgule quatorze et vingt pour cent"),
        ("Il est 14h30, puis 1h.", "Il est quatorze heures trente, puis une heure."),
        ("Il faisait 25 °C le 3 mai 2024.",
         "Il faisait vingt-cinq degrés Celsius le trois mai deux mille vingt-quatre."),
        ("La 2e fois, 10-12 km", "La deuxième fois, dix à douze kilomètres"),
        ("Votre code est 4821.", "Votre code est quatre huit deux un."),
        ("J'ai 1 chat et 2,5 M€.", "J'ai un chat et deux virgule cinq millions d'euros."),
    ],
    "de": [
        ("Das kostet 1.234,56 €", "Das kostet eintausendzweihundertvierunddreißig Euro sechsundfünfzig Cent"),
        ("am 3. Mai um 14:30 Uhr", "am dritten Mai um vierzehn Uhr dreißig"),
        ("Der 3. Mai 1999", "Der dritte Mai neunzehnhundertneunundneunzig"),
        ("Wir laufen 10–12 km bei 25 °C.", "Wir laufen zehn bis zwölf Kilometer bei fünfundzwanzig Grad Celsius."),
        ("Ich habe 1 Hund und 5 % Rabatt.", "Ich habe ein Hund und fünf Prozent Rabatt."),
        ("Seit 1985 in Zimmer 204", "Seit neunzehnhundertfünfundachtzig in Zimmer zwei null vier"),
        ("Auf den 1. Platz im 2. Weltkrieg, der 3. Mann",
         "Auf den ersten Platz im zweiten Weltkrieg, der dritte Mann"),
        ("Nimm 2 1/2 Liter", "Nimm zweieinhalb Liter"),
        ("Es kostet 3,5 Mio. €", "Es kostet drei Komma fünf Millionen Euro"),
    ],
    "es": [
        ("El 2º cuesta 5 €, 3,05 más", "El segundo cuesta cinco euros, tres coma cero cinco más"),
        ("Tengo 21 años y 1 gato.", "Tengo veintiún años y un gato."),
        ("El 3 de mayo de 2024 a las 14:30", "El tres de mayo de dos mil veinticuatro a las catorce y treinta"),
        ("Cuesta 3,50 € o 10 % menos", "Cuesta tres euros con cincuenta céntimos o diez por ciento menos"),
        ("Su código es 4821.", "Su código es cuatro ocho dos uno."),
    ],
    "it": [
        ("Il prezzo è di 3,14", "Il prezzo è di tre virgola quattordici"),
        ("Sono le 14:30 del 3 maggio 2024.", "Sono le quattordici e trenta del tre maggio duemilaventiquattro."),
        ("Costa 3,50 € al 10%", "Costa tre euro e cinquanta centesimi al dieci per cento"),
    ],
    "pt": [
        ("O dia 15/03/2024 não é 5%", "O dia quinze de março de dois mil e vinte e quatro não é cinco por cento"),
        ("O livro custa R$ 59,90", "O livro custa cinquenta e nove reais e noventa centavos"),
    ],
    "pl": [
        ("To jest 1 234 i 5 €", "To jest tysiąc dwieście trzydzieści cztery i pięć euro"),
        ("1 km, 2 km, 5 km", "jeden kilometr, dwa kilometry, pięć kilometrów"),
        ("To kosztuje 22 zł, 3 maja", "To kosztuje dwadzieścia dwa złote, trzeciego maja"),
    ],
    "ru": [
        ("Это стоит 5 €, т.е. 50%", "Это стоит пять евро, то есть пятьдесят процентов"),
        ("1 км, 2 км, 5 км", "один километр, два километра, пять километров"),
        ("3 мая 2024", "третьего мая две тысячи двадцать четвёртого года"),
    ],
    "tr": [
        ("Bu çok 50% için 3 ve 3,5", "Bu çok yüzde elli için üç ve üç virgül beş"),
        ("Bu %50 ve 3. katta", "Bu yüzde elli ve üçüncü katta"),
    ],
    "ar": [("هذا 50%", "هذا خمسون بالمئة"), ("هذا ١٬٠٠٠ دولار و ٥٠٪", "هذا ألف دولار و خمسون بالمئة")],
    "ja": [
        ("2024年に5つ、1,234円です", "二千二十四年に五つ、千二百三十四円です"),
        ("１，０００円で３．５倍、10:00に", "千円で三点五倍、十時に"),
        ("気温は25℃です", "気温は二十五度です"),
    ],
    "ko": [
        ("오늘은 15일, 사과 5개", "오늘은 십오일, 사과 다섯 개"),
        ("10월 6일과 6월 10일", "시월 육일과 유월 십일"),
        ("가격은 1,200원, 10% 할인", "가격은 천이백원, 십 퍼센트 할인"),
    ],
    "zh": [
        ("今天是2024年3月5日", "今天是二零二四年三月五日"),
        ("３．１４元", "三点一四元"),
        ("下午3:30，气温-5℃", "下午三点三十分，气温负五摄氏度"),
        ("打8折，10%的人", "打八折，百分之十的人"),
        ("电话13812345678", "电话一三八一二三四五六七八"),
        ("验证码是4821", "验证码是四八二一"),
        ("共12005人，1.2亿美元", "共一万二千零五人，一点二亿美元"),
        ("2个苹果，10-12公里", "两个苹果，十到十二公里"),
        ("¥300", "三百元"),
    ],
    "hi": [
        ("मेरे पास 5 सेब हैं", "मेरे पास पाँच सेब हैं"),
        ("कीमत ₹250 है, यानी 10% छूट", "कीमत दो सौ पचास रुपये है, यानी दस प्रतिशत छूट"),
        ("15 मार्च 2024, 1,25,000 लोग", "पंद्रह मार्च दो हज़ार चौबीस, एक लाख पच्चीस हज़ार लोग"),
        ("मेरे पास ५ हैं", "मेरे पास पाँच हैं"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("language", SAID)
def test_numbers_become_words(language: str) -> None:
    for written, read in SAID[language]:
        assert said(written, language=language) == read


def test_every_spoken_language_has_its_table() -> None:
    assert set(SAID) == set(LANGUAGES) == set(SPOKEN)


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "零"), (10, "十"), (12, "十二"), (20, "二十"), (101, "一百零一"), (110, "一百一十"), (1005, "一千零五"),
     (10000, "一万"), (12005, "一万二千零五"), (100005, "十万零五"), (120000, "十二万"), (10**8, "一亿"),
     (10**8 + 1, "一亿零一"), (10**12, "一万亿")],
)  # fmt: skip
def test_chinese_cardinals(number: int, words: str) -> None:
    assert chinese(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "शून्य"), (21, "इक्कीस"), (99, "निन्यानवे"), (100, "एक सौ"), (1001, "एक हज़ार एक"),
     (125000, "एक लाख पच्चीस हज़ार"), (10**7, "एक करोड़")],
)  # fmt: skip
def test_hindi_cardinals(number: int, words: str) -> None:
    assert hindi(number) == words


@pytest.mark.parametrize("language", ["en", "fr", "zh"])
@pytest.mark.parametrize("unit", [" 111", ",111", "1", " 1111", "1.", "-1", "1/2 ", "5'11\" ", "$1", "1:30"])
def test_a_very_long_run_of_digits_ends_soon(unit: str, language: str) -> None:
    """Anything quadratic would hold up the suite for minutes here."""
    assert said("1" + unit * (50_000 // len(unit)), language=language)
