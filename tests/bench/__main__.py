"""`python -m tests.bench [ROW ...]`: upstream against Shoal, same weights, same run. See tests/bench/README.md."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tests.bench.isolate import Bench
from tests.bench.report import Figure, entry, machine, markdown
from tests.paths import ROOT

S1_MINI = ROOT / "checkpoints" / "s1-mini-random"

# Where each row is; a family is imported when one of its rows runs (the gpu row needs no server).
ROWS = {
    "t2s-1": "t2s:t2s_1",
    "t2s-16": "t2s:t2s_16",
    "prefill": "t2s:prefill",
    "prefix": "t2s:prefix",
    "decode": "codec:decode",
    "first-block": "codec:first_block",
    "encode": "codec:encode",
    "request": "serving:request",
    "ttfa": "serving:ttfa",
    "memory": "serving:memory",
    "graph-overhead": "serving:graph_overhead",
    "poisson": "poisson:poisson",
    "quality": "quality:quality",
    "gpu": "gpu.engine:gpu",
    "gpu-graph": "gpu.graph:gpu_graph",
}


def run(bench: Bench, rows: Sequence[str]) -> list[dict[str, Any]]:
    """The JSON entries of the rows, in the table's order; a row that fails says so on stderr and has none."""
    entries = []
    for name in [name for name in ROWS if name in rows]:
        module, _, function = ROWS[name].partition(":")
        began = time.monotonic()
        try:
            figures: list[Figure] = getattr(importlib.import_module(f"tests.bench.{module}"), function)(bench)
        except Exception as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        entries += map(entry, figures)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return entries


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {' '.join(ROWS)}; without any: all")
    parser.add_argument("--json", type=Path, help="write the entries to this file, and plots beside it")
    parser.add_argument(
        "--checkpoint", default="s1-mini", help="s1-mini (random, S1-mini's shapes), tiny, or a directory"
    )
    parser.add_argument("--repeats", type=int, default=5, help="of each measurement, where upstream's speed allows")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="for either side, each stage")
    asked = parser.parse_args()
    rows = asked.rows or list(ROWS)
    if unknown := set(rows) - set(ROWS):
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {' '.join(ROWS)}")
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(_checkpoint(asked.checkpoint, Path(scratch), rows), asked.threads, asked.repeats)
        bench.plot = asked.json and asked.json.with_suffix(".png")
        entries = run(bench, rows)
    note = f"{machine()}; {asked.threads} threads on either side; {entries[0]['date'] if entries else ''}; "
    print(markdown(entries, note + f"medians of {asked.repeats}; weights: {asked.checkpoint}."))
    if asked.json:
        asked.json.write_text(json.dumps(entries, indent=2) + "\n")
    return 0 if {each["row"] for each in entries} == set(rows) else 1


def _checkpoint(name: str, scratch: Path, rows: Sequence[str]) -> Path:
    recipes = {"tiny": scratch / "tiny", "s1-mini": S1_MINI}
    path = recipes.get(name, Path(name))
    if name in recipes and not (path / "codec.pth").exists() and set(rows) != {"gpu"}:
        subprocess.run([sys.executable, "-m", "checkpoints.build", name, str(path)], check=True, stdout=sys.stderr)
    return path


if __name__ == "__main__":
    sys.exit(main())
