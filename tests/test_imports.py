"""Imports go one way: deployments -> models, cluster. Every import that is not ours is a declared dependency."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.paths import ROOT

OURS = ("deployments", "models", "cluster", "checkpoints", "tests")
HTTP = {"starlette", "fastapi", "uvicorn", "httpx", "requests", "aiohttp", "http"}

# Files: the packages they must not know.
FORBIDDEN = [
    ("models/**/*.py", {"deployments", "cluster", "checkpoints", "tests", "ray", *HTTP}),
    ("cluster/**/*.py", {"deployments", "models", "checkpoints", "tests", "ray", *HTTP}),
    ("checkpoints/**/*.py", {"deployments", "cluster", "tests", "ray", *HTTP}),
    ("deployments/**/*.py", {"tests", "checkpoints"}),
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
    *("pytest-asyncio", "pytest-timeout", "ruff", "mypy", "clang-format"),
    *("descript-audio-codec", "einops", "loguru", "loralib"),  # what upstream's networks import
}
STUBS = "types-"  # types of packages that have none of their own: for mypy
OPTIONAL = {"matplotlib"}  # the benchmark draws only where it is installed


def imports(path: Path) -> Iterator[str]:
    """Names of the modules a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""


def packages(pattern: str) -> dict[str, set[str]]:
    """{file: the top-level packages it imports}; a pattern without files is a rule about nothing."""
    found = {str(path.relative_to(ROOT)): {name.split(".")[0] for name in imports(path)} for path in ROOT.glob(pattern)}
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
    declared = _names(project["project"]["dependencies"])
    dev = _names(project["dependency-groups"]["dev"])
    recipe = _names((ROOT / "checkpoints/recipe/requirements.txt").read_text().splitlines())
    assert _third_party("checkpoints/recipe") - declared - dev - recipe == set(), (
        "imported by the recipe, but not listed"
    )
    served = _third_party(*OURS[:-1]) - recipe - (_third_party("checkpoints/recipe") & dev)
    assert served - declared == set(), "imported, but not declared"
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
    outside = modules - sys.stdlib_module_names - set(OURS) - local
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
