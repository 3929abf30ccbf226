"""The voice library: add, listen, rename, delete, and all of it as one file."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.deployments.fakes import FakeStages, recording
from tests.page.conftest import MICROPHONE, Open
from tests.page.watching import downloaded


@pytest.fixture
def registered(server: str) -> str:
    """A voice that is there already."""
    files = {"audio": recording(5)}
    httpx.post(
        f"{server}/v1/references/add", data={"id": "anna", "text": "Good morning."}, files=files
    ).raise_for_status()
    return "anna"


def ids(server: str) -> list[str]:
    return httpx.get(f"{server}/v1/references/list").json()["reference_ids"]


def names(page: Page) -> list[str]:
    return page.locator("#library h2").all_inner_texts()


def test_without_voices_it_says_what_one_needs(open_page: Open) -> None:
    page = open_page("voices")
    expect(page.locator("#library")).to_contain_text("No voice is registered yet")
    expect(page.get_by_role("button", name="Export all")).to_be_disabled()


def test_a_voice_is_added_and_can_speak(open_page: Open, server: str) -> None:
    page = open_page("voices")
    page.get_by_role("button", name="Add a voice").click()
    page.get_by_role("textbox", name="Name").fill("Allison")
    page.locator("#adding input[type=file]").set_input_files(MICROPHONE)
    page.locator("#adding").get_by_label("What is said in it").fill("Congratulations!")
    page.get_by_role("button", name="Save the voice").click()
    expect(page.locator("#notices")).to_contain_text("Voice 'Allison' is registered.")
    assert names(page) == ids(server) == ["Allison"]
    assert httpx.get(f"{server}/v1/references/Allison/audio").content == MICROPHONE.read_bytes()
    page.get_by_role("link", name="Speak", exact=True).click()
    page.locator("#cards-registered").get_by_text("Allison").click()
    expect(page.get_by_role("radio", name="Allison")).to_be_checked()


def test_a_refusal_is_shown_as_the_server_words_it(open_page: Open, registered: str) -> None:
    page = open_page("voices")
    page.get_by_role("button", name="Add a voice").click()
    page.get_by_role("textbox", name="Name").fill(registered)
    page.locator("#adding input[type=file]").set_input_files(MICROPHONE)
    page.locator("#adding").get_by_label("What is said in it").fill("Congratulations!")
    page.get_by_role("button", name="Save the voice").click()
    expect(page.locator("#notices")).to_contain_text("The voice 'anna' is already there")
    expect(page.get_by_role("textbox", name="Name")).to_have_value(registered)


def test_a_voice_is_heard(open_page: Open, registered: str, stages: FakeStages) -> None:
    page = open_page("voices")
    page.get_by_role("button", name=f"Listen to the recording of {registered}").click()
    expect(page.locator("#library button.on")).to_have_count(1)
    assert not stages.prompts
    page.get_by_role("button", name=f"Hear a sample of {registered}").last.click()
    expect(page.locator("#library button.on")).to_have_count(1)
    expect(page.locator("#library button.on")).to_have_count(0)
    assert stages.prompts[0].text == "Good morning."


def test_a_voice_is_renamed_and_deleted(open_page: Open, registered: str, server: str) -> None:
    page = open_page("voices")
    page.get_by_role("button", name=f"Rename {registered}").click()
    page.locator("#ask-dialog").get_by_label("Name").fill("berta")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.locator("#library h2")).to_have_text(["berta"])
    assert ids(server) == ["berta"]
    page.get_by_role("button", name="Delete berta").click()
    page.get_by_role("button", name="Cancel").last.click()
    assert ids(server) == ["berta"]
    page.get_by_role("button", name="Delete berta").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#library h2")).to_have_count(0)
    assert ids(server) == []


def test_all_voices_leave_and_come_back_as_one_file(
    open_page: Open, registered: str, server: str, tmp_path: Path
) -> None:
    page = open_page("voices")
    path = downloaded(page, "Export all", tmp_path)
    before = httpx.get(f"{server}/v1/references/anna/audio").content
    httpx.delete(f"{server}/v1/references/anna").raise_for_status()
    for said in ("1 voice was added.", "The voice 'anna' is already there"):
        with page.expect_file_chooser() as waiting:
            page.get_by_role("button", name="Import").click()
        waiting.value.set_files(path)
        expect(page.locator("#notices")).to_contain_text(said)
    assert httpx.get(f"{server}/v1/references/anna/audio").content == before
    assert httpx.get(f"{server}/v1/references/anna").json()["text"] == "Good morning."


@pytest.mark.parametrize("content", ["no JSON", json.dumps({"kind": "else", "voices": []})])
def test_another_file_is_refused(open_page: Open, content: str) -> None:
    page = open_page("voices")
    with page.expect_file_chooser() as waiting:
        page.get_by_role("button", name="Import").click()
    waiting.value.set_files({"name": "a.json", "mimeType": "application/json", "buffer": content.encode()})
    expect(page.locator("#notices")).to_contain_text("holds no exported voices")
