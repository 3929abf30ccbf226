"""A voice from a recording: from the microphone, from a file, dropped; trimmed, and its faults told."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, expect

from deployments.synthesis.stages import EncodedAudio
from tests.deployments.fakes import FakeStages, recording
from tests.page.conftest import MICROPHONE, Open

RATE = 16000


@pytest.fixture
def sent(stages: FakeStages) -> list[bytes]:
    """Recordings that reached the encoder."""
    found: list[bytes] = []
    encode = stages.encode

    async def keep(audio: bytes) -> EncodedAudio:
        found.append(audio)
        return await encode(audio)

    stages.encode = keep
    return found


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV")
    return file.getvalue()


def own(page: Page) -> Page:
    page.get_by_text("From a recording").click()
    return page


def choose(page: Page, audio: bytes, name: str = "voice.wav") -> None:
    page.locator("#own input[type=file]").set_input_files({"name": name, "mimeType": "audio/wav", "buffer": audio})


def say(page: Page, words: str) -> None:
    page.locator("#own").get_by_label("What is said in it").fill(words)


def speak(page: Page) -> None:
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.locator("#past-list li")).to_have_count(1)


def test_record_and_clone(open_page: Open, stages: FakeStages, sent: list[bytes]) -> None:
    page = own(open_page())
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator("#own .script")).to_contain_text("The morning was quiet")
    page.wait_for_function("() => document.querySelector('#own [role=timer]').textContent === '0:03'")
    assert page.evaluate(
        "() => getComputedStyle(document.querySelector('#own .level')).getPropertyValue('--level') > 0.05"
    )
    page.get_by_role("button", name="Stop recording").click()
    expect(page.locator("#own .faults")).to_contain_text("10 to 30 seconds")
    words = page.locator("#own").get_by_label("What is said in it")
    assert words.input_value().startswith("The morning was quiet"), "what was to be read aloud is the transcript"
    words.fill("Congratulations! You have successfully installed.")
    speak(page)
    heard, rate = soundfile.read(io.BytesIO(sent[0]))
    assert 3.0 <= len(heard) / rate < 8 and np.abs(heard).max() > 0.1
    assert stages.prompts[0].references[0].text == "Congratulations! You have successfully installed."


def test_a_whole_file_is_sent_as_it_is(open_page: Open, stages: FakeStages, sent: list[bytes]) -> None:
    page = own(open_page())
    choose(page, MICROPHONE.read_bytes())
    say(page, "Congratulations!")
    speak(page)
    assert sent == [MICROPHONE.read_bytes()]
    assert stages.prompts[0].references[0].text == "Congratulations!"


def test_a_trimmed_file_is_sent_as_it_is_heard(open_page: Open, sent: list[bytes]) -> None:
    page = own(open_page())
    choose(page, recording(8))
    page.locator("#own").get_by_label("Start of the part to keep").fill("250")
    page.locator("#own").get_by_label("End of the part to keep").fill("750")
    expect(page.locator("#own .trim .length")).to_have_text("4\u00a0s")
    say(page, "Half of it.")
    speak(page)
    samples, rate = soundfile.read(io.BytesIO(sent[0]), dtype="int16")
    whole, _ = soundfile.read(io.BytesIO(recording(8)), dtype="int16")
    assert np.array_equal(samples, whole[2 * rate : 6 * rate])


def test_a_file_is_dropped(open_page: Open) -> None:
    page = own(open_page())
    audio = base64.b64encode(recording(12)).decode()
    drop = """([element, letters]) => {
      const transfer = new DataTransfer();
      const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], "dropped.wav", { type: "audio/wav" }));
      element.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop, [page.locator("#own .takes").element_handle(), audio])
    expect(page.locator("#own .file-name")).to_have_text("dropped.wav")
    expect(page.locator("#own .trim .length")).to_have_text("12\u00a0s")


def test_what_is_no_sound_is_refused(open_page: Open) -> None:
    page = own(open_page())
    page.locator("#own input[type=file]").set_input_files(
        {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"}
    )
    expect(page.locator("#notices")).to_contain_text("a.pdf is no audio file")


def speech(seconds: float) -> np.ndarray:
    samples, _ = soundfile.read(MICROPHONE)
    return np.resize(samples, int(seconds * RATE))


NOISE = np.random.default_rng(0).normal(0, 0.05, 12 * RATE)

FAULTS: dict[str, tuple[Callable[[], np.ndarray], str]] = {
    "good": (lambda: speech(12), "This recording is fine."),
    "short": (lambda: speech(2), "2 s are too short"),
    "rather short": (lambda: speech(5), "5 s will do"),
    "long": (lambda: speech(40), "the server cuts at a pause"),
    "silent": (lambda: np.zeros(12 * RATE), "Nothing can be heard"),
    "quiet": (lambda: 0.02 * speech(12), "very quiet"),
    "distorted": (lambda: np.clip(20 * speech(12), -1, 1), "distorted"),
    "noisy": (lambda: 0.3 * speech(12) + NOISE, "The background is loud"),
}


def test_faults_are_told_in_words(open_page: Open, subtests: pytest.Subtests) -> None:
    page = own(open_page())
    for name, (samples, sentence) in FAULTS.items():
        with subtests.test(name):
            choose(page, wav(samples()))
            expect(page.locator("#own .faults")).to_contain_text(sentence)
            page.get_by_role("button", name="Another one").click()


def test_a_transcript_that_cannot_be_is_told(open_page: Open) -> None:
    page = own(open_page())
    choose(page, wav(speech(12)))
    say(page, "word " * 200)
    expect(page.locator("#own .faults")).to_contain_text("do not seem to fit")


def test_what_is_missing_is_said(open_page: Open, stages: FakeStages) -> None:
    page = own(open_page())
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("There is no recording yet")
    choose(page, wav(speech(12)))
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("Write down what is said")
    assert not stages.prompts


def test_it_becomes_a_voice(open_page: Open, stages: FakeStages) -> None:
    page = own(open_page())
    choose(page, wav(speech(12)))
    say(page, "Congratulations!")
    page.get_by_role("button", name="Keep it as a voice").click()
    page.get_by_role("textbox", name="Name").fill("allison")
    page.get_by_role("button", name="Save the voice").click()
    expect(page.get_by_role("radio", name="allison")).to_be_checked()
    speak(page)
    assert stages.prompts[0].references[0].text == "Congratulations!"


def test_no_microphone_is_said(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    missing = "async () => { throw new DOMException('no', 'NotFoundError'); }"
    page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = {missing}; }}")
    own(page).get_by_role("button", name="Record", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("There is no microphone.")
