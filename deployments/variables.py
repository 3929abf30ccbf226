"""Environment variables that win over the configuration file, those of earlier Fish Speech servers among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.planning.stages import LM


def _number(text: str) -> int | str:
    """What is no number stays as it is, for the settings to name it."""
    return int(text) if text.isdecimal() else text


def _flag(text: str) -> bool | str:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    return words.get(text.lower(), text)


def _quantization(text: str) -> str:
    return {"4bit": "int4", "8bit": "int8"}.get(text.lower(), text.lower())


@dataclass(frozen=True, slots=True)
class Variable:
    """Where among the configuration's `args` a variable's value goes, and how it is read. `older`: the variable is
    another server's, and "auto" leaves the choice to the plan."""

    place: tuple[str, ...]
    read: Callable[[str], object] = str
    older: bool = False


VARIABLES = {
    "CHECKPOINT": Variable(("checkpoint",)),
    "DEVICE": Variable(("device",), str.lower),
    "VOICES": Variable(("voices",)),
    "NODES": Variable(("nodes",), _number),
    "LOG_LEVEL": Variable(("log_level",), str.lower),
    "CSV": Variable(("monitoring", "csv")),
    "MIXED_PRECISION": Variable(("stages", LM, "precision"), str.lower, older=True),
    "QUANTIZATION": Variable(("stages", LM, "quantization"), _quantization, older=True),
    "ENABLE_TORCH_COMPILE": Variable(("stages", LM, "compile"), _flag, older=True),
    "MAX_SEQ_LEN": Variable(("stages", LM, "max_positions"), _number, older=True),
}
# Variables of those servers that are not followed, and what is set instead. OMP_NUM_THREADS is many programs': one that
# a shell has for another must not keep this server from starting.
ELSEWHERE = {
    "OMP_NUM_THREADS": "stages.<stage>.threads in serve_config.yaml",
    "CHUNK_LENGTH": "chunk_length in a request",
    "MODEL_DIR": "the variable CHECKPOINT",
}


def overlaid(args: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """A configuration's `args` with the values of the variables that are set."""
    found: dict[str, Any] = dict(args)
    for name, variable in VARIABLES.items():
        if _is_set(name, variable, environment):
            found = _with(found, variable.place, variable.read(environment[name]))
    return found


def notes(environment: Mapping[str, str]) -> list[str]:
    """A sentence about each variable of an earlier server that is set: what it does here, or what does it instead."""
    older = {name: each for name, each in VARIABLES.items() if each.older and _is_set(name, each, environment)}
    followed = [f"{name}={environment[name]} sets {'.'.join(each.place)}." for name, each in older.items()]
    return followed + [
        f"{name} is not followed: set {place}." for name, place in ELSEWHERE.items() if name in environment
    ]


def _is_set(name: str, variable: Variable, environment: Mapping[str, str]) -> bool:
    given = environment.get(name, "")
    return bool(given) and not (variable.older and given.lower() == "auto")


def _with(args: Mapping[str, Any], place: tuple[str, ...], value: object) -> dict[str, Any]:
    """A copy with a value at a place; a section that is no mapping is the settings' to refuse."""
    key, *deeper = place
    if not deeper:
        return {**args, key: value}
    section = args.get(key) or {}
    return {**args, key: _with(section, tuple(deeper), value) if isinstance(section, Mapping) else section}
