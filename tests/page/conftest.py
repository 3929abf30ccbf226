"""A browser for the page: Debian's Chromium, with a recording for a microphone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from deployments.synthesis.segments import Limits
from tests.deployments.fakes import FakeStages, make_app, serving
from tests.page.watching import Watch, tap, tap_route
from tests.paths import RECORDINGS

CHROMIUM = shutil.which("chromium")
ELSEWHERE = "shoal.test"  # this machine under a name that browsers do not trust as they do localhost
MICROPHONE = RECORDINGS / "allison-en.wav"
SWITCHES = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    f"--use-file-for-fake-audio-capture={MICROPHONE}",
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
]

expect.set_options(timeout=15_000)

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for the whole folder. It is closed before other folders' tests: its loop stands in the way of theirs."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def stages() -> FakeStages:
    return FakeStages()


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def api_keys() -> tuple[str, ...]:
    return ()


@pytest.fixture
def server(stages: FakeStages, limits: Limits, api_keys: tuple[str, ...], tmp_path: Path) -> Iterator[str]:
    """The address of a server whose stages are fakes."""
    app = make_app(stages, str(tmp_path / "voices"), limits, api_keys)
    app.router.routes.insert(0, tap_route)
    with serving(app) as address:
        yield address


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(locale="en-US") as context:
        context.set_default_timeout(15_000)
        yield context


@pytest.fixture
def open_page(context: BrowserContext, server: str) -> Iterator[Open]:
    """Opens the page, and fails the test at its end if the page had a fault that no person would see."""
    watches: list[Watch] = []

    def open_page(view: str = "speak", address: str = server, listening: bool = False, **media: Any) -> Page:
        page = context.new_page()
        page.emulate_media(reduced_motion="reduce", **media)
        watches.append(Watch(page, address))
        if listening:
            tap(page)
        page.goto(f"{address}/#{view}")
        page.wait_for_selector("html:not(.loading)")
        return page

    yield open_page
    assert [fault for watch in watches for fault in watch.faults] == []
