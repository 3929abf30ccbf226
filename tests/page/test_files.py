"""The page's files as a browser gets them: kinds, policy, caching; and what holds for all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from deployments.page.routes import FOLDER, INDEX, TYPES
from tests.deployments.fakes import FakeStages, make_app

FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
LINES = 250


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(make_app(FakeStages(), str(tmp_path / "voices"), api_keys=("a-key",)))


def folder(client: TestClient) -> str:
    """Where the page says that its files are."""
    (found,) = set(re.findall(r'"(page/\w+/)', client.get("/").text))
    return found


@pytest.mark.parametrize("name", FILES)
def test_each_file_comes_without_a_key_as_what_it_is(client: TestClient, name: str) -> None:
    answer = client.get(f"/{folder(client)}{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == TYPES[Path(name).suffix]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    if name != INDEX:
        assert answer.content == (FOLDER / name).read_bytes()


def test_the_page_is_asked_for_each_time_and_sent_once(client: TestClient) -> None:
    first = client.get("/")
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    again = client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head("/").headers["content-length"] == str(len(first.content))


def test_files_of_another_version_are_not_kept(client: TestClient) -> None:
    """As while replicas of two releases answer."""
    assert client.get("/page/0123456789abcdef/css/base.css").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["nothing.js", "../routes.py", "%2e%2e/routes.py", "js", ""])
def test_there_is_nothing_else(client: TestClient, path: str) -> None:
    assert client.get(f"/page/files/{path}").status_code in (401, 404)
    assert client.get(f"/{folder(client)}{path}").status_code in (401, 404)


def test_the_policy_allows_our_own_files_only(client: TestClient) -> None:
    policy = dict(part.split(" ", 1) for part in client.get("/").headers["content-security-policy"].split("; "))
    assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("form-action") == "'none'"
    assert policy.pop("frame-ancestors") == policy.pop("trusted-types") == "'none'"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert set(policy.values()) == {"'self'"}


@pytest.mark.parametrize("name", FILES)
def test_each_file_can_be_read_in_one_sitting(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert len(text.splitlines()) <= LINES
    assert max(map(len, text.splitlines())) <= (1000 if name.endswith((".json", ".svg")) else 250)


@pytest.mark.parametrize("name", FILES)
def test_no_file_loads_anything_from_elsewhere(name: str) -> None:
    """Addresses are for people to follow, and names of XML; nothing is loaded from one."""
    for line in (FOLDER / name).read_text().splitlines():
        for address in re.findall(r"https?://[^\s\"'`)]+", line):
            assert address.startswith(("http://www.w3.org/2000/svg", "https://huggingface.co/fishaudio/")), line
    assert not re.search(
        r"\b(innerHTML|outerHTML|insertAdjacentHTML|eval|document\.write)\b", (FOLDER / name).read_text()
    )


def test_every_file_is_used() -> None:
    sources = {name: (FOLDER / name).read_text() for name in FILES}
    for name in FILES:
        others = "".join(text for other, text in sources.items() if other != name)
        assert name == INDEX or name.startswith("words/") or Path(name).name in others, f"{name} is never loaded"
