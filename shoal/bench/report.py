"""The figures of a load test as a table and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.table import Table

from shoal.bench.figures import Phase
from shoal.failures import Exit, Failure


def table(phases: Sequence[Phase], slo: float) -> Table:
    """A row per rate."""
    columns = "rate", "sent", "heard", "refused", "failed", "first audio", "p95", "RTF", "stalled", "goodput"
    title = f"Requests per second; goodput: heard whole, within {slo:g} s, without a stall"
    found = Table(*columns, title=title, title_justify="left")
    for phase in phases:
        seconds = (_figure(phase.first_audio_p50), _figure(phase.first_audio_p95), _figure(phase.rtf_p50))
        counts = (phase.requests, phase.answered, phase.refused, phase.failed)
        found.add_row(f"{phase.rate:g}", *map(str, counts), *seconds, str(phase.underruns), f"{phase.goodput:.2f}")
    return found


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def check_plot(path: Path) -> None:
    """Raises Failure where a plot could not be drawn."""
    if find_spec("matplotlib") is None:
        raise Failure(f"{path} needs matplotlib: pip install matplotlib, or leave --plot out.", Exit.USAGE)


def plot(phases: Sequence[Phase], slo: float, path: Path) -> None:
    """Goodput and the time to first audio over the rate."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    rates = [phase.rate for phase in phases]
    above.plot(rates, rates, linestyle=":", color="gray", label="asked for")
    above.plot(rates, [phase.goodput for phase in phases], marker="o", label="heard well")
    above.set_ylabel("requests per second")
    above.legend()
    for name, values in (
        ("median", [phase.first_audio_p50 for phase in phases]),
        ("95th percentile", [phase.first_audio_p95 for phase in phases]),
    ):
        below.plot(rates, [float("nan") if value is None else value for value in values], marker="o", label=name)
    below.axhline(slo, linestyle=":", color="gray")
    below.set_ylabel("first audio, s")
    below.set_xlabel("requests per second")
    below.set_xscale("log", base=2)
    below.legend()
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be written: {error}.") from None
