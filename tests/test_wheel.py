"""The wheel holds every module and the files they read; what serves imports without the packages of the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib.metadata import packages_distributions, requires
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.paths import ROOT

pytestmark = pytest.mark.slow

PACKAGES = ("deployments", "models", "cluster", "checkpoints", "shoal")
DATA = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
FUSED = "models.text_to_semantic.fused"  # Triton kernels for GPUs
RECIPE = "checkpoints.recipe"  # trains with upstream's networks, so it takes the packages of the tests

# Imports the modules it is given from a folder of their own; packages named after "--" are not there.
SCRIPT = """
import importlib, sys
modules, absent = sys.argv[1 : sys.argv.index("--")], set(sys.argv[sys.argv.index("--") + 1 :])

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path[:] = [Absent(), *(finder for finder in sys.meta_path if "editable" not in repr(finder).lower())]
for module in modules:
    print(importlib.import_module(module).__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the wheel is installed, by itself."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__", "*.pth"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*pip, *built], check=True)
    (wheel,) = folder.glob("shoal-*.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--target", str(folder / "site"), str(wheel)], check=True
    )
    return folder / "site"


def test_it_holds_every_module_and_what_they_read(installed: Path) -> None:
    patterns = ["*.py", *DATA["*"]]
    packages = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")}
    ours = {path.relative_to(ROOT) for folder in packages for path in folder.iterdir() if _any(path.name, patterns)}
    ours |= {path.relative_to(ROOT) for path in (ROOT / "deployments/page/static").rglob("*.*")}
    theirs = {path.relative_to(installed) for package in PACKAGES for path in (installed / package).rglob("*.*")}
    assert ours == {path for path in theirs if path.suffix != ".pyc"}
    assert Path("cluster/planning/tiers.yaml") in ours and Path("models/native/linear.h") in ours


def test_what_serves_imports_without_the_packages_of_tests(installed: Path) -> None:
    modules = [name for name in _modules(installed) if not name.startswith(RECIPE)]
    assert len(modules) > 100
    if not find_spec("triton"):  # torch for CPUs does not bring it
        modules = [name for name in modules if not name.startswith(FUSED)]
    _import(installed, modules, absent=_only_for_tests())


def test_the_command_needs_few_packages(installed: Path) -> None:
    """`pip install .` brings no torch and no Ray, and `shoal` must start without them."""
    metadata = next(installed.glob("shoal-*.dist-info")) / "METADATA"
    always = {line.split()[1] for line in metadata.read_text().splitlines() if _required(line)}
    assert always == {"httpx", "rich", "typer"}
    brought = {canonicalize_name(name) for name in _brought(always)}
    others = {
        top
        for top, bring in packages_distributions().items()
        if not {canonicalize_name(each) for each in bring} & brought
    }
    command = [name for name in _modules(installed) if name.split(".")[0] == "shoal"]
    assert len(command) > 10
    _import(installed, command, absent=others - {"shoal", "deployments", "models", "cluster", "checkpoints"})


def _required(line: str) -> bool:
    return line.startswith("Requires-Dist: ") and "extra ==" not in line


def _brought(names: set[str]) -> set[str]:
    """These packages and all that they require."""
    seen: set[str] = set()
    left = list(names)
    while left:
        if (name := left.pop()) not in seen:
            seen.add(name)
            found = [Requirement(each) for each in requires(name) or ()]
            left += [each.name for each in found if not each.marker or each.marker.evaluate({"extra": ""})]
    return seen


def test_the_recipe_imports(installed: Path) -> None:
    _import(installed, [name for name in _modules(installed) if name.startswith(RECIPE)], absent=set())


def _import(installed: Path, modules: list[str], absent: set[str]) -> None:
    command = [sys.executable, "-c", SCRIPT, *modules, "--", *sorted(absent)]
    done = subprocess.run(
        command, cwd=installed.parent, env={"PYTHONPATH": str(installed)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert all(Path(path).is_relative_to(installed) for path in done.stdout.split()), "imported from elsewhere"


def _modules(installed: Path) -> list[str]:
    """Dotted names of all modules; a __main__ runs when it is imported."""
    paths = (path for package in PACKAGES for path in (installed / package).rglob("*.py") if path.stem != "__main__")
    return sorted(
        ".".join(path.relative_to(installed).with_suffix("").parts).removesuffix(".__init__") for path in paths
    )


def _only_for_tests() -> set[str]:
    """Top-level modules that only packages of requirements-dev.txt bring."""
    lock = (ROOT / "requirements-dev.txt").read_text().splitlines()
    names = {canonicalize_name(Requirement(line).name) for line in lock}
    return {
        top for top, bring in packages_distributions().items() if {canonicalize_name(each) for each in bring} <= names
    }


def _any(name: str, patterns: list[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
