"""A server as the commands ask it: answers as Python values, refusals as sentences."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from shoal.failures import Exit, Failure
from shoal.screen import console

DEFAULT_URL = "http://localhost:8000"
PATIENCE = 60.0  # seconds for which a busy server is asked again
SPEECH_TIMEOUT = 600.0  # seconds between two blocks of speech, and to the first: a standby pool may have to start


class Server:
    """One server. `timeout` is in seconds, for everything but speech."""

    def __init__(self, url: str = DEFAULT_URL, key: str | None = None, timeout: float = 30.0) -> None:
        if "://" not in url:
            url = f"http://{url}"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = url.rstrip("/")
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)
        except httpx.InvalidURL as error:
            raise Failure(f"{url} is no address of a server: {error}", Exit.USAGE) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """The JSON of an answer. Raises Failure."""
        with self._open(method, path, **request) as response:
            response.read()
            return _json(response, self.url)

    def voices(self) -> list[str]:
        """Names of the registered voices."""
        return list(self.ask("GET", "/v1/references/list")["reference_ids"])

    def health(self) -> dict[str, Any]:
        """The state of everything, also while the server is not ready. Raises Failure."""
        with _told(self.url), self._http.stream("GET", "/health") as response:
            response.read()
            if response.status_code not in (200, 503):
                raise _refusal(response)
            return dict(_json(response, self.url))

    @contextmanager
    def speech(self, **request: Any) -> Iterator[httpx.Response]:
        """The response to a speech request, its audio still to come. Waits while the server is busy."""
        timeout = httpx.Timeout(SPEECH_TIMEOUT, connect=10.0)
        with self._open("POST", "/v1/tts", timeout=timeout, patience=PATIENCE, **request) as response:
            yield response

    @contextmanager
    def _open(self, method: str, path: str, patience: float = 0.0, **request: Any) -> Iterator[httpx.Response]:
        deadline = time.monotonic() + patience
        with _told(self.url):
            while True:
                with self._http.stream(method, path, **request) as response:
                    if response.is_success:
                        yield response
                        return
                    response.read()
                    refusal, wait = _refusal(response), _retry_after(response)
                if refusal.exit_code is not Exit.BUSY or time.monotonic() + wait > deadline:
                    raise refusal
                with console.status(f"The server is busy; asking again in {wait:.0f} s"):
                    time.sleep(wait)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """What fails on the way, in a sentence."""
    try:
        yield
    except httpx.ConnectError:
        message = f"No server answers at {url}: start one with `shoal serve`, or name another with --server."
        raise Failure(message, Exit.UNREACHABLE) from None
    except httpx.TimeoutException:
        raise Failure(f"The server at {url} did not answer in time: try again.", Exit.UNREACHABLE) from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise Failure(f"{url} is no address of a server: {error}", Exit.USAGE) from None
    except httpx.TransportError as error:
        raise Failure(f"The connection to {url} broke off: {error or type(error).__name__}.") from None


def _json(response: httpx.Response, url: str) -> Any:
    try:
        return response.json()
    except ValueError:
        raise Failure(f"What answers at {url} is no Shoal server: its answer is not JSON.") from None


def _refusal(response: httpx.Response) -> Failure:
    """An error response as the sentence in it."""
    code = response.status_code
    status = Exit.BUSY if code in (429, 503) else Exit.REFUSED if code < 500 else Exit.FAILED
    sentence = _sentence(response)
    if code == 401:
        sentence = f"The server asks for an API key: give one with --key or SHOAL_API_KEY. It says: {sentence}"
    return Failure(sentence, status)


def _sentence(response: httpx.Response) -> str:
    """The message of Fish's, OpenAI's or KServe's form of an error, else the status."""
    try:
        body = response.json()
    except ValueError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    for found in (
        body.get("message") if isinstance(body, dict) else None,
        error.get("message") if isinstance(error, dict) else error,
    ):
        if isinstance(found, str) and found:
            return found
    return f"The server answered {response.status_code} {response.reason_phrase}."


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 1.0
