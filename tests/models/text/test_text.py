"""Splitting loses nothing, control tokens never reach upstream's real tokenizer, numbers become words."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.text import markers
from models.text.languages import LANGUAGES
from models.text.markers import MARKER, PHONEME_END, PHONEME_START
from models.text.normalize import guess_language, normalize
from models.text.text import check, defuse, sayable, split, truncate
from models.types import TooLarge, Unsayable

SPAN = f"{PHONEME_START}HH AH0 L OW1. W{PHONEME_END}"
BITS = [*"ab .!?,;\n\"')(<|>-1", *"。，好にー」안؟،।é\u0301\u200d👩", "نعم", "नमस्ते", "Dr. ", "3.14", "e.g. ", "word "]
BITS += ["(excited)", "(whispering) ", PHONEME_START, PHONEME_END, SPAN, "<|im_end|>", " long" * 9]
TEXTS = st.lists(st.sampled_from(BITS) | st.text(max_size=5), max_size=60).map("".join)


def squeezed(text: str) -> str:
    return "".join(text.split())


LONG_UNITS = ["a. ", "(excited)", PHONEME_START, "...", "!", " \n", ".\n", "x", "a\u0301", "(", ".\"'"]


class TestSplit:
    @settings(max_examples=400, deadline=None)
    @given(text=TEXTS, limit=st.integers(1, 80), first=st.none() | st.integers(1, 80))
    def test_nothing_is_lost_and_pieces_fit(self, text, limit, first):
        pieces = split(text, limit, first)
        assert squeezed("".join(pieces)) == squeezed(text)
        assert all(piece == " ".join(piece.split()) != "" for piece in pieces)
        for piece, room in zip(pieces, [first or limit, *[limit] * len(pieces)], strict=False):
            assert len(piece) <= room or len(piece) <= 1 or markers.PROTECTED.search(piece)

    @settings(max_examples=200, deadline=None)
    @given(text=TEXTS, limit=st.integers(1, 60))
    @example(text=f"{'a' * 23}{PHONEME_START}\u200da", limit=40)
    def test_markers_and_phonemes_stay_whole(self, text, limit):
        whole, pieces = " ".join(text.split()), split(text, limit)
        for pattern in (MARKER, markers.PHONEME_TAG):
            assert sum(len(pattern.findall(piece)) for piece in pieces) == len(pattern.findall(whole))

    def test_phoneme_span_and_marker_are_never_cut(self):
        text = f"one two three {SPAN} four (in a hurry tone) five six (excited) seven."
        for limit in range(1, 60):
            pieces = split(text, limit)
            assert any(SPAN in piece for piece in pieces)
            assert any("(in a hurry tone) f" in piece for piece in pieces)
            assert any("(excited) s" in piece for piece in pieces)

    @pytest.mark.parametrize(
        ("text", "limit", "pieces"),
        [
            ("One. Two! Three? Four.", 11, ["One. Two!", "Three?", "Four."]),
            ("Dr. Smith paid 3.14 dollars. He left.", 30, ["Dr. Smith paid 3.14 dollars.", "He left."]),
            ("We met e.g. Mr. J. Jones there. Then I left.", 36, ["We met e.g. Mr. J. Jones there.", "Then I left."]),
            ('He said: "Go away." Then he left.', 25, ['He said: "Go away."', "Then he left."]),
            ("First clause is long, second one too", 25, ["First clause is long,", "second one too"]),
            ("one two three four five six", 20, ["one two three", "four five six"]),
            ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
            ("Title\nThe text begins here.", 21, ["Title", "The text begins here."]),
            ("It costs 1,000,000 now, I think", 24, ["It costs 1,000,000 now,", "I think"]),
            ("Done. (excited) Great news! Yes.", 27, ["Done. (excited) Great news!", "Yes."]),
            ("Well done. (excited) Great news!", 24, ["Well done.", "(excited) Great news!"]),
            ("Am 3. Mai kam Herr Dr. Kurz. Er ging.", 30, ["Am 3. Mai kam Herr Dr. Kurz.", "Er ging."]),
            ("今天天气很好，我们去公园。你觉得怎么样？", 40, ["今天天气很好，我们去公园。", "你觉得怎么样？"]),
            ("今日はいい天気です。「行こう。」と言った。", 36, ["今日はいい天気です。", "「行こう。」と言った。"]),
            ("안녕하세요. 저는 학생입니다.", 30, ["안녕하세요.", "저는 학생입니다."]),
            ("كيف حالك؟ أنا بخير، شكرا.", 18, ["كيف حالك؟", "أنا بخير، شكرا."]),
            ("नमस्ते। आप कैसे हैं?", 14, ["नमस्ते।", "आप कैसे हैं?"]),
            ("Это т.е. пример. Вот он.", 17, ["Это т.е. пример.", "Вот он."]),
            ("", 10, []),
            (" \n ", 10, []),
        ],
    )
    def test_where_it_cuts(self, text, limit, pieces):
        assert split(text, limit) == pieces

    def test_the_first_piece_may_be_shorter(self):
        text = "Short one. " * 20
        first, *others = split(text, 100, first_limit=25)
        assert first == "Short one. Short one."
        assert all(60 < len(piece) <= 100 for piece in others[:-1])

    def test_korean_words_are_not_cut(self):
        assert split("저는 대학교에서 공부하는 학생입니다", 24) == ["저는 대학교에서", "공부하는", "학생입니다"]

    @pytest.mark.parametrize("unit", LONG_UNITS)
    @pytest.mark.parametrize("space", [" " * 50_000, ""])
    def test_a_very_long_text_of_one_kind_ends_soon(self, unit, space):
        """Anything quadratic would hold up the suite for minutes here."""
        text = unit * (400_000 // len(unit)) + space + "x"
        pieces = split(text, 200)
        assert squeezed("".join(pieces)) == squeezed(text) and max(map(len, pieces)) <= 240


class TestTruncate:
    @settings(max_examples=200, deadline=None)
    @given(text=TEXTS, limit=st.integers(1, 80))
    def test_is_a_beginning_that_fits(self, text, limit):
        cut = truncate(text, limit)
        assert len(cut) <= limit and text.startswith(cut)
        assert cut == text or len(text) > limit

    def test_at_a_space_within_a_fifth_of_the_limit(self):
        assert truncate("one two three four", 13) == "one two three"
        assert truncate("one two three four", 15) == "one two three"
        assert truncate("one twothreefour", 12) == "one twothree"

    def test_not_inside_a_marker(self):
        assert truncate("word word (excited) more", 15) == "word word"
        assert truncate(f"word {SPAN} more", 30) == "word"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """Upstream's tokenizer over single bytes, with its own special tokens in the file format of a checkpoint."""
    from fish_speech.tokenizer import ALL_SPECIAL_TOKENS, FishTokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    ranks = (f"{base64.b64encode(bytes([byte])).decode()} {byte}\n" for byte in range(256))
    (folder / "tokenizer.tiktoken").write_text("".join(ranks))
    (folder / "special_tokens.json").write_text(
        json.dumps({token: 256 + i for i, token in enumerate(ALL_SPECIAL_TOKENS)})
    )
    return FishTokenizer.from_pretrained(str(folder))


TRICKS = ["<|im_<|im_end|>end|>", "<|<|im_end|>|>", "<<|im_end|>", "<||im_end||>", "<|semantic:5|>", "<|speaker:0|>"]
TRICKS += [f"<|im_{PHONEME_START}end|>", f"<{PHONEME_END}|im_end|>", "<|text|>", "<|im_end", "|>", "<|", *"<|>"]
PIECES = [*TRICKS, PHONEME_START, PHONEME_END, " ", "a", "\0"]


class TestDefuse:
    @staticmethod
    def special(tokenizer, text: str) -> list[str]:
        names = {number: token for token, number in tokenizer.all_special_tokens_with_ids.items()}
        return [names[number] for number in tokenizer.encode(text) if number in names]

    def test_the_danger_is_real(self, tokenizer):
        assert self.special(tokenizer, "a<|im_end|><|semantic:5|>") == ["<|im_end|>", "<|semantic:5|>"]

    @settings(max_examples=400, deadline=None)
    @given(text=st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
    @example("".join(TRICKS))
    def test_no_text_gives_a_control_token(self, tokenizer, text):
        safe = defuse(check(text + "a", 10_000))
        tags = markers.PHONEME_TAG.findall(text)
        assert self.special(tokenizer, safe) == tags
        assert "<|speaker" not in safe
        for piece in split(safe, 7):
            assert set(self.special(tokenizer, piece)) <= {PHONEME_START, PHONEME_END}
        assert defuse(safe) == safe

    def test_a_very_long_run_ends_soon(self):
        assert defuse("|" * 400_000 + "a") == "|" * 400_000 + "a"

    def test_what_is_said_stays(self):
        assert squeezed(defuse("Hello <|im_end|> world <|speaker:0|>")) == "Helloim_endworldspeaker:0"
        for harmless in (f"(excited) Hi {SPAN}!", "a < b > c | d", "你好"):
            assert defuse(harmless) == harmless


class TestCheck:
    def test_control_characters_go_and_letters_stay(self):
        assert check("  a\0b\x07\ud800c\ufeff\td\r\ne \u202e", 100) == "abc d\n\ne"
        assert check("क्\u200dष", 10) == "क्\u200dष"

    @pytest.mark.parametrize("text", ["", " ", "\n\t", "\0\0"])
    def test_an_empty_text(self, text):
        with pytest.raises(Unsayable, match="nothing to say"):
            check(text, 100)

    @pytest.mark.parametrize("text", ["...", "?!", "👍🎉", "(excited)", "(Whispering) …", PHONEME_START])
    def test_nothing_to_say(self, text):
        assert check(text, 100) == text and not sayable(text)

    def test_too_long(self):
        with pytest.raises(TooLarge, match="1000000 characters; the limit is 2000"):
            check("a" * 10**6, 2000)

    def test_what_can_be_said(self):
        assert all(map(sayable, ["5", "ok", "你", "(laughing)", "½"])) and not sayable("(sad) —")

    def test_every_marker_is_known(self):
        assert (len(markers.EMOTIONS), len(markers.TONES), len(markers.SPECIAL)) == (51, 5, 10)
        for name in (*markers.EMOTIONS, *markers.TONES, *markers.SPECIAL):
            assert MARKER.fullmatch(f"({name})")


SAID = {
    "en": [
        ("It was 1,234.56 of them.", "It was one thousand two hundred and thirty-four point five six of them."),
        ("It is $5.50 or 20%.", "It is five dollars fifty cents or twenty percent."),
        ("It has cost $1.5 million", "It has cost one point five million dollars"),
        ("It is US$20 or ¥300, not -5% or -$5.50 or 5₽",
         "It is twenty dollars or three hundred yen, not minus five percent or minus five dollars fifty cents or 5₽"),
        ("Of 20 500 seats, 5 are free: call (555) 123 4567 or +44 20 7946 0958.",
         "Of 20 500 seats, five are free: call (555) 123 4567 or +44 20 7946 0958."),
        ("Dial 5 5 5 and go on 2024-03-15 14:30",
         "Dial five five five and go on March fifteenth, twenty twenty-four fourteen thirty"),
        ("the 21st of May in 1999", "the twenty-first of May in nineteen ninety-nine"),
        ("on 2024-03-15 at 14:30", "on March fifteenth, twenty twenty-four at fourteen thirty"),
        ("It is 2:05 and -5 degrees", "It is two oh five and minus five degrees"),
        ("Mr. Bean, e.g. this, etc. and it", "Mister Bean, for example this, et cetera and it"),
        ("This, etc.", "This, et cetera."),
        ("He has 007, v1.2.3, MP3, 555-1234 and 192.168.0.1", "He has 007, v1.2.3, MP3, 555-1234 and 192.168.0.1"),
    ],
    "fr": [("Il y a 1 234,5 € pour vous", "Il y a mille deux cent trente-quatre virgule cinq euros pour vous"),
           ("le 1er mai, 3,14 et 20 %", "le premier mai, trois virgule quatorze et vingt pour cent"),
           ("Salles 101 102 103 et 20 500 à 10:00", "Salles 101 102 103 et vingt mille cinq cents à dix heures")],
    "de": [("Das kostet 1.234,56 €", "Das kostet eintausendzweihundertvierunddreißig Euro sechsundfünfzig Cent"),
           ("am 3. Mai um 14:30 Uhr, z.B. so", "am dritten Mai um vierzehn Uhr dreißig, zum Beispiel so"),
           ("auf den 1. Platz um 10:00", "auf den 1. Platz um zehn Uhr")],
    "es": [("El 2º cuesta 5 €, 3,05 más", "El segundo cuesta cinco euros, tres coma cero cinco más"),
           ("a las 10:00 y a las 10:05", "a las diez y a las diez y cinco")],
    "pl": [("To jest 1 234 i 5 €", "To jest tysiąc dwieście trzydzieści cztery i pięć euro"),
           ("To jest 600 123 456", "To jest 600 123 456")],
    "ru": [("Это стоит 5 €, т.е. 50%", "Это стоит пять евро, то есть пятьдесят процентов")],
    "it": [("Il prezzo è di 3,14", "Il prezzo è di tre virgola quattordici"),
           ("Come 2 volte al giorno", "Come due volte al giorno")],
    "pt": [("O dia 15/03/2024 não é 5%", "O dia quinze de março de dois mil e vinte e quatro não é cinco por cento"),
           ("O livro custa R$ 59,90", "O livro custa cinquenta e nove vírgula noventa reais")],
    "tr": [("Bu çok 50% için 3 ve 3,5", "Bu çok yüzde elli için üç ve üç virgül beş"),
           ("Bu %50 ve 3. katta", "Bu yüzde elli ve 3. katta")],
    "ar": [("هذا 50%", "هذا خمسون بالمئة"), ("هذا ١٬٠٠٠ دولار و ٥٠٪", "هذا ألف دولار و خمسون بالمئة")],
    "ja": [("2024年に5つ、1,234円です", "二千二十四年に五つ、千二百三十四円です"),
           ("１，０００円で３．５倍、10:00に", "千円で三点五倍、十時に")],
    "ko": [("오늘은 15일, 사과 5개", "오늘은 십오일, 사과 5개"), ("10월 6일과 6월 10일", "시월 육일과 유월 십일")],
    "zh": [("今天是2024年", "今天是2024年")],
    "hi": [("मेरे पास 5 हैं", "मेरे पास 5 हैं")],
}  # fmt: skip


DIGITS = [*"0123459 .,:/-%$€£¥()₹٬٪", "R$", "１", "，", "10월", "٣", "५", "1st", "º", " Uhr", "etc.", SPAN, "(sad)"]


class TestNormalize:
    @pytest.mark.parametrize("language", SAID)
    def test_numbers_dates_and_amounts_become_words(self, language):
        for written, said in SAID[language]:
            assert guess_language(written) == language, written
            assert normalize(written) == normalize(written, language) == said

    @pytest.mark.parametrize(
        "text",
        [
            "Take 2 tablets a day.",
            "Get a 20% discount today",
            "Buy 1 get 1 free, no code needed",
            "I am so happy, 10 years later!",
            "Come back after 5 minutes.",
        ],
    )
    def test_short_english_is_english(self, text):
        assert guess_language(text) == "en"

    @pytest.mark.parametrize("text", ["World War 2 has a hat", "Voy a 5", "Chapter 12. A new day"])
    def test_words_of_two_languages_decide_nothing(self, text):
        assert guess_language(text) in ("en", None)

    @pytest.mark.parametrize("language", ["en", "fr"])
    @pytest.mark.parametrize("unit", [" 111", ",111", "1", " 1111", "1.", "-1"])
    def test_a_very_long_run_of_digits_ends_soon(self, unit, language):
        assert normalize("1" + unit * (100_000 // len(unit)), language)

    def test_an_unknown_language_keeps_its_digits(self):
        for text in ("12345", "xyz 5", "Kaksi 2 kolme 3"):
            assert guess_language(text) is None and normalize(text) == text

    def test_markers_and_phonemes_are_not_touched(self):
        text = f"(excited) The 5 of {SPAN} and {PHONEME_START}1 2{PHONEME_END} (soft tone)"
        assert normalize(text) == text.replace(" 5 ", " five ")

    @settings(max_examples=300, deadline=None)
    @given(language=st.sampled_from([*LANGUAGES, "zh", "xx"]), text=st.lists(st.sampled_from(DIGITS)).map("".join))
    def test_no_input_breaks_it(self, language, text):
        said = normalize(text, language)
        for pattern in (MARKER, markers.PHONEME_TAG):
            assert pattern.findall(said) == pattern.findall(text)
