"""Transcripts held against recordings: what belongs together, and what was kept of both."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from models.reference_encoder.audio import load
from models.reference_encoder.transcripts import Cut, Heard, match
from models.types import InvalidRequest
from tests.models.reference_encoder.recordings import speech, written
from tests.paths import RECORDINGS

ALLISON = (
    "Congratulations! You have successfully installed and executed the Asterisk Open Source PBX. You have also "
    "installed a set of sample sounds and configuration files that should help you to get started."
)
JUNE = (
    "Félicitations, vous avez bien installé et exécuté le projet libre Asterisk. "
    "Vous avez aussi installé quelques fichiers audio"
)
HAN = "我们今天要讨论的是人工智能在教育中的应用。"


def heard(seconds: float) -> Heard:
    return Heard(seconds, 0.85 * seconds)


# text, seconds: they belong together.
FITTING = {
    "a sentence": ("The quick brown fox jumps over the lazy dog.", 3),
    "a fast speaker": ("The quick brown fox jumps over the lazy dog. " * 2, 4),
    "a slow one": ("Four score and seven years ago.", 8),
    "han": (HAN * 4, 20),
    "fast han": (HAN * 4, 11),
    "kana": ("きょうはとてもいいてんきですね。" * 3, 7),
    "hangul": ("안녕하세요. 오늘은 날씨가 아주 좋습니다. " * 3, 8),
    "arabic": ("مرحبا بكم في هذا البرنامج الجديد. " * 3, 9),
    "hindi": ("नमस्ते, आज हम एक नई कहानी सुनेंगे। " * 3, 8),
    "thai": ("สวัสดีครับ วันนี้อากาศดีมาก " * 4, 9),
    "russian": ("Поздравляем! Вы закончили установку программы. " * 3, 9),
    "digits": ("My number is 555 0123 4567 890.", 6),
    "a short word": ("Hi", 0.5),
    "dots": ("Well... I do not know... perhaps... " * 2, 5),
}


@pytest.mark.parametrize("name", FITTING)
def test_a_transcript_that_fits_is_kept_whole(name: str) -> None:
    text, seconds = FITTING[name]
    matched = match(text, heard(seconds))
    assert (matched.text, matched.seconds, matched.notes) == (text.strip(), None, ())


FOREIGN = {
    "6,000 characters for 4 s": ("a word " * 860, 4),
    "a page for 10 s": (ALLISON * 4, 10),
    "han for a second": (HAN * 2, 1),
    "hangul at 20 syllables a second": ("안녕하세요오늘은날씨가아주좋습니다" * 6, 4),
    "thousands of marks": ("!?" * 2000, 10),
    "thousands of pictographs": ("😀" * 4000, 15),
    "digits": ("0123456789" * 20, 10),
    "combining marks": ("a" + "\u0301" * 1000, 5),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_transcript_of_something_else_is_refused(name: str) -> None:
    text, seconds = FOREIGN[name]
    with pytest.raises(InvalidRequest, match=r"cannot belong to .* send the words that are spoken in it"):
        match(text, heard(seconds))


@pytest.mark.parametrize(("text", "seconds"), [("Hi.", 20), ("", 4), ("好", 15), ("Yes", 30)])
def test_a_transcript_of_a_few_characters_is_told(text: str, seconds: float) -> None:
    assert "only" in match(text, heard(seconds)).notes[0]


def long(*parts: tuple[str, str]) -> tuple[bytes, str]:
    """Recordings one after the other, and their transcripts."""
    waves = [soundfile.read(RECORDINGS / name, dtype="float32")[0] for name, _ in parts]
    return written(np.concatenate(waves)), " ".join(text for _, text in parts)


A, J = ("allison-en.wav", ALLISON), ("june-fr.wav", JUNE)
LONG = {
    "three times Allison": ((A, A, A), "help you to get started."),
    "Allison and June twice": ((A, J, A, J), "Asterisk Open Source PBX."),
    "June and Allison": ((J, A, A), "Asterisk Open Source PBX."),
}


@pytest.mark.parametrize("name", LONG)
def test_of_a_long_recording_the_transcript_is_cut_where_the_sound_is(name: str) -> None:
    parts, last_words = LONG[name]
    audio, text = long(*parts)
    loaded = load(audio, 16_000)
    matched = match(text, loaded.heard)
    used = matched.seconds or len(loaded.waveform) / 16_000
    assert 20 < used <= 30
    assert text.startswith(matched.text) and matched.text.endswith(last_words), matched.text
    assert "transcript up to" in matched.notes[0] and last_words[-20:] in matched.notes[0]


def test_a_transcript_of_a_recording_that_was_not_read_to_its_end_is_refused() -> None:
    loaded = load(written(speech(90)), 16_000)
    with pytest.raises(InvalidRequest, match="send 10 to 30 s of speech with the words"):
        match(" ".join([ALLISON] * 6), loaded.heard)
    fitting = match(" ".join([ALLISON] * 2), loaded.heard)
    assert fitting.text == " ".join([ALLISON] * 2) and "all of its transcript" in fitting.notes[0]


def test_a_text_without_spaces_is_cut_between_characters() -> None:
    cuts = (Cut(25.0, 0.3, 20.0),)
    matched = match("字" * 180, Heard(25.2, 40.0, cuts))
    assert len(matched.text) == 90


@given(
    text=st.text(max_size=400),
    ends=st.lists(st.floats(20, 29), min_size=0, max_size=5, unique=True).map(sorted),
    speech_share=st.floats(0.3, 1),
    total=st.floats(31, 60),
)
def test_what_is_kept_is_the_beginning_of_what_was_sent(
    text: str, ends: list[float], speech_share: float, total: float
) -> None:
    cuts = tuple(Cut(end, 0.3, end * speech_share) for end in ends)
    try:
        matched = match(text, Heard(ends[-1] if ends else 25.0, total * speech_share, cuts))
    except InvalidRequest:
        return
    assert text.strip().startswith(matched.text)
    assert matched.seconds is None or matched.seconds in ends
