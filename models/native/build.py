"""Compiles the kernels for this machine's CPU, once, into the user's cache directory."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent
FLAGS: tuple[str, ...] = ("-O3", "-march=native", "-std=c++17", "-pthread", "-Wno-psabi", "-shared", "-fPIC")
FLAGS += ("-fvisibility-inlines-hidden",)  # else functions that are not inlined are called through a table
TIMEOUT = 300  # seconds; it takes about ten

Signatures = Mapping[str, tuple[Any, Sequence[Any]]]  # functions by name: result and arguments as types of ctypes


class CannotBuild(Exception):
    """The kernels cannot be compiled or loaded here; the message says why in one line."""


def available() -> str | None:
    """None when the kernels can be used, compiling them if they are not yet; else the reason why not."""
    try:
        load()
    except CannotBuild as error:
        return str(error)
    return None


@functools.cache
def load(flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The compiled library. `flags` are added to the compiler's. Raises CannotBuild."""
    try:
        path = library_path(flags)
        if path.exists():
            with contextlib.suppress(OSError):  # cut off by a power cut, or made for another C library
                return ctypes.CDLL(str(path))
    except (OSError, RuntimeError) as error:
        raise CannotBuild(f"no cache directory (set XDG_CACHE_HOME): {error}") from error
    _compile(path, flags)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise CannotBuild(f"{path} cannot be loaded: {error}") from error


def declare(library: ctypes.CDLL, signatures: Signatures) -> ctypes.CDLL:
    """The library, told what each function `shoal_<name>` gives and takes."""
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"shoal_{name}")
        function.restype, function.argtypes = result, arguments
    return library


def library_path(flags: tuple[str, ...] = ()) -> Path:
    """Where the library for this source, these flags and this CPU lies, or will."""
    digest = hashlib.sha256(repr((FLAGS, flags, _cpu())).encode())
    for source in sorted([*SOURCES.glob("*.h"), *SOURCES.glob("*.cpp")]):
        digest.update(source.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "shoal" / f"{digest.hexdigest()[:16]}.so"


def _compile(path: Path, flags: tuple[str, ...]) -> None:
    """Write the library under another name, then rename: replicas may build at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            made = Path(scratch) / path.name
            command = [compiler(), *FLAGS, *flags, *map(str, sorted(SOURCES.glob("*.cpp"))), "-o", str(made)]
            result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
            if result.returncode:
                lines = result.stderr.splitlines()
                error = next((line for line in lines if "error" in line), lines[0] if lines else "no message")
                raise CannotBuild(f"{command[0]} failed: {error}")
            made.replace(path)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuild(f"cannot compile to {path}: {error}") from error


def compiler() -> str:
    """The path of a C++ compiler. Raises CannotBuild."""
    for name in (os.environ.get("CXX"), "g++", "clang++", "c++"):
        if name and (found := shutil.which(name)):
            return found
    raise CannotBuild("no C++ compiler (g++, clang++ or c++) is installed")


def _cpu() -> str:
    """The features that -march=native looks at: machines may share a cache directory."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features", "CPU part")
    return repr(sorted({line for line in lines if line.startswith(wanted)}))
