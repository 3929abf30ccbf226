"""The recipe's settings file, checked before anything runs."""

import inspect
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

Kind = TypeVar("Kind")
AnyPhase = TypeVar("AnyPhase", bound="Phase")


@dataclass(frozen=True)
class Part:
    """A part of the corpus: `hours` spoken by `teacher`, `each` utterances a speaker, with its `voice` or with all in
    turn; or the recordings under `files`.
    `weight` is its share of what is learned; `lm: false` keeps it from the language model. `alone: true` makes its one
    speaker, the teacher as it is, the voice that speaks without a reference. `count` such parts, numbered and with
    seeds of their own, share the weight: a process renders each."""

    name: str
    teacher: str = ""
    voice: str = ""
    hours: float = 0.0
    each: int = 0
    seed: int = 0
    count: int = 1
    files: str = ""
    weight: float = 0.0
    lm: bool = True
    alone: bool = False


@dataclass(frozen=True)
class Phase:
    """Steps up to `until`, whose rate goes in a line from `rate`, where the phase before ended, to `last_rate`."""

    until: int
    rate: float
    last_rate: float


@dataclass(frozen=True)
class CodecPhase(Phase):
    """A step sees `batch` crops; `decoder: true` leaves the codes as they are."""

    batch: int
    decoder: bool = False


@dataclass(frozen=True)
class SequencePhase(Phase):
    """A step sees `batch` sequences of `length` positions."""

    batch: int
    length: int


@dataclass(frozen=True)
class CodecTraining:
    """`plain_steps` without quantisation come first; a crop has `seconds`. `listening` weighs what a recogniser hears:
    0 does without one."""

    architecture: Path
    phases: tuple[CodecPhase, ...]
    plain_steps: int
    seconds: float
    listening: float
    compile: bool


@dataclass(frozen=True)
class LanguageModelTraining:
    """`shape` are keys of config.json. A step learns `fast_frames` frames whole; `noise` is the largest share of frames
    replaced; `guidance` weighs what `guided_layers` are told."""

    shape: dict[str, Any]
    phases: tuple[SequencePhase, ...]
    fast_frames: int
    noise: float
    guidance: float
    guided_layers: tuple[int, ...]
    held_out_speakers: int
    compile: bool


@dataclass(frozen=True)
class Settings:
    """The whole file. `work` holds what is made on the way; `held_out_texts` sentences are kept for judging."""

    work: Path
    seed: int
    held_out_texts: int
    codec: CodecTraining
    lm: LanguageModelTraining
    parts: tuple[Part, ...] = field(default_factory=tuple)


def load(path: Path) -> Settings:
    """The settings in a YAML file. ValueError names the key that does not belong there."""
    raw = yaml.safe_load(path.read_text())
    parts = tuple(each for part in raw.pop("parts") for each in numbered(strict(Part, part, "parts")))
    architecture, crops = path.parent / raw["codec"]["architecture"], phases_of(CodecPhase, raw["codec"], "codec")
    codec = strict(CodecTraining, {**raw["codec"], "architecture": architecture, "phases": crops}, "codec")
    sequences, guided = phases_of(SequencePhase, raw["lm"], "lm"), tuple(raw["lm"]["guided_layers"])
    lm = strict(LanguageModelTraining, {**raw["lm"], "phases": sequences, "guided_layers": guided}, "lm")
    work = Path(raw["work"]).expanduser()
    return strict(Settings, {**raw, "work": work, "codec": codec, "lm": lm, "parts": parts}, path.name)


def named(parts: tuple[Part, ...], name: str | None) -> list[Part]:
    """All parts, or the one of that name. Raises ValueError where there is none."""
    found = [part for part in parts if name in (None, part.name)]
    if not found:
        raise ValueError(f"no part {name}: choose one of {', '.join(part.name for part in parts)}")
    return found


def numbered(part: Part) -> list[Part]:
    """The parts that one of the file stands for."""
    if part.count == 1:
        return [part]
    each = replace(part, weight=part.weight / part.count, count=1)
    return [replace(each, name=f"{part.name}{i + 1}", seed=part.seed + i) for i in range(part.count)]


def phases_of(kind: type[Kind], values: dict[str, Any], where: str) -> tuple[Kind, ...]:
    """The phases of a training, checked one by one."""
    return tuple(strict(kind, phase, f"{where}.phases") for phase in values.get("phases", ()))


def strict(kind: type[Kind], values: dict[str, Any], where: str) -> Kind:
    """The dataclass `kind` of these values. Raises ValueError that names each unknown key."""
    known = [name for name in inspect.signature(kind).parameters]
    if unknown := set(values) - set(known):
        raise ValueError(f"{where}: no setting {sorted(unknown)}; there are {known}")
    return kind(**values)


def scheduled(phases: tuple[AnyPhase, ...], step: int) -> tuple[AnyPhase, float, float]:
    """The phase that a step belongs to, how much of it is over, and the rate."""
    number = next(number for number, phase in enumerate(phases) if step < phase.until)
    phase, start = phases[number], phases[number - 1].until if number else 0
    share = (step - start) / (phase.until - start)
    return phase, share, phase.rate + (phase.last_rate - phase.rate) * share
