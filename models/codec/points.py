"""Convolutions by way of points (Toom-Cook, known as Winograd's): fewer products for the same results.

A convolution is a product of polynomials: it is known from the products of their values at as many points as it has
coefficients. Turned round (transposed), that gives `results` results of a causal convolution of `taps` weights from
results + taps - 1 products instead of results * taps. Nine points and infinity suffice for four results of seven
weights: 10 products instead of 28, in fp32 with seven times the rounding error of plain sums (4e-6 against 6e-7).
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

POINTS = [Fraction(p) for p in ("0", "1", "-1", "2", "-2", "1/2", "-1/2", "4", "-1/4")]  # and infinity
RESULTS, TAPS = 4, 7


def evaluate() -> Tensor:
    """(points, points) fp64: values at the points from as many rows, each row of it of a size near 1."""
    rows = [_coefficients(POINTS[:i] + POINTS[i + 1 :]) + [Fraction(0)] for i in range(len(POINTS))]
    return _matrix([*rows, _coefficients(POINTS)]) / _sizes()[:, None]


def interpolate() -> Tensor:
    """(RESULTS, points) fp64: results from the products at the points."""
    return _matrix([[p**j for p in POINTS] + [Fraction(j == RESULTS - 1)] for j in range(RESULTS)])


def weights() -> Tensor:
    """(points, TAPS) fp64: weights at the points from those of a convolution."""
    rows = []
    for i, p in enumerate(POINTS):
        others = Fraction(1)
        for q in POINTS[:i] + POINTS[i + 1 :]:
            others *= p - q
        rows.append([p**k / others for k in range(TAPS)])
    return _matrix([*rows, [Fraction(k == TAPS - 1) for k in range(TAPS)]]) * _sizes()[:, None]


def _coefficients(roots: list[Fraction]) -> list[Fraction]:
    """Of the polynomial with these roots, the lowest first."""
    found = [Fraction(1)]
    for root in roots:
        found = [low - root * high for low, high in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


def _sizes() -> Tensor:
    """What `evaluate` is divided by and `weights` multiplied: powers of two, so that neither rounds for it."""
    rows = [_coefficients(POINTS[:i] + POINTS[i + 1 :]) for i in range(len(POINTS))]
    sizes = [sum(map(abs, row)) for row in [*rows, _coefficients(POINTS)]]
    return torch.tensor([float(size) for size in sizes], dtype=torch.float64).log2().round().exp2()


def _matrix(rows: list[list[Fraction]]) -> Tensor:
    return torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float64)
