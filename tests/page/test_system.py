"""The System view: what the server says of itself, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from deployments.system.health import ServerInfo
from tests.deployments.fakes import FakeStages, make_app, serving
from tests.page.conftest import Open
from tests.page.info import info as info_of

INFO = info_of("epyc-2-core")


@pytest.fixture
def info() -> ServerInfo:
    return INFO


@pytest.fixture
def server(info: ServerInfo, tmp_path: Path) -> Iterator[str]:
    app = make_app(FakeStages(), str(tmp_path / "voices"))
    app.state.info = info
    with serving(app) as address:
        yield address


def test_it_tells_how_the_server_fares(open_page: Open) -> None:
    page = open_page("system")
    system = page.locator("#system")
    for words in ("All is well", "cpu-low", "epyc-2-core", "13.5 GB free", "58 °C", "3 / 16", "Slots in use"):
        expect(system).to_contain_text(words)
    expect(system.get_by_role("meter", name="CPU")).to_have_attribute("aria-valuenow", "37")


def test_it_tells_what_a_machine_is(open_page: Open) -> None:
    page = open_page("system")
    expect(page.locator(".machine")).to_contain_text("AMD EPYC")
    expect(page.locator(".machine")).to_contain_text("2 cores")


def test_it_tells_where_the_time_of_requests_went(open_page: Open) -> None:
    page = open_page("system")
    rows = page.locator("#system tbody tr")
    expect(rows).to_have_count(5)
    expect(rows.nth(0)).to_contain_text("102 characters")
    cloned = rows.nth(2).get_by_role("img")
    parts = ["reading the recording 1.1", "up to the first audio 0.29", "the rest of the speech 0.68"]
    says = "".join(f"{part}\u00a0s, " for part in parts) + "2\u00a0s in all"
    expect(cloned).to_have_attribute("aria-label", says)
    expect(rows.nth(4)).to_contain_text("Busy")


def test_it_tells_why_things_run_as_they_do(open_page: Open) -> None:
    page = open_page("system")
    stage = page.locator("article").filter(has_text="Text-to-semantic")
    for fact in ("CPU", "int8", "2 threads", "16 slots", "1 replica", "0.8 GB"):
        expect(stage).to_contain_text(fact)
    stage.get_by_text("Why").click()
    expect(stage).to_contain_text("a decode step is bound by reading weights")
    page.wait_for_timeout(2500)  # figures are read again meanwhile
    expect(stage.get_by_text("a decode step is bound by reading weights")).to_be_visible()


def test_it_tells_how_to_get_the_real_model(open_page: Open) -> None:
    page = open_page("system")
    page.get_by_text("How to get the real model").click()
    expect(page.locator("pre")).to_contain_text("CHECKPOINT=checkpoints/openaudio-s1-mini")


async def failing() -> dict[str, bool]:
    return {"reference_encoder": True, "text_to_semantic": True, "vq_decoder": False}


async def two_pools() -> dict[str, object]:
    pool = {"tier": "t", "replicas": {"text_to_semantic": 1, "vq_decoder": 1}}
    return {
        "reason": "the CPU stands by for when cuda is busy, full or down",
        "pools": [
            {"name": "cuda", "device": "cuda", "state": "running", **pool},
            {"name": "cpu", "device": "cpu", "state": "asleep", **pool},
        ],
        "decisions": [{"pool": "cpu", "reason": "the GPU is 90 % busy", "seconds_ago": 12.0}],
    }


@pytest.mark.parametrize("info", [replace(INFO, ready=failing)])
def test_it_says_what_cannot_work(open_page: Open) -> None:
    page = open_page("system")
    expect(page.locator("#system")).to_contain_text("The stage vq_decoder cannot work")
    expect(page.locator("#banner")).to_contain_text("The server is starting")


@pytest.mark.parametrize("info", [replace(INFO, pools=two_pools)])
def test_pools_can_be_seen_and_chosen(open_page: Open) -> None:
    page = open_page("system")
    for words in ("sleeps until it is needed", "the CPU stands by", "the GPU is 90 % busy"):
        expect(page.locator("#system")).to_contain_text(words)
    page.get_by_role("link", name="Speak", exact=True).click()
    page.get_by_role("button", name="More", exact=True).click()
    expect(page.get_by_label("Device").locator("option")).to_have_text(["Whichever is free", "cuda", "cpu"])
