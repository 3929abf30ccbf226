"""The families that there are, and which of them a checkpoint directory is of."""

from __future__ import annotations

import json
from pathlib import Path

from models.checkpoint.files import read_mapping
from models.families.family import Family
from models.families.s1.family import S1
from models.types import CheckpointError

FAMILIES = (S1,)

_NAMED = 12  # files of a directory that an error names


def recognise(path: Path) -> Family:
    """The family of a checkpoint directory that holds every file of it. Raises CheckpointError that says what was found
    and what was wanted."""
    config = path / "config.json"
    if not config.is_file():
        found = sorted(each.name for each in path.iterdir())
        more = ", …" if len(found) > _NAMED else ""
        raise CheckpointError(
            f"{path} holds {', '.join(found[:_NAMED]) + more or 'nothing'}, but no config.json; {_wanted()}"
        )
    model_type = read_mapping(config, json.loads).get("model_type")
    for family in FAMILIES:
        if family.model_type == model_type:
            _check_files(path, family)
            return family
    raise CheckpointError(f"{config}: model_type is {model_type!r}, which is of no family; {_wanted()}")


def _check_files(path: Path, family: Family) -> None:
    missing = [name for name in family.files if not (path / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{path} lacks {', '.join(missing)}, which {family.name} needs: see checkpoints/README.md"
        )


def _wanted() -> str:
    """The families for an error."""
    each = [f"{f.name} (model_type {f.model_type!r} in config.json, and {', '.join(f.files)})" for f in FAMILIES]
    return f"the families are {', '.join(each)}: see checkpoints/README.md"
