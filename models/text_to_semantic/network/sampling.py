"""Drawing codes from logits, row by row alike: penalty, top-p, temperature, Gumbel argmax, in upstream's order.

Random numbers are a function of (seed, step, codebook, candidate), so a request draws the same alone and in a crowd.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(slots=True)
class SamplingRows:
    """The settings of each row, (B, 1) fp32 each but seed (B,) int64."""

    temperature: Tensor
    top_p: Tensor
    repetition_penalty: Tensor
    seed: Tensor


def exponential_noise(seed: Tensor, step: Tensor, codebook: int, size: int) -> Tensor:
    """(B, size) fp32 draws of an exponential distribution, a pure function of its arguments on every device.

    The mixing is SplitMix64's finaliser (Steele, Lea, Flood 2014) over a counter; the top 23 bits become a uniform, as
    a 24th could round it up to 1, whose noise of 0 would win every draw.
    """
    key = _mix(_mix(seed + GOLDEN) + step * STEP + codebook)
    candidates = torch.arange(size, dtype=torch.int64, device=seed.device)
    bits = _mix(key[:, None] + candidates * GOLDEN)
    uniform = ((bits >> 41) & 0x7FFFFF).float().add_(0.5).mul_(2.0**-23)
    return uniform.log_().neg_()


def draw(logits: Tensor, rows: SamplingRows, history: Tensor, noise: Tensor) -> Tensor:
    """Indices (B,) drawn from logits (B, V) fp32; history (B, W) holds the ids to penalise, -1 where there is none."""
    penalised = _penalise(logits, rows.repetition_penalty, history)
    ordered, order = penalised.sort(dim=-1, descending=True)
    # Upstream keeps a candidate while the sum up to and including it stays within top_p, and always the first.
    outside = ordered.softmax(-1).cumsum(-1) > rows.top_p
    outside[:, 0] = False
    # argmax(p / q) for exponential q, in logarithms; among the sorted candidates, then mapped back.
    score = (ordered / rows.temperature).masked_fill_(outside, -torch.inf) - noise.gather(-1, order).log()
    return order.gather(-1, score.argmax(-1, keepdim=True)).squeeze(-1)


def _penalise(logits: Tensor, penalty: Tensor, history: Tensor) -> Tensor:
    size = logits.shape[-1]
    seen = torch.zeros(logits.shape[0], size + 1, dtype=torch.bool, device=logits.device)
    seen.scatter_(1, torch.where(history < 0, size, history), True)
    return torch.where(seen[:, :size], torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift_right(x, 30)) * MIX_1
    x = (x ^ _shift_right(x, 27)) * MIX_2
    return x ^ _shift_right(x, 31)


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift of int64: torch's own keeps the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(x: int) -> int:
    return x - (1 << 64) if x >> 63 else x


GOLDEN = _signed(0x9E3779B97F4A7C15)
STEP = _signed(0xD1B54A32D192ED03)
MIX_1 = _signed(0xBF58476D1CE4E5B9)
MIX_2 = _signed(0x94D049BB133111EB)
