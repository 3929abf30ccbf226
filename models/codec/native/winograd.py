"""Winograd's minimal filtering, also known as Toom-Cook: convolutions with fewer products for the same results.

A convolution is a product of polynomials, which is determined by the products of their values at as many points as it
has coefficients. Transposed, this gives RESULTS results of a causal convolution of TAPS weights from RESULTS + TAPS - 1
products instead of RESULTS * TAPS. Nine points and infinity suffice for four results of seven weights: 10 products
instead of 28, in fp32 with seven times the rounding error of plain sums (4e-6 against 6e-7).
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import torch
from torch import Tensor

POINTS = [Fraction(p) for p in ("0", "1", "-1", "2", "-2", "1/2", "-1/2", "4", "-1/4")]  # and infinity
RESULTS, TAPS = 4, 7  # kResults of winograd.h, whose kPoints are RESULTS + TAPS - 1


@functools.cache
def input_transform() -> Tensor:
    """(points, rows) fp64: how rows are combined at each point. Exact in fp32 too."""
    return _matrix(_rows()) / _sizes()[:, None]


@functools.cache
def weight_transform() -> Tensor:
    """(points, TAPS) fp64: how weights are combined at each point: their polynomial's value there, over Lagrange's
    denominator."""
    denominators = [math.prod((p - q for q in POINTS if q != p), start=Fraction(1)) for p in POINTS]
    values = [[p**k / below for k in range(TAPS)] for p, below in zip(POINTS, denominators, strict=True)]
    return _matrix([*values, [Fraction(k == TAPS - 1) for k in range(TAPS)]]) * _sizes()[:, None]


@functools.cache
def output_transform() -> Tensor:
    """(RESULTS, points) fp64: how products are combined into each result. Exact in fp32 too."""
    return _matrix([[p**j for p in POINTS] + [Fraction(j == RESULTS - 1)] for j in range(RESULTS)])


def _rows() -> list[list[Fraction]]:
    """Coefficients of the polynomials that are zero at all points but one, and of the one that is zero at all."""
    return [[*_coefficients([q for q in POINTS if q != p]), Fraction(0)] for p in POINTS] + [_coefficients(POINTS)]


def _coefficients(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients of the polynomial with these roots, the lowest first."""
    found = [Fraction(1)]
    for root in roots:
        found = [low - root * high for low, high in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


def _sizes() -> Tensor:
    """Factors that `input_transform` is divided by and `weight_transform` multiplied by: powers of two, so that neither
    rounds for it."""
    return _matrix(_rows()).abs().sum(dim=1).log2().round().exp2()


def _matrix(rows: list[list[Fraction]]) -> Tensor:
    return torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float64)
