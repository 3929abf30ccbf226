"""Segments: nothing is lost, nothing is cut where it belongs together, and pieces of a text read as the whole does."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.text.markers import PHONEME_END, PHONEME_START, S1
from models.text.reader import Reader, ReaderOptions
from models.text.segments.cuts import LEAST, weight
from models.types import ShoalError
from tests.models.text.reading import segments, texts

SPAN = f"{PHONEME_START}HH AH0 L OW1. W{PHONEME_END}"
BITS = [*"ab .!?,;\n\"')(<|>-1*_#`[]&/@:", *"。，好にー」안؟،।é\u0301\u200d👩", "نعم", "नमस्ते", "Dr. ", "3.14", "e.g. "]
BITS += [
    "(excited)",
    "(whispering) ",
    PHONEME_START,
    PHONEME_END,
    SPAN,
    "<|im_end|>",
    " long" * 9,
    "word ",
    "\r\n",
    "**",
]
BITS += ['<break time="1s"/>', "<b>", "https://a.com/b", "ไทย", "U.S. ", "The end. ", "5 km", "\n\n", "- a\n", "```\n"]
TEXTS = st.lists(st.sampled_from(BITS) | st.text(max_size=5), max_size=60).map("".join)
WORDS = st.lists(st.sampled_from(["the", "old", "house", "stood", "alone", "at", "end", "of", "lane", "nobody"]))
ENDS = st.lists(st.sampled_from([". ", "! ", ", ", "; ", " ", "\n", "\n\n", ": "]), min_size=1)


def squeezed(text: str) -> str:
    return "".join(text.split())


def read_in_pieces(pieces: list[str], **options) -> list:
    reader = Reader(ReaderOptions(**options), S1)
    found = [segment for piece in pieces for segment in reader.feed(piece)]
    return found + reader.finish()


class TestPieces:
    @settings(max_examples=300, deadline=None)
    @given(pieces=st.lists(TEXTS, max_size=8), limit=st.integers(5, 120), normalize=st.booleans())
    @example(["The U.S. The", "odore. a"], 60, True)
    @example(["a\r", "\nb"], 60, True)
    def test_a_text_in_pieces_gives_the_same_segments(self, pieces, limit, normalize):
        options = {"limit": limit, "first_limit": max(1, limit // 2), "normalize": normalize}
        assert read_in_pieces(pieces, **options) == read_in_pieces(["".join(pieces)], **options)

    @settings(max_examples=100, deadline=None)
    @given(text=TEXTS)
    def test_character_by_character_as_well(self, text):
        assert read_in_pieces(list(text)) == segments(text)

    def test_full_segments_come_before_the_end(self):
        reader = Reader(ReaderOptions(limit=60), S1)
        found = [segment.text for _ in range(8) for segment in reader.feed("This sentence is here. ")]
        assert len(found) >= 2 and all(len(text) <= 60 for text in found)

    def test_complete_gives_a_sentence_early(self):
        reader = Reader(ReaderOptions(), S1)
        assert reader.feed("This is a whole sentence, it seems. And th") == []
        assert [each.text for each in reader.complete()] == ["This is a whole sentence, it seems."]
        assert reader.feed("is is the rest") == [] and [each.text for each in reader.finish()] == [
            "And this is the rest"
        ]

    def test_complete_gives_the_very_first_clause(self):
        reader = Reader(ReaderOptions(), S1)
        reader.feed("Once upon a time there was a king, who liv")
        assert [each.text for each in reader.complete()] == ["Once upon a time there was a king,"]
        reader.feed("ed in a castle, with")
        assert reader.complete() == []

    @pytest.mark.parametrize(
        "text", ["It costs 3.", "See www.example.", "Dr.", "This is Mr.", "- An item is here.", "**Bold. "]
    )
    def test_complete_waits_for_a_sentence_that_may_go_on(self, text):
        reader = Reader(ReaderOptions(), S1)
        reader.feed(text)
        assert reader.complete() == []

    def test_a_short_sentence_waits_for_a_neighbour(self):
        reader = Reader(ReaderOptions(), S1)
        reader.feed("Hi. ")
        assert reader.complete() == []
        reader.feed("This is the long sentence that follows it. Next")
        assert [each.text for each in reader.complete()] == ["Hi. This is the long sentence that follows it."]

    def test_after_a_flush_more_may_come(self):
        reader = Reader(ReaderOptions(), S1)
        reader.feed("(sad) Hi there")
        assert [each.text for each in reader.finish()] == ["(sad) Hi there"]
        reader.feed("and more")
        assert [each.text for each in reader.finish()] == ["(sad) and more"]


class TestNothingIsLost:
    @settings(max_examples=300, deadline=None)
    @given(words=WORDS, ends=ENDS, limit=st.integers(20, 200))
    def test_words(self, words, ends, limit):
        text = "".join(word + ends[i % len(ends)] for i, word in enumerate(words))
        spoken = " ".join(texts(text, limit=limit))
        assert [word.strip(".,;:!") for word in spoken.split()] == words

    @settings(max_examples=300, deadline=None)
    @given(text=TEXTS, limit=st.integers(1, 80), first=st.none() | st.integers(1, 80))
    def test_no_character_without_normalize(self, text, limit, first):
        pieces = texts(text, limit=limit, first_limit=first, normalize=False)
        read, written = (S1.protected.sub("", each) for each in ("".join(pieces), text))
        assert [*filter(str.isalnum, read)] == [*filter(str.isalnum, written)]

    @settings(max_examples=300, deadline=None)
    @given(text=TEXTS, limit=st.integers(30, 120))
    def test_segments_fit(self, text, limit):
        for piece in texts(text, limit=limit):
            assert piece == " ".join(piece.split())
            assert weight(S1.markers.sub("", piece)) <= limit + LEAST + 2 or S1.protected.search(piece)

    @settings(max_examples=200, deadline=None)
    @given(text=TEXTS, limit=st.integers(1, 60))
    @example(text=f"{'a' * 23}{PHONEME_START}\u200da", limit=40)
    def test_phoneme_tags_stay_whole(self, text, limit):
        pieces = texts(text + " a", limit=limit, normalize=False)
        found = sum(len(S1.tags.findall(piece)) for piece in pieces)
        assert found <= len(S1.tags.findall(text))


class TestAnyUnicode:
    @settings(max_examples=400, deadline=None)
    @given(text=st.text(max_size=200), language=st.sampled_from([None, "en", "de", "zh", "hi", "xx"]))
    def test_any_text_is_read(self, text, language):
        try:
            found = segments(text, language=language)
        except ShoalError:
            return
        assert all(segment.seconds >= 0 and segment.pause >= 0 for segment in found)

    @pytest.mark.parametrize(
        "unit",
        ["a. ", "(excited)", PHONEME_START, "...", "!", " \n", ".\n", "x", "a\u0301", "(", ".\"'", "**", "[", "<", "`",
         "![", "&", "a@", "a/", "A", "1. a\n", "我", "ก", "ກ", "ក", "က", "😀", "|a", "_a", "\\", "http://a", "= ",
         "ー", "\u200d"],
    )  # fmt: skip
    def test_a_very_long_text_of_one_kind_ends_soon(self, unit):
        """Anything quadratic would hold up the suite for minutes here."""
        texts(unit * (30_000 // len(unit)) + " " * 5000 + "x")


class TestCuts:
    @pytest.mark.parametrize(
        ("text", "limit", "pieces"),
        [
            ("This one is a sentence. This is another one! Third?", 30,
             ["This one is a sentence.", "This is another one! Third?"]),
            ("Dr. Smith paid the bill at the shop. He left at noon or so.", 40,
             ["Doctor Smith paid the bill at the shop.", "He left at noon or so."]),
            ('He said to her: "Go away now." Then he left the room.', 33,
             ['He said to her: "Go away now."', "Then he left the room."]),
            ("The first clause is so long, the second one is as well", 44,
             ["The first clause is so long,", "the second one is as well"]),
            ("one two three four five six", 20, ["one two three", "four five six"]),
            ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
            ("Well done, I say. (excited) Great news for us!", 32,
             ["Well done, I say.", "(excited) Great news for us!"]),
            ("今天天气很好，我们去公园玩。你觉得这样怎么样？", 42,
             ["今天天气很好，我们去公园玩。", "你觉得这样怎么样？"]),
            ("안녕하세요 여러분. 저는 학생입니다 지금.", 36, ["안녕하세요 여러분.", "저는 학생입니다 지금."]),
            ("كيف حالك يا صديقي؟ أنا بخير، شكرا لك.", 24, ["كيف حالك يا صديقي؟", "أنا بخير، شكرا لك."]),
            ("", 10, []),
            (" \n ", 10, []),
        ],
    )  # fmt: skip
    def test_where_it_cuts(self, text, limit, pieces):
        assert texts(text, limit=limit) == pieces

    def test_the_first_piece_may_be_shorter(self):
        first, *others = texts("A short sentence is here. " * 20, limit=100, first_limit=30)
        assert first == "A short sentence is here."
        assert all(60 < len(piece) <= 100 for piece in others[:-1])

    def test_a_short_piece_joins_a_neighbour(self):
        long = "word " * 39 + "end."
        assert texts(long + " Thanks.", limit=200) == [long + " Thanks."]
        assert all(len(piece) > 20 for piece in texts("Hi. " + long, limit=200, first_limit=100))

    def test_never_inside_a_number(self):
        text = "我" * 10 + "３．１４１５９２６５元和１２，３４５．６７元" * 20
        written, read = (
            ("３．１４１５９２６５", "１２，３４５．６７"),
            ("三点一四一五九二六五", "一万二千三百四十五点六七"),
        )
        for limit in (40, 61, 90):
            for normalize, numbers in ((False, written), (True, read)):
                pieces = texts(text, limit=limit, normalize=normalize)
                assert [sum(piece.count(number) for piece in pieces) for number in numbers] == [20, 20]

    @pytest.mark.parametrize(
        ("words", "limit"),
        [("ภาษา ไทย เขียน โดย ไม่ เว้น วรรค ระหว่าง คำ", 30), ("ភាសា ខ្មែរ សរសេរ ដោយ គ្មាន ដកឃ្លា", 20),
         ("ພາສາ ລາວ ຂຽນ ໂດຍ ບໍ່ ມີ ຊ່ອງ ຫວ່າງ", 20), ("မြန်မာ စကား ကို ရေး သည်", 20),
         ("今天 天气 很好 我们 一起 去 公园 散步", 40)],
    )  # fmt: skip
    def test_unspaced_scripts_are_cut_between_words(self, words, limit):
        known = words.split()
        pieces = texts("".join(known) * 6, limit=limit, normalize=False)
        ends = set(accumulate(map(len, known * 6)))
        assert len(pieces) > 3 and set(accumulate(map(len, pieces))) <= ends, pieces

    def test_a_long_address_is_cut_at_a_part_of_its_path(self):
        address = "https://example.com/" + "/".join(f"part{i}-about-things" for i in range(12)) + "?query=about"
        for piece in texts(f"See {address} now.", limit=100)[1:]:
            assert piece.startswith(("slash ", "question mark ", "now"))
        raw = texts(f"See {address} now.", limit=100, normalize=False)
        assert len(raw) > 2 and all(piece.endswith(("/", " now.")) for piece in raw)

    def test_phoneme_span_and_marker_are_never_cut(self):
        text = f"one two three {SPAN} four (in a hurry tone) five six (laughing) seven."
        for limit in range(4, 60):
            pieces = texts(text, limit=limit, normalize=False)
            assert any(SPAN in piece for piece in pieces)
            assert any("(in a hurry tone) f" in piece for piece in pieces)
            assert any("(laughing) s" in piece for piece in pieces)


class TestMarkerInForce:
    def test_each_segment_has_it(self):
        text = "(excited) " + "This is a great day for all of us. " * 12 + "(sad) " + "Now it is over for good. " * 12
        pieces = texts(text, limit=120)
        moods = [S1.moods.match(piece).group() for piece in pieces]
        assert moods == sorted(moods) and set(moods) == {"(excited)", "(sad)"} and all(len(p) <= 144 for p in pieces)

    def test_two_markers_stay_together(self):
        pieces = texts("(sad)(whispering) " + "This is a sad day for all of us. " * 8, limit=100)
        assert all(piece.startswith(("(sad)(whispering)", "(sad) (whispering)")) for piece in pieces)

    def test_brackets_are_understood(self):
        assert texts("[whisper] Come here, please.") == ["(whispering) Come here, please."]
        assert texts("[sic] Come here, please.") == ["[sic] Come here, please."]

    def test_a_sound_is_heard_once(self):
        assert " ".join(texts("(laughing) " + "That is funny, I must say. " * 12, limit=100)).count("(laughing)") == 1
