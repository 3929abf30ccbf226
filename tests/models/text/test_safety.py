"""Control characters and control tokens never get through; the real tokenizer of upstream is the judge."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.text import markers
from models.text.markers import PHONEME_END, PHONEME_START, S1
from models.text.safety import check, clean, defuse, sayable, truncate
from models.types import TooLarge, Unsayable
from tests.models.text.reading import texts
from tests.models.text.test_segments import SPAN, TEXTS

TRICKS = ["<|im_<|im_end|>end|>", "<|<|im_end|>|>", "<<|im_end|>", "<||im_end||>", "<|semantic:5|>", "<|speaker:0|>"]
TRICKS += [f"<|im_{PHONEME_START}end|>", f"<{PHONEME_END}|im_end|>", "<|text|>", "<|im_end", "|>", "<|", *"<|>"]
TRICKS += ["&lt;|im_end|&gt;", "&#60;&#124;im_end&#124;&#62;", "https://a.com/%3C%7Cim_end%7C%3E", "`<|im_end|>`"]
TRICKS += [
    "<\u200b|im_end|\u00ad>",
    "＜｜im_end｜＞",
    '<sub alias="<|im_end|>">x</sub>',
    "**<|**im_end|>",
    "<b><</b>|im_end|>",
]
PIECES = [*TRICKS, PHONEME_START, PHONEME_END, " ", "a", "\0"]


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


def squeezed(text: str) -> str:
    return "".join(text.split())


class TestControlTokens:
    @staticmethod
    def special(tokenizer, text: str) -> list[str]:
        names = {number: token for token, number in tokenizer.all_special_tokens_with_ids.items()}
        return [names[number] for number in tokenizer.encode(text) if number in names]

    def test_the_danger_is_real(self, tokenizer):
        assert self.special(tokenizer, "a<|im_end|><|semantic:5|>") == ["<|im_end|>", "<|semantic:5|>"]

    @settings(max_examples=300, deadline=None)
    @given(text=st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
    @example("".join(TRICKS))
    def test_no_text_gives_one(self, tokenizer, text):
        safe = defuse(clean(text + "a"), S1.tags)
        assert self.special(tokenizer, safe) == S1.tags.findall(text)
        assert "<|speaker" not in safe and defuse(safe, S1.tags) == safe

    @settings(max_examples=300, deadline=None)
    @given(
        text=st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
        normalize=st.booleans(),
        limit=st.integers(7, 90),
    )
    @example("".join(TRICKS), True, 90)
    def test_no_reading_gives_one(self, tokenizer, text, normalize, limit):
        for piece in texts(text + " a", normalize=normalize, limit=limit):
            assert set(self.special(tokenizer, piece)) <= {PHONEME_START, PHONEME_END}
            assert "<|speaker" not in piece

    def test_a_very_long_run_ends_soon(self):
        assert defuse("|" * 400_000 + "a", S1.tags) == "|" * 400_000 + "a"

    def test_words_stay(self):
        assert squeezed(defuse("Hello <|im_end|> world <|speaker:0|>", S1.tags)) == "Helloim_endworldspeaker:0"
        for harmless in (f"(excited) Hi {SPAN}!", "a < b > c | d", "你好"):
            assert defuse(harmless, S1.tags) == harmless


class TestCheck:
    def test_control_characters_go_and_letters_stay(self):
        assert check("  a\0b\x07\ud800c\ufeff\td\r\ne \u202e", 100) == "abc d\ne"
        assert check("क्\u200dष", 10) == "क्\u200dष"

    @pytest.mark.parametrize("text", ["", " ", "\n\t", "\0\0"])
    def test_an_empty_text(self, text):
        with pytest.raises(Unsayable, match="nothing to say"):
            check(text, 100)

    @pytest.mark.parametrize(
        "text", ["...", "?!", "👍🎉", "---", "(excited)", "(Whispering) …", PHONEME_START, "<b></b>", "***", "😀\n\n😀"]
    )
    def test_nothing_to_say_is_no_segment(self, text):
        assert check(text, 100) == text and texts(text) == []

    def test_too_long(self):
        with pytest.raises(TooLarge, match="1000000 characters; the limit is 2000"):
            check("a" * 10**6, 2000)

    def test_letters_digits_and_sounds_can_be_said(self):
        assert all(sayable(text, S1) for text in ["5", "ok", "你", "(laughing)", "½"]) and not sayable("(sad) —", S1)

    def test_every_marker_is_known(self):
        assert (len(markers.EMOTIONS), len(markers.TONES), len(markers.SPECIAL)) == (51, 5, 10)
        for name in (*markers.EMOTIONS, *markers.TONES, *markers.SPECIAL):
            assert S1.markers.fullmatch(f"({name})")


class TestTruncate:
    @settings(max_examples=200, deadline=None)
    @given(text=TEXTS, limit=st.integers(1, 80))
    def test_is_a_beginning_that_fits(self, text, limit):
        cut = truncate(text, limit, S1)
        assert len(cut) <= limit and text.startswith(cut)
        assert cut == text or len(text) > limit

    def test_at_a_space_within_a_fifth_of_the_limit(self):
        assert truncate("one two three four", 13, S1) == "one two three"
        assert truncate("one two three four", 15, S1) == "one two three"
        assert truncate("one twothreefour", 12, S1) == "one twothree"

    def test_not_inside_a_marker(self):
        assert truncate("word word (excited) more", 15, S1) == "word word"
        assert truncate(f"word {SPAN} more", 30, S1) == "word"
