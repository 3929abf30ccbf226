"""The table: what is measured, what it must reach, and how measurements become JSON and Markdown."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `must` and `aim` are targets on a 2-core server CPU (the gpu lines: on an H100), None
    where there is none, or where the measurement states its own."""

    row: str
    what: str
    unit: str
    must: float | None
    aim: float | None = None
    higher_is_better: bool = False


LINES = {
    "t2s-1": Line("t2s-1", "text-to-semantic, 1 stream", "frames/s", 20, 30, True),
    "t2s-1-int4": Line("t2s-1", "the same in int4", "frames/s", None, None, True),
    "t2s-16": Line("t2s-16", "text-to-semantic, 16 streams together", "frames/s", 110, 200, True),
    "prefill": Line("prefill", "prefill of a 300-position prompt, to its first frame", "s", 1.0, 0.5),
    "prefix": Line("prefix", "the same voice again (target: its new text alone + 20 ms)", "s", None),
    "decode": Line("decode", "decode, streaming, 25-frame blocks", "RTF", 0.55, 0.3),
    "first-block": Line("first-block", "first 4-frame block through the decoder", "ms", 200, 100),
    "encode": Line("encode", "encode a 10 s reference", "RTF", 0.4, 0.2),
    "request": Line("request", "whole request, 1 stream, registered voice", "RTF", 1.6, 1.0),
    "ttfa": Line("ttfa", "time to first audio, registered voice, over HTTP", "s", 1.2, 0.5),
    "memory-lm": Line("memory", "resident memory of a text-to-semantic replica", "GB", 1.6),
    "memory-decoder": Line("memory", "resident memory of a decoder replica", "GB", 0.9),
    "memory-encoder": Line("memory", "resident memory of an encoder replica", "GB", 0.9),
    "growth-frames": Line("memory", "memory growth of all replicas over 1,020 frames", "GB", 0.05, 0),
    "growth-requests": Line("memory", "memory growth of all replicas over 200 requests", "GB", 0.05, 0),
    "overhead-ttfa": Line("graph-overhead", "the Ray graph's addition to the time to first audio", "ms", 15),
    "overhead-throughput": Line("graph-overhead", "throughput that the Ray graph costs, 8 streams", "%", 5),
    "poisson": Line("poisson", "goodput under Poisson arrivals, at the best rate", "audio s/s", None, None, True),
    "quality": Line("quality", "int8 against fp32: least cosine of any codebook's logits", "", 0.999, None, True),
    "quality-int4": Line("quality", "int4 against fp32: least cosine of any codebook's logits", "", None, None, True),
    "gpu-1": Line("gpu", "GPU: text-to-semantic, 1 stream", "frames/s", 400, None, True),
    "gpu-64": Line("gpu", "GPU: text-to-semantic, 64 streams together", "audio s/s", 200, None, True),
    "gpu-ttfa": Line("gpu", "GPU: first 4 frames of a registered voice, at the engine", "ms", 60),
    "gpu-decode": Line("gpu-graph", "GPU: decode, streaming, 25-frame blocks", "RTF", None),
    "gpu-first-block": Line("gpu-graph", "GPU: first 4-frame block through the decoder", "ms", None),
    "gpu-encode": Line("gpu-graph", "GPU: encode a 10 s reference", "RTF", None),
    "gpu-http-rtf": Line("gpu-graph", "GPU: whole request over HTTP, 1 stream, registered voice", "RTF", None),
    "gpu-http-ttfa": Line("gpu-graph", "GPU: time to first audio over HTTP, registered voice", "ms", None),
    "gpu-http-64": Line("gpu-graph", "GPU: 64 requests at once over HTTP", "audio s/s", None, None, True),
    "gpu-poisson": Line("gpu-graph", "GPU: goodput under Poisson arrivals, best rate", "audio s/s", None, None, True),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """A line measured. `must` replaces the line's where the target depends on the run; `skipped` says why there is no
    figure; `details` is whatever explains it, ready for JSON."""

    line: str
    ours: float | None
    upstream: float | None = None
    must: float | None = None
    skipped: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


def entry(figure: Figure) -> dict[str, Any]:
    """A figure as the JSON has it; `ratio` is above 1 where ours is better."""
    line = LINES[figure.line]
    must = line.must if figure.must is None else figure.must
    ratio = None
    if figure.ours and figure.upstream:
        ratio = figure.ours / figure.upstream if line.higher_is_better else figure.upstream / figure.ours
    reached = None
    if figure.ours is not None and must is not None:
        reached = figure.ours >= must if line.higher_is_better else figure.ours <= must
    return {
        "row": line.row,
        "what": line.what,
        "unit": line.unit,
        "ours": figure.ours,
        "upstream": figure.upstream,
        "ratio": ratio,
        "target": must,
        "aim": line.aim,
        "reached": reached,
        "skipped": figure.skipped,
        "machine": machine(),
        "date": date.today().isoformat(),
        "details": figure.details,
    }


def markdown(entries: list[dict[str, Any]], note: str) -> str:
    """Entries as a table, ready for the README."""
    rows = ["| what | unit | upstream | Shoal | times | target | reached |", "|---|---|---|---|---|---|---|"]
    for each in entries:
        ours = f"skipped: {each['skipped']}" if each["skipped"] else _number(each["ours"])
        target = _number(each["target"])
        if each["target"] is not None and LINES_BY_WHAT[each["what"]].higher_is_better:
            target = f"≥ {target}"
        elif each["target"] is not None:
            target = f"≤ {target}"
        reached = {True: "yes", False: "**no**", None: ""}[each["reached"]]
        ratio = f"{_number(each['ratio'])}x" if each["ratio"] else ""
        cells = [each["what"], each["unit"], _number(each["upstream"]), ours, ratio, target, reached]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([*rows, "", note])


LINES_BY_WHAT = {line.what: line for line in LINES.values()}


def machine() -> str:
    """The CPU, its cores as this process may use them, the memory."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = ""
    if hasattr(os, "sysconf"):
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB"
    return f"{model}, {cores} cores{memory}"


def _number(value: float | None) -> str:
    """Three significant digits, none after 100."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
