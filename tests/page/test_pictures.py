"""The pictures of the README, made anew by `make pictures`; elsewhere they are only taken."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, expect

from models.types import Prompt
from tests.deployments.fakes import FRAME, FakeStages, make_app, serving
from tests.page.info import info
from tests.paths import RECORDINGS

SIZE = {"width": 1200, "height": 760}
PHONE = {"width": 390, "height": 800}
SMALL = 150_000  # bytes
VOICES = {
    "Allison": ("allison-en.wav", "Congratulations! You have successfully installed and executed the Asterisk PBX."),
    "June": ("june-fr.wav", "Félicitations, vous avez bien installé et exécuté le projet libre Asterisk."),
}


class SpokenStages(FakeStages):
    """Stages that speak a recording, so that what is drawn looks as speech does."""

    sample_rate = 16000
    frame_rate = 16000 / FRAME

    async def speak(self, prompt: Prompt, within: float = 0.0) -> AsyncGenerator[np.ndarray, None]:
        samples, _ = soundfile.read(RECORDINGS / "allison-en.wav", dtype="float32")
        for at in range(0, 7 * self.sample_rate, FRAME):
            await asyncio.sleep(0)
            yield samples[at : at + FRAME]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(os.environ.get("SHOAL_PICTURES", tmp_path))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    app = make_app(SpokenStages(), str(tmp_path / "voices"))
    app.state.info = info("epyc-2-core")
    with serving(app) as address:
        for name, (file, text) in VOICES.items():
            audio = {"audio": (RECORDINGS / file).read_bytes()}
            httpx.post(f"{address}/v1/references/add", data={"id": name, "text": text}, files=audio).raise_for_status()
        yield address


def take(page: Page, path: Path) -> None:
    page.screenshot(path=path)
    assert 10_000 < path.stat().st_size < SMALL, "a picture for a README, and not an empty one"


def speak(page: Page) -> None:
    page.get_by_text("Allison").first.click()
    page.get_by_role("button", name="Speak", exact=True).click()
    page.wait_for_function("() => document.querySelector('.clock').textContent.startsWith('0:03')")
    page.locator("#take").get_by_role("button", name="Pause").click()
    page.mouse.move(0, 0)


def test_pictures(browser: Browser, server: str, folder: Path) -> None:
    with browser.new_page(locale="en-US", viewport=SIZE, color_scheme="light") as page:
        page.goto(server)
        speak(page)
        take(page, folder / "speak.png")
        page.get_by_role("link", name="System", exact=True).click()
        expect(page.locator("#system .machine")).to_be_visible()
        take(page, folder / "system.png")
    with browser.new_page(locale="en-US", viewport=PHONE, color_scheme="dark") as page:
        page.goto(server)
        speak(page)
        take(page, folder / "phone.png")
