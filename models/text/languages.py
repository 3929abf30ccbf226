"""How each language writes numbers, dates and abbreviations, and by which words it is told apart: normalize.py's data.

Chinese and Hindi are missing on purpose: num2words has no words for them, and the model reads their digits itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# What S1 was trained to speak, by ISO 639-1.
SPOKEN = {
    "en": "English", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "fr": "French", "de": "German",
    "es": "Spanish", "pl": "Polish", "ru": "Russian", "it": "Italian", "pt": "Portuguese", "ar": "Arabic",
    "hi": "Hindi", "tr": "Turkish",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Language:
    """`group`, `decimal`: separators in numbers, as patterns. `date`: of {day}, {month}, {year}. `time`: of {hour},
    {minute}; `full_hour` without minutes. `currencies`: names that num2words lacks. `abbreviations`: an expansion
    ending in "." closes a sentence at its end. `stopwords`: frequent words; one that is frequent in two of the
    languages here stands with both or with none, so that it decides nothing."""

    group: str
    decimal: str
    point: str
    minus: str
    percent: str
    date: str
    time: str
    full_hour: str = "{hour}"
    months: tuple[str, ...] = ()
    currencies: dict[str, str] = field(default_factory=dict)
    abbreviations: dict[str, str] = field(default_factory=dict)
    stopwords: frozenset[str] = frozenset()
    digits_after_point: bool = False


def _words(line: str) -> frozenset[str]:
    return frozenset(line.split())


def _months(line: str) -> tuple[str, ...]:
    return tuple(line.split())


SPACE = "[ \u00a0\u202f]"

LANGUAGES = {
    "en": Language(
        ",", r"\.", "point", "minus", "{} percent", "{month} {day}, {year}", "{hour} {minute}",
        months=_months("January February March April May June July August September October November December"),
        currencies={"JPY": "yen", "INR": "rupees"},
        abbreviations={
            "Mr.": "Mister", "Mrs.": "Missus", "Dr.": "Doctor", "Prof.": "Professor", "e.g.": "for example",
            "i.e.": "that is", "vs.": "versus", "approx.": "approximately", "etc.": "et cetera.", "&": "and",
        },
        stopwords=_words(
            """the and of to is are was were you it that this have has with for not be on at from they we he she i
            my your his her what will would there which an by or in costs as do no so am come war die hat if but can
            get go just only take how up out all does been their our its after before about when then than buy"""
        ),
        digits_after_point=True,
    ),
    "fr": Language(
        SPACE, ",", "virgule", "moins", "{} pour cent", "{day} {month} {year}",
        "{hour} heures {minute}", "{hour} heures",
        months=_months("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        abbreviations={
            "Mme": "Madame", "Mlle": "Mademoiselle", "n°": "numéro", "p. ex.": "par exemple", "etc.": "et cetera.",
            "&": "et",
        },
        stopwords=_words(
            """on le la les des est et vous nous je il elle une dans pour pas que qui sur avec au aux ce cette du
            sont mais où très plus j'ai c'est à coûte"""
        ),
    ),
    "de": Language(
        r"\.", ",", "Komma", "minus", "{} Prozent", "{day} {month} {year}", "{hour} Uhr {minute}", "{hour} Uhr",
        months=_months("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        abbreviations={
            "z.B.": "zum Beispiel", "z. B.": "zum Beispiel", "d.h.": "das heißt", "d. h.": "das heißt",
            "bzw.": "beziehungsweise", "ca.": "circa", "Nr.": "Nummer", "Dr.": "Doktor", "usw.": "und so weiter.",
            "&": "und",
        },
        stopwords=_words(
            """der die das und ist nicht ich sie wir ein eine einen mit auf für den dem von zu im es auch sind war
            wird haben hat bei kostet am um so uhr an in was will es er nach"""
        ),
        digits_after_point=True,
    ),
    "es": Language(
        r"\.", ",", "coma", "menos", "{} por ciento", "{day} de {month} de {year}", "{hour} y {minute}",
        months=_months("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        abbreviations={
            "Sr.": "señor", "Sra.": "señora", "Dr.": "doctor", "Dra.": "doctora", "p. ej.": "por ejemplo",
            "EE. UU.": "Estados Unidos", "etc.": "etcétera.",
        },
        stopwords=_words(
            """el la los las es y en que de un una por con para se su muy está son pero como más este yo tengo hay
            cuesta del al no"""
        ),
    ),
    "pl": Language(
        SPACE, ",", "przecinek", "minus", "{} procent", "{day} {month} {year}", "{hour} {minute}",
        months=_months(
            "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia"
        ),
        currencies={"GBP": "funtów"},
        abbreviations={"np.": "na przykład", "tzn.": "to znaczy", "ul.": "ulica", "itd.": "i tak dalej."},
        stopwords=_words(
            """i w na z się nie jest to że do jak ale po są dla od przez mam był była tylko czy ma kosztuje o"""
        ),
    ),
    "ru": Language(
        SPACE, ",", "запятая", "минус", "{} процентов", "{day} {month} {year}", "{hour} {minute}",
        months=_months("января февраля марта апреля мая июня июля августа сентября октября ноября декабря"),
        currencies={"GBP": "фунтов"},
        abbreviations={"т.е.": "то есть", "т. е.": "то есть", "ул.": "улица", "и т.д.": "и так далее."},
    ),
    "it": Language(
        r"\.", ",", "virgola", "meno", "{} per cento", "{day} {month} {year}", "{hour} e {minute}",
        months=_months("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
        abbreviations={"Sig.": "signor", "Dott.": "dottor", "ad es.": "ad esempio", "ecc.": "eccetera."},
        stopwords=_words(
            """il lo la gli le i è e in di che un una per con non sono in del della nel questo ho hai ha ma come più
            anche al costa"""
        ),
    ),
    "pt": Language(
        r"\.", ",", "vírgula", "menos", "{} por cento", "{day} de {month} de {year}", "{hour} e {minute}",
        months=_months("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
        currencies={"BRL": "reais"},
        abbreviations={"Sr.": "senhor", "Sra.": "senhora", "Dr.": "doutor", "Dra.": "doutora", "etc.": "et cetera."},
        stopwords=_words(
            """o os as é e de que um uma não em do da no na para com por se mas muito são está eu ao você tenho
            custa"""
        ),
    ),
    "tr": Language(
        r"\.", ",", "virgül", "eksi", "yüzde {}", "{day} {month} {year}", "{hour} {minute}",
        months=_months("Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık"),
        currencies={"USD": "dolar", "EUR": "avro", "GBP": "sterlin", "TRY": "lira"},
        abbreviations={"Dr.": "Doktor", "vb.": "ve benzeri.", "vs.": "vesaire."},
        stopwords=_words(
            """ve bir bu için ile çok ne de da var yok ben sen biz ama gibi daha olarak değil mi şey kadar"""
        ),
    ),
    "ar": Language(
        ",", r"\.", "فاصلة", "سالب", "{} بالمئة", "{day} {month} {year}", "{hour} و {minute}",
        months=_months("يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر"),
        currencies={"USD": "دولار", "EUR": "يورو", "GBP": "جنيه"},
    ),
    "ja": Language(
        ",", r"\.", "点", "マイナス", "{}パーセント", "{year}年{month}月{day}日", "{hour}時{minute}分", "{hour}時",
        currencies={"USD": "ドル", "EUR": "ユーロ", "GBP": "ポンド", "JPY": "円"},
        digits_after_point=True,
    ),
    "ko": Language(
        ",", r"\.", "점", "마이너스", "{} 퍼센트", "{year}년 {month}월 {day}일", "{hour}시 {minute}분", "{hour}시",
        months=_months("일 이 삼 사 오 유 칠 팔 구 시 십일 십이"),
        currencies={"USD": "달러", "EUR": "유로", "GBP": "파운드", "KRW": "원"},
        digits_after_point=True,
    ),
}  # fmt: skip
