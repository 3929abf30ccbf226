"""Compiling the kernels, and what becomes of a machine or a checkpoint where they cannot be used."""

from __future__ import annotations

import mmap
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.checkpoint.reader import Checkpoint
from models.checkpoint.tensors import language_model_shapes
from models.native import build
from models.runtime import memory
from models.text_to_semantic.load import make_network
from models.text_to_semantic.network.torch_network import TorchNetwork
from models.text_to_semantic.network.weights import Weights

pytestmark = pytest.mark.slow

if reason := build.available():
    pytest.skip(reason, allow_module_level=True)

QUICK = ("-O0", "-march=x86-64", "-DSHOAL_PORTABLE")


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A cache directory of its own, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    build.load.cache_clear()
    yield tmp_path
    build.load.cache_clear()


def test_a_compiler_that_fails_is_a_reason(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    with pytest.raises(build.CannotBuild, match="no-such-option"):
        build.load(("--no-such-option",))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert "no C++ compiler" in build.available()
    assert not list(cache.rglob("*.so"))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs a compiler for x86")
@pytest.mark.parametrize(
    "cpu", ["x86-64", "haswell", "alderlake", "skylake-avx512", "icelake-server", "sapphirerapids"]
)
def test_every_cpus_kernels_compile(cpu: str, tmp_path: Path) -> None:
    """Those of which this machine runs none as well."""
    for source in build.SOURCES.glob("*.cpp"):
        options = ("-std=c++17", f"-march={cpu}", "-O1", "-Wno-psabi", "-S", "-o", str(tmp_path / "kernels.s"))
        done = subprocess.run([build.compiler(), *options, str(source)], capture_output=True, text=True, check=False)
        if "bad value" in done.stderr or "unknown target CPU" in done.stderr:
            pytest.skip(f"this compiler does not know {cpu}")
        assert done.returncode == 0, done.stderr


def test_a_library_that_was_cut_off_is_made_again(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, *QUICK))
    path = build.library_path()
    path.parent.mkdir()
    path.touch()
    assert build.load().shoal_create and path.stat().st_size > 0


def test_without_a_home_there_is_a_reason(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", unknown)
    assert "set XDG_CACHE_HOME" in build.available()


def test_a_kernel_that_takes_no_advice_gives_small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 9999, raising=False)
    monkeypatch.setattr(memory, "_huge_pages_are_small", lambda: True)
    assert memory.lazy_zeros(5000).count_nonzero() == 0


@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_a_checkpoint_too_wide_for_the_kernels_runs_on_torch(tiny: Path, quantization: str) -> None:
    config, encoder = Checkpoint(tiny).language_model_config, Checkpoint(tiny).prompt_encoder()
    wide = replace(config, slow=replace(config.slow, head_dim=264, n_head=2, n_local_heads=2))
    tensors = {name: torch.zeros(shape) for name, shape in language_model_shapes(wide).items()}
    options = {"device": "cpu", "dtype": torch.bfloat16, "quantization": quantization, "slots": 1, "threads": 1}
    network = make_network(Weights.of(wide, encoder.ids, tensors), positions=32, **options)
    assert isinstance(network, TorchNetwork) and network.quantization == "int8"
