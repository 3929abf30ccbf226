"""The command line of the load test."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from shoal.bench import report
from shoal.bench.figures import Heard, Phase, summary
from shoal.bench.load import Target, listen, phase
from shoal.failures import Exit, Failure
from shoal.options import AsJson, Key, ServerUrl
from shoal.screen import console, show
from shoal.server import DEFAULT_URL

TEXTS = (
    "Yes.",
    "The shoal turns as one.",
    "Please hold the line, the next free agent will be with you shortly.",
    "It rained all night, and in the morning the river had risen to the second step of the old stone bridge.",
    "She opened the letter, read it twice, folded it again, and looked out of the window for a long while. Then she "
    "took her coat from the chair and went out without a word.",
)
FIRST_RATE, LAST_RATE = 0.5, 64.0
STEP = 2.0
SATURATED = 0.5  # of the rate: below, a higher one tells nothing new

Rates = Annotated[
    str | None, typer.Option("--rates", help="Requests per second, as 1,2,4; else doubled until they are too many.")
]


def bench(
    rates: Rates = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Of each rate.")] = 30.0,
    slo: Annotated[float, typer.Option("--slo", min=0.01, help="Seconds in which a first sound is in time.")] = 1.0,
    model: Annotated[str, typer.Option("--model")] = "tts-1",
    voice: Annotated[str, typer.Option("--voice", "-v")] = "alloy",
    texts: Annotated[Path | None, typer.Option("--texts", help="A file, a text per line.")] = None,
    pcm_rate: Annotated[int, typer.Option("--pcm-rate", min=8000, help="Of the server's PCM, in Hz.")] = 24_000,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds for a whole response.")] = 120.0,
    seed: Annotated[int, typer.Option("--seed", help="Of the arrivals and of the choice of texts.")] = 0,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw it: a .png, .svg or .pdf.")] = None,
    as_json: AsJson = False,
    server: ServerUrl = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Load-test any server with OpenAI's /v1/audio/speech, at rising rates."""
    if plot:
        report.check_plot(plot)
    url = (server if "://" in server else f"http://{server}").rstrip("/").removesuffix("/v1")
    target = Target(url, key, model, voice, pcm_rate, timeout)
    lines = _lines(texts)
    given = _rates(rates)
    first = asyncio.run(_first(target, lines[0]))
    if not first.whole:
        told = f"{first.status}: {first.error}" if first.status else str(first.error)
        raise Failure(f"{url} does not speak: {told}", Exit.REFUSED if first.status else Exit.UNREACHABLE)
    phases: list[Phase] = []
    for rate in given or _doubling():
        phases.append(_run(target, lines, rate, seconds, slo, seed))
        if not given and phases[-1].goodput < SATURATED * rate:
            break
    if plot:
        report.plot(phases, slo, plot)
    if as_json:
        print(json.dumps({"server": url, "slo_seconds": slo, "phases": [asdict(each) for each in phases]}))
    else:
        show(report.table(phases, slo))


def _run(target: Target, texts: list[str], rate: float, seconds: float, slo: float, seed: int) -> Phase:
    heard_so_far = TextColumn("{task.completed:.0f} heard")
    columns = TextColumn("{task.description}"), BarColumn(), heard_so_far, TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"{rate:g} requests/s", total=max(1.0, rate * seconds))
        heard = asyncio.run(phase(target, texts, rate, seconds, seed, lambda: progress.advance(task)))
    return summary(rate, seconds, heard, slo)


async def _first(target: Target, text: str) -> Heard:
    """One request before all others: what is wrong is told at once, and a cold server is warm."""
    import httpx

    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    async with httpx.AsyncClient(base_url=target.url, headers=headers, timeout=target.timeout) as client:
        return await listen(client, target, text)


def _doubling() -> list[float]:
    rates = [FIRST_RATE]
    while rates[-1] < LAST_RATE:
        rates.append(rates[-1] * STEP)
    return rates


def _rates(given: str | None) -> list[float]:
    try:
        rates = [float(each) for each in (given or "").split(",") if each.strip()]
    except ValueError:
        rates = [-1.0]
    if any(not 0 < rate < 1e4 for rate in rates):
        raise Failure(f"--rates are numbers above 0, separated by commas: got {given!r}.", Exit.USAGE)
    return rates


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return list(TEXTS)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path} cannot be read: {error}.", Exit.USAGE) from None
    if not lines:
        raise Failure(f"{path} holds no text.", Exit.USAGE)
    return lines
