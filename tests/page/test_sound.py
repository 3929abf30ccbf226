"""From a first visit to sound: played while it is made, and to the sample what the server sent."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, expect

from tests.deployments.fakes import FakeStages
from tests.page.conftest import ELSEWHERE, Open
from tests.page.watching import downloaded, heard, loud

EXAMPLE = "#text"


def speak(page: Page) -> None:
    page.get_by_role("button", name="Speak", exact=True).click()


def ended(page: Page) -> None:
    """Waits until what was made has been played."""
    page.wait_for_function(
        "() => /^([1-9:0]*[1-9][1-9:0]*|0:00) . \\1$/.test(document.querySelector('.clock').textContent)"
    )
    expect(page.locator("#take").get_by_role("button", name="Play", exact=True)).to_be_enabled()


def figure(page: Page, name: str) -> str:
    return page.locator(".figures div").filter(has_text=name).locator("dd").inner_text()


def seconds(samples: int) -> str:
    return f"{samples / 44100:.2f}".rstrip("0") + "\u00a0s"


def served(server: str, text: str, seed: str) -> np.ndarray:
    """The samples that the server gives for a text and a seed."""
    answer = httpx.post(f"{server}/v1/tts", json={"text": text, "seed": int(seed), "format": "pcm", "streaming": True})
    return np.frombuffer(answer.raise_for_status().content, "<i2")


def test_a_first_visitor_hears_speech_with_one_click(open_page: Open, server: str) -> None:
    page = open_page(listening=True)
    text = page.input_value(EXAMPLE)
    assert text, "an example stands there"
    speak(page)
    ended(page)
    assert np.array_equal(heard(page), loud(served(server, text, figure(page, "Seed"))))


def test_without_worklets_the_same_is_heard(open_page: Open, server: str) -> None:
    """A page by plain HTTP from another machine has none."""
    page = open_page(address=server.replace("127.0.0.1", ELSEWHERE), listening=True)
    assert page.evaluate("() => !isSecureContext")
    page.fill("#text", "Quite short.")
    speak(page)
    ended(page)
    assert np.array_equal(heard(page), loud(served(server, "Quite short.", figure(page, "Seed"))))


def test_sound_is_played_while_the_rest_is_made(open_page: Open, stages: FakeStages) -> None:
    stages.endless, stages.block_seconds = True, 0.05
    page = open_page()
    speak(page)
    page.wait_for_function("() => document.querySelector('.clock').textContent.startsWith('0:01')")
    assert stages.active, "the server still speaks"
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_function("() => !document.querySelector('#speak-button').classList.contains('on')")
    for _ in range(100):
        if stages.active == 0:
            break
        page.wait_for_timeout(20)
    assert stages.active == 0, "stopping frees the server"
    expect(page.locator("#take").get_by_role("button", name="Play", exact=True)).to_be_enabled()


def test_figures_download_and_once_more(open_page: Open, server: str, tmp_path: Path) -> None:
    page = open_page()
    page.fill("#text", "Hello there.")
    speak(page)
    expect(page.locator(".figures dt").first).to_have_text("First audio")
    seed = figure(page, "Seed")
    expected = served(server, "Hello there.", seed)
    assert figure(page, "Length") == seconds(len(expected))
    samples, rate = soundfile.read(downloaded(page, "Download", tmp_path), dtype="int16")
    assert rate == 44100
    assert np.array_equal(samples, expected)
    page.get_by_role("button", name="Once more with the same seed").click()
    expect(page.locator("#past-list li")).to_have_count(2)
    assert figure(page, "Seed") == seed


def test_another_format_is_downloaded(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    page.fill("#text", "Hello there.")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_label("Download as").select_option("flac")
    speak(page)
    expect(page.locator("#past-list li")).to_have_count(1)
    path = downloaded(page, "Download", tmp_path)
    assert path.suffix == ".flac" and soundfile.info(io.BytesIO(path.read_bytes())).samplerate == 44100


def test_what_is_chosen_reaches_the_server(open_page: Open, stages: FakeStages) -> None:
    page = open_page()
    page.fill("#text", "Hello there.")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_label("Seed", exact=True).fill("42")
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_label("Speed", exact=True).fill("2")
    speak(page)
    expect(page.locator("#past-list li")).to_have_count(1)
    (prompt,) = stages.prompts
    assert (prompt.sampling.seed, prompt.sampling.temperature) == (42, 0.5)
    assert figure(page, "Seed") == "42"
    assert figure(page, "Length") == seconds(12 * 2048 // 2)


def test_the_page_shows_how_a_text_is_read(open_page: Open, server: str) -> None:
    page = open_page()
    text = "On 3 May we sold 1,250 fish.\n\nSee you."
    page.fill("#text", text)
    page.get_by_role("button", name="How it is read").click()
    asked = {"text": text, "streaming": True}
    said = [segment["text"] for segment in httpx.post(f"{server}/v1/text/preview", json=asked).json()["segments"]]
    expect(page.locator("#reading li > span:first-child")).to_have_text(said)
    assert "one thousand" in said[0]
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_label("Write out numbers").uncheck()
    expect(page.locator("#reading li").first).to_contain_text("1,250")


def test_speech_comes_while_its_text_is_typed(open_page: Open, stages: FakeStages) -> None:
    page = open_page(listening=True)
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_label("Speak while I type").check()
    page.fill("#text", "")
    speak(page)
    page.locator("#text").press_sequentially("One sentence. And an")
    page.wait_for_function("() => heard.some((piece) => piece.some((sample) => sample))")
    assert [prompt.text for prompt in stages.prompts] == ["One sentence."]
    page.locator("#text").press_sequentially("other one")
    page.get_by_role("button", name="That is all").click()
    expect(page.locator("#past-list")).to_contain_text("One sentence. And another one")
    assert "".join(prompt.text for prompt in stages.prompts) == "One sentence.And another one"


def test_a_language_is_chosen(open_page: Open) -> None:
    page = open_page()
    page.fill("#text", "Paris 2026")
    page.get_by_role("button", name="How it is read").click()
    page.get_by_label("Language of the text").select_option("fr")
    expect(page.locator("#reading li").first).to_contain_text("deux mille")
    with page.expect_request("**/v1/tts") as asked:
        speak(page)
    assert 'name="language"\r\n\r\nfr\r\n' in (asked.value.post_data or "")


def test_the_head_moves_by_keys(open_page: Open) -> None:
    page = open_page()
    page.fill("#text", "Fifty characters of a fake voice make two seconds.")
    speak(page)
    ended(page)
    position = page.get_by_role("slider", name="Position")
    position.focus()
    position.press("Home")
    expect(position).to_have_attribute("aria-valuenow", "0.0")
    position.press("ArrowRight")
    expect(position).to_have_attribute("aria-valuenow", "2.0")


def test_the_history_stays_in_this_browser(open_page: Open, stages: FakeStages) -> None:
    page = open_page()
    page.fill("#text", "To be remembered.")
    speak(page)
    expect(page.locator("#past-list li")).to_have_count(1)
    page.reload()
    expect(page.locator("#past-list")).to_contain_text("To be remembered.")
    made = stages.blocks_made
    page.locator("#past-list").get_by_role("button", name="Play").click()
    expect(page.locator("#take").get_by_role("button", name="Pause")).to_be_visible()
    assert stages.blocks_made == made, "nothing is made again"
    page.get_by_role("button", name="Use this text and these settings again").click()
    expect(page.locator("#text")).to_have_value("To be remembered.")
    page.get_by_role("button", name="Forget all").click()
    page.locator("#ask-dialog").get_by_role("button", name="Forget all").click()
    expect(page.locator("#past")).to_be_hidden()
    page.reload()
    expect(page.locator("#text")).to_be_visible()
    expect(page.locator("#past")).to_be_hidden()


@pytest.mark.parametrize("key", ["Control+Enter", "Meta+Enter"])
def test_keys_speak(open_page: Open, key: str) -> None:
    page = open_page()
    page.locator("#text").press(key)
    expect(page.locator(".figures dt").first).to_have_text("First audio")
