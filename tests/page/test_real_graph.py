"""The page and the real thing: the graph on the starter, through Ray Serve's own proxy, below a prefix. The README's
pictures are taken here, so that their figures are true: `make pictures` keeps them."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.graph.server import run
from tests.page.watching import Watch
from tests.paths import RECORDINGS, ROOT

SIZE = {"width": 1200, "height": 760}
PHONE = {"width": 390, "height": 800}
LEAST, MOST = 10_000, 200_000  # bytes of a picture: an empty one has fewer, and a README should load quickly
VOICES = {
    "Allison": ("allison-en.wav", "Congratulations! You have successfully installed and executed the Asterisk PBX."),
    "June": ("june-fr.wav", "Félicitations, vous avez bien installé et exécuté le projet libre Asterisk."),
}


@pytest.fixture(scope="module")
def starter(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    return run(ray_address, "page", ROOT / "checkpoints" / "starter", tmp_path_factory.mktemp("voices"), "/below")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return Path(os.environ.get("SHOAL_PICTURES", tmp_path))


def speak(page: Page) -> None:
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.locator(".figures")).to_contain_text("First audio", timeout=60_000)
    page.wait_for_function("() => /^0:0[1-9]/.test(document.querySelector('.clock').textContent)", timeout=60_000)


@pytest.mark.parametrize("end", ["/", ""])
def test_a_first_visitor_hears_the_starter(browser: Browser, starter: str, end: str) -> None:
    with browser.new_page(locale="en-US") as page:
        watch = Watch(page, starter)
        page.goto(starter + end)
        expect(page.locator("#state")).to_have_text("starter · CPU")
        speak(page)
        assert watch.faults == []


def test_pictures(browser: Browser, starter: str, pictures: Path) -> None:
    for name, (file, text) in VOICES.items():
        audio = {"audio": (RECORDINGS / file).read_bytes()}
        httpx.post(f"{starter}/v1/references/add", data={"id": name, "text": text}, files=audio, timeout=60)
    with browser.new_page(locale="en-US", viewport=SIZE, color_scheme="light") as page:
        page.goto(f"{starter}/")
        page.get_by_text("Allison").first.click()
        speak(page)
        page.locator("#take").get_by_role("button", name="Pause").click()
        page.mouse.move(0, 0)
        page.screenshot(path=pictures / "speak.png")
        page.get_by_role("link", name="System", exact=True).click()
        expect(page.locator("#system tbody tr").first).to_be_visible()
        page.screenshot(path=pictures / "system.png", full_page=True)
    with browser.new_page(locale="en-US", viewport=PHONE, color_scheme="dark") as page:
        page.goto(f"{starter}/")
        speak(page)
        page.screenshot(path=pictures / "phone.png")
    for name in ("speak", "system", "phone"):
        assert LEAST < (pictures / f"{name}.png").stat().st_size < MOST, name
