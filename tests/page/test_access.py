"""For everybody: screen readers, keyboards, phones, the dark, and other languages."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from deployments.page.routes import FOLDER
from tests.page.conftest import MICROPHONE, Open

PHONE = {"width": 360, "height": 740}
VIEWS = ("speak", "voices", "system")
WORDS = {path.stem: json.loads(path.read_text()) for path in (FOLDER / "words").glob("*.json")}


def everything_open(page: Page, view: str) -> None:
    """All that a view can show at once."""
    if view == "speak":
        page.get_by_role("button", name="Speak", exact=True).click()
        expect(page.locator("#past-list li")).to_have_count(1)
        page.locator("#more-toggle").click()
        page.locator("label[for=card-own]").click()
        page.locator("#own input[type=file]").set_input_files(MICROPHONE)
        expect(page.locator("#own .faults li")).not_to_have_count(0)
    if view == "voices":
        page.locator("#add-voice").click()
    if view == "system":
        expect(page.locator("#system .verdict")).to_be_visible()
        for closed in page.locator("summary").all():
            closed.click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken(open_page: Open, scheme: str, subtests: pytest.Subtests) -> None:
    for view in VIEWS:
        page = open_page(view, color_scheme=scheme)
        everything_open(page, view)
        with subtests.test(view):
            results = Axe().run(page)
            assert results.violations_count == 0, results.generate_report()
        page.close()


def test_dialogs_break_none_either(open_page: Open) -> None:
    page = open_page("voices")
    page.evaluate("() => document.querySelector('#key-dialog').showModal()")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_needs_no_sideways_scrolling(open_page: Open, view: str) -> None:
    page = open_page(view)
    page.set_viewport_size(PHONE)
    everything_open(page, view)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


def test_on_a_phone_the_button_is_in_sight(open_page: Open) -> None:
    page = open_page()
    page.set_viewport_size(PHONE)
    expect(page.get_by_role("button", name="Speak", exact=True)).to_be_in_viewport()


def test_the_keyboard_alone_is_enough(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("() => document.activeElement.id"))
        if seen[-1] == "speak-button":
            break
    assert {"interface-language", "theme", "text", "more-toggle", "speak-button"} <= set(seen)
    page.keyboard.press("Enter")
    expect(page.locator("#past-list li")).to_have_count(1)
    page.get_by_role("radio", name="choice").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="From a recording")).to_be_checked()


def test_the_dark_is_chosen_and_kept(open_page: Open) -> None:
    page = open_page(color_scheme="light")
    paper = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    for name in ("Colours: as the system has them", "Colours: light"):
        page.get_by_role("button", name=name).click()
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
    assert page.evaluate(paper) == dark


def test_the_browser_s_language_is_spoken_and_another_can_be_chosen(browser: Browser, server: str) -> None:
    with browser.new_page(locale="de-AT") as page:
        page.goto(server)
        expect(page.get_by_role("button", name="Sprechen", exact=True)).to_be_visible()
        assert page.get_attribute("html", "lang") == "de"
        page.fill("#text", "Was hier steht, bleibt.")
        page.locator("#interface-language").select_option("zh")
        expect(page.get_by_role("button", name="朗读", exact=True)).to_be_visible()
        expect(page.locator("#count")).to_have_text("23 个字符")
        expect(page.locator("#text")).to_have_value("Was hier steht, bleibt.")
        page.reload()
        expect(page.get_by_role("button", name="朗读", exact=True)).to_be_visible()


def plural(key: str) -> str:
    """The key without the plural form, which languages have different ones of."""
    return re.sub(r"\.(zero|one|two|few|many|other)$", "", key)


@pytest.mark.parametrize("language", sorted(WORDS))
def test_every_sentence_is_there_in_every_language(language: str) -> None:
    english, words = WORDS["en"], WORDS[language]
    assert {plural(key) for key in words} == {plural(key) for key in english}
    for key, sentence in words.items():
        of = english[key if key in english else f"{plural(key)}.other"]
        assert set(re.findall(r"\{\w+\}", sentence)) == set(re.findall(r"\{\w+\}", of)), key


def test_every_key_that_is_used_has_a_sentence_and_none_is_left_over() -> None:
    sources = "\n".join(path.read_text() for path in FOLDER.rglob("*") if path.suffix in (".js", ".html"))
    used = set(re.findall(r"""["'`]([a-z]+\.[a-z_0-9]+)["'`]""", sources))
    prefixes = tuple(re.findall(r"`([a-z]+\.[a-z_]*)\$\{", sources))
    keys = {plural(key) for key in WORDS["en"]}
    assert {key for key in keys if key not in used and not key.startswith(prefixes)} == set()
    asked = r"""(?:data-t[-\w]*=|\b(?:t|text|label|say|name|confirm|askName)\([^"]*)"([a-z_]+\.[a-z_0-9]+)["]"""
    shown = re.findall(asked, sources)
    assert set(shown) - keys == set()


def test_the_languages_offered_are_those_there() -> None:
    offered = re.search(r"LANGUAGES = \{(.*?)\}", (FOLDER / "js/core/words.js").read_text())
    assert offered and set(re.findall(r"(\w+):", offered[1])) == set(WORDS)
