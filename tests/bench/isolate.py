"""One measurement in one fresh process, so that no measurement's memory or threads colour another's figures."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Measurement = Callable[..., dict[str, Any]]


@dataclass(slots=True)
class Bench:
    """The arguments of every measurement: a checkpoint directory, torch's threads, and how often to repeat.

    `isolated` False runs measurements in this process: enough to see that they run. `plot` is where a row may draw.
    """

    checkpoint: Path
    threads: int
    repeats: int = 5
    isolated: bool = True
    plot: Path | None = None
    _done: dict[str, dict[str, Any]] = field(default_factory=dict)

    def measure(self, function: Measurement, **arguments: Any) -> dict[str, Any]:
        """`function(checkpoint, threads, repeats, **arguments)`, once in a run however many rows ask for it.

        Arguments and result are JSON. What the process writes to stderr is seen at once; RuntimeError if it fails.
        """
        given = {"checkpoint": str(self.checkpoint), "threads": self.threads, "repeats": self.repeats, **arguments}
        name = f"{function.__module__}:{function.__name__}"
        key = name + json.dumps(arguments, sort_keys=True)
        if key not in self._done:
            self._done[key] = _in_a_process(name, given) if self.isolated else _call(name, given)
        return self._done[key]


def _in_a_process(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    variables = {"OMP_NUM_THREADS": str(arguments["threads"])}
    if not name.partition(":")[2].startswith("upstream"):  # which is measured as it ships, and ours as in a replica
        variables["OMP_WAIT_POLICY"] = "PASSIVE"
    command = [sys.executable, "-m", "tests.bench.isolate", name, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | variables)
    if done.returncode:
        raise RuntimeError(f"{name} failed with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def _call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    import torch

    torch.set_num_threads(arguments["threads"])
    module, _, function = name.partition(":")
    with torch.no_grad():
        return getattr(importlib.import_module(module), function)(**arguments)


if __name__ == "__main__":
    print(json.dumps(_call(sys.argv[1], json.loads(sys.argv[2]))))
