"""A first visit to the real thing: the graph on the starter, through Ray Serve's own proxy."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.graph.server import run
from tests.page.watching import Watch
from tests.paths import ROOT


@pytest.fixture(scope="module")
def starter(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    return run(ray_address, "page", ROOT / "checkpoints" / "starter", tmp_path_factory.mktemp("voices"), "/below")


@pytest.mark.parametrize("end", ["/", ""])
def test_a_first_visitor_hears_the_starter(browser: Browser, starter: str, end: str, tmp_path: Path) -> None:
    with browser.new_page(locale="en-US") as page:
        watch = Watch(page, starter)
        page.goto(starter + end)
        expect(page.locator("#state")).to_have_text("starter · CPU")
        page.get_by_role("button", name="Speak", exact=True).click()
        page.wait_for_function("() => /^0:0[1-9]/.test(document.querySelector('.clock')?.textContent)", timeout=60_000)
        expect(page.locator(".figures")).to_contain_text("First audio", timeout=60_000)
        assert watch.faults == []
