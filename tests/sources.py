"""The project's own modules as a graph of imports, read from their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.paths import ROOT

PACKAGES = ("deployments", "models", "cluster", "checkpoints", "shoal", "tests")


def imports(path: Path) -> Iterator[str]:
    """Names of the modules that a file imports, anywhere in it: `from a.b import c` may be a.b or a.b.c."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: a relative import"
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def packages(path: Path) -> set[str]:
    """Top-level packages that a file imports."""
    return {name.split(".")[0] for name in imports(path)}


@cache
def modules() -> dict[str, Path]:
    """{dotted name: file} of every module of ours; a package is its __init__.py."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@cache
def graph() -> dict[str, set[str]]:
    """{module: our modules that it imports, those within functions and for types alone included}."""
    return {name: set(imports(path)) & modules().keys() - {name} for name, path in modules().items()}
