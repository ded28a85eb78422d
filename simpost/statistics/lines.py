"""Straight lines through points, both ways of least squares and their bisector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError

FEWEST = 2  # points that a line goes through


@dataclass(frozen=True)
class Lines:
    """Lines y = zero + slope (x - pivot), as (slope, zero).

    Parameters
    ----------
    pivot : float
        Weighted mean of x.
    y_on_x : (float, float)
        Ordinary least squares of y.
    bisector : (float, float)
        Bisector of the least squares of y on x and of x on y (Isobe et al. 1990, eq. for OLS bisector).
    fixed : (float, float)
        Least squares of y with the slope held.
    """

    pivot: float
    y_on_x: tuple[float, float]
    bisector: tuple[float, float]
    fixed: tuple[float, float]


def fit_lines(x: ArrayLike, y: ArrayLike, weights: ArrayLike, slope: float) -> Lines:
    """Fit the three lines.

    Parameters
    ----------
    x, y, weights : (n,)
        Points and their weights, of any sum.
    slope : float
        The slope that is held in the third.

    Raises
    ------
    InputError
        Fewer than two different x, or a weight below zero.
    """
    x, y, w = (np.asarray(values, dtype=float) for values in (x, y, weights))
    if x.size < FEWEST or np.ptp(x) == 0.0:
        raise InputError("line", f"{x.size} points at {np.unique(x).size} places", "at least two places")
    if np.any(w < 0.0) or not w.sum() > 0.0:
        raise InputError("weights", "negative weights, or all zero", "weights above zero")
    w = w / w.sum()
    mean_x, mean_y = float(w @ x), float(w @ y)
    xx, yy, xy = (float(w @ (a * b)) for a, b in _pairs(x - mean_x, y - mean_y))
    forward = xy / xx
    return Lines(mean_x, (forward, mean_y), (_bisecting_slope(xx, yy, xy), mean_y), (float(slope), mean_y))


def _pairs(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
    return (x, x), (y, y), (x, y)


def _bisecting_slope(xx: float, yy: float, xy: float) -> float:
    """Slope of the line halfway in angle between the two least-squares lines; zero if y does not follow x."""
    if xy == 0.0:
        return 0.0
    forward, backward = xy / xx, yy / xy
    root = np.sqrt((1.0 + forward**2) * (1.0 + backward**2))
    return float((forward * backward - 1.0 + root) / (forward + backward))
