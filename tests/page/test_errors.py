"""What goes wrong, in the server's own words; and keys, where it asks for one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import expect

from models.types import Busy, NotReady
from tests.deployments.fakes import FakeStages, make_app
from tests.graph.server import free_port
from tests.page.conftest import Open

KEY = "a-key"
BUSY = "All slots are in use: try again later."


def test_a_refusal_is_shown_and_tried_again(open_page: Open, stages: FakeStages) -> None:
    stages.fail = Busy(BUSY, retry_after=3)
    page = open_page()
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(BUSY)
    expect(page.get_by_role("alert")).to_contain_text("3\u00a0s")
    stages.fail = None
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator("#past-list li")).to_have_count(1)


def test_speech_that_breaks_off_keeps_what_was_heard(open_page: Open, stages: FakeStages) -> None:
    stages.fail, stages.fail_after = NotReady("The decoder left."), 2
    page = open_page()
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The speech broke off")
    expect(page.locator("#take").get_by_role("button", name="Download")).to_be_enabled()
    expect(page.locator("#past")).to_be_hidden()


def test_an_empty_text_is_asked_for(open_page: Open, stages: FakeStages) -> None:
    page = open_page()
    page.fill("#text", "  ")
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("There is no text yet")
    expect(page.locator("#text")).to_be_focused()
    assert not stages.prompts


def test_the_page_says_when_the_server_leaves_and_comes_back(browser, tmp_path: Path) -> None:
    """Without the usual server: this one is started and stopped here, on a port that stays the same."""
    port = free_port()
    with browser.new_page(locale="en-US") as page:
        first = Serving(tmp_path, port)
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.locator("#state")).to_have_text("fake · CPU")
        first.stop()
        page.get_by_role("button", name="Speak", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        page.get_by_role("link", name="System", exact=True).click()
        expect(page.locator("#banner")).to_contain_text("The server does not answer")
        second = Serving(tmp_path, port)
        expect(page.locator("#banner")).to_be_hidden()
        second.stop()


class Serving:
    """A server on a port, to be stopped in the middle of a test."""

    def __init__(self, folder: Path, port: int) -> None:
        app = make_app(FakeStages(), str(folder / "voices"))
        config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            self._thread.join(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive(), "the server did not stop"


@pytest.mark.parametrize("api_keys", [(KEY,)])
def test_a_key_is_asked_for_once_and_kept_in_the_tab(open_page: Open, stages: FakeStages) -> None:
    page = open_page()
    asking = page.get_by_role("dialog", name="This server asks for a key")
    expect(asking).to_contain_text("Send a valid API key")
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_label("API key")).to_have_value("")
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    expect(asking).to_be_hidden()
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.locator("#past-list li")).to_have_count(1)
    assert page.evaluate("() => Object.values(localStorage).join()").count(KEY) == 0
    page.reload()
    expect(page.get_by_role("button", name="Markers")).to_be_visible()
    expect(asking).to_be_hidden()


@pytest.mark.parametrize("api_keys", [(KEY,)])
def test_the_key_goes_with_a_socket_too(open_page: Open, stages: FakeStages) -> None:
    page = open_page()
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_label("Speak while I type").check()
    page.get_by_role("button", name="Speak", exact=True).click()
    page.get_by_role("button", name="That is all").click()
    expect(page.locator("#past-list li")).to_have_count(1)


@pytest.mark.parametrize("api_keys", [(KEY,)])
def test_without_a_key_the_page_stays_and_asks_again(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Cancel").first.click()
    expect(page.locator("#notices")).to_contain_text("Send a valid API key")
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.get_by_role("dialog", name="This server asks for a key")).to_be_visible()
