"""The native sampler draws what the torch one does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.native import build
from models.text_to_semantic.native import abi
from models.text_to_semantic.native.packing import PENALTY_WINDOW
from models.text_to_semantic.network.sampling import SamplingRows, draw, exponential_noise

if reason := build.available():
    pytest.skip(reason, allow_module_level=True)


@pytest.mark.parametrize("size", [5, 1024, 4097])
@pytest.mark.parametrize("kind", ["flat", "ties", "narrow", "wide", "heavy"])
def test_draws_what_the_sorting_sampler_draws(kind: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Which of equal logits come first is for the sort to say; the kernel says the lower indices.
    stable = lambda x, dim, descending: torch.sort(x, dim=dim, descending=descending, stable=True)  # noqa: E731
    monkeypatch.setattr(Tensor, "sort", stable)
    rows, random = 150, np.random.default_rng(size)
    noise = random.normal(size=(rows, size))
    logits = {
        "flat": np.zeros_like(noise),
        "ties": np.round(2 * noise) / 2,
        "narrow": 0.1 * noise,
        "wide": 6 * noise,
        "heavy": random.standard_cauchy(size=(rows, size)),
    }[kind]
    logits = torch.from_numpy(logits).float()
    settings = [
        torch.from_numpy(random.uniform(low, high, (rows, 1))).float() for low, high in ((0.1, 1), (0.1, 1), (0.9, 2))
    ]
    if size > 5:  # whether five probabilities add up to more than 1 is a matter of rounding
        settings[1][::10] = 1.0
    seeds, steps = (torch.from_numpy(random.integers(0, 2**62, rows)) for _ in range(2))
    history = torch.from_numpy(random.integers(-1, size, (rows, PENALTY_WINDOW)))
    history[::3, 5:] = -1
    history[:, 1] = logits.argmax(dim=1)
    expected = torch.full((rows,), -1)
    for codebook in range(2):
        noise = exponential_noise(seeds, steps, codebook, size)
        sampler = SamplingRows(*settings, seeds)
        expected = draw(logits, sampler, history, noise)
        for i in range(rows):
            row = torch.full((size + 16,), float("nan"))
            row[:size] = logits[i]
            past = history[i].int().contiguous()
            numbers = [setting[i].item() for setting in settings]
            got = abi.functions().shoal_draw(
                row.data_ptr(), size, *numbers, seeds[i].item(), steps[i].item(), codebook, past.data_ptr()
            )
            assert got == expected[i], (i, settings[1][i])
