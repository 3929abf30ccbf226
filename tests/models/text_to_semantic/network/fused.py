"""The Triton kernels of a frame as these tests run them: on an NVIDIA GPU, or else interpreted, by numpy."""

from __future__ import annotations

import pytest
import torch

triton = pytest.importorskip("triton", reason="Triton is for Linux")
from triton.runtime import interpreter  # noqa: E402

if triton.knobs.runtime.interpret:
    patch = interpreter._patch_lang_tensor

    def patch_for_numpy(tensor: type, scope: object) -> None:
        """Triton 3.6 makes an int of an array of one element, which NumPy 2.4 refuses."""
        patch(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: self.handle.data.item())

    interpreter._patch_lang_tensor = patch_for_numpy

from models.text_to_semantic.fused import frame, layers, tokens  # noqa: E402  (after the patch above)
from models.text_to_semantic.fused.network import FusedNetwork  # noqa: E402

__all__ = ["FusedNetwork", "few_programs", "frame", "layers", "tokens"]


@pytest.fixture
def few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreted, a program takes a millisecond, however wide its tile."""
    if not torch.cuda.is_available():
        tile = frame._tile
        monkeypatch.setattr(frame, "_tile", lambda *shape: tile(*shape) | {"BLOCK_N": 64})
        monkeypatch.setattr(frame, "BLOCK_N", 64)
