"""Reading the files of a checkpoint directory, and refusing what is not understood."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from models.suggest import did_you_mean
from models.types import CheckpointError


def read_mapping(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    """A JSON or YAML file that holds a mapping. Raises CheckpointError where it is missing or holds something else."""
    try:
        data = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: see checkpoints/README.md for how to get a checkpoint") from error
    except (ValueError, yaml.YAMLError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} must hold a mapping")
    return data


def refuse_unknown(path: Path, keys: Iterable[str], known: set[str]) -> None:
    """Raises CheckpointError that names the first key that is not `known`, and the nearest that is."""
    for key in keys:
        if key not in known:
            raise CheckpointError(f"{path}: unknown key {key!r}{did_you_mean(key, known)}")
