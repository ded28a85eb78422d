"""Percentiles, sums and densities of points in bins.

Bins are half open, [edge, next edge), but for the last, which holds its upper edge (as numpy's do).
Points outside all bins are left out; `bin_index` tells which.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

OUTSIDE = -1
ONE_SIGMA = (16.0, 50.0, 84.0)


def bin_index(x: ArrayLike, edges: ArrayLike) -> Integers:
    """Index (n,) of the bin that each x lies in, `OUTSIDE` (-1) where in none or not a number.

    Parameters
    ----------
    x : (n,)
        Where the points are.
    edges : (bins + 1,)
        Rising edges.

    Raises
    ------
    InputError
        Fewer than two edges, or edges that do not rise.
    """
    x, edges = np.asarray(x, dtype=float), np.asarray(edges, dtype=float)
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0.0):
        raise InputError("bin edges", f"{edges.tolist()!r:.80}", "at least two rising numbers")
    index = np.searchsorted(edges, x, side="right") - 1
    index[x == edges[-1]] = edges.size - 2
    return np.where((x >= edges[0]) & (x <= edges[-1]), index, OUTSIDE)


def weighted_percentile(
    values: ArrayLike, percentiles: Sequence[float] = ONE_SIGMA, weights: ArrayLike | None = None
) -> Floats:
    """Percentiles (k,) of values (n,) with weights; NaN where no weight is above zero.

    The i-th value in order stands at the share of weight below its middle, stretched so that the first
    stands at 0 and the last at 1; linear in between. Equal weights give numpy's default percentiles.

    Raises
    ------
    InputError
        A value is not finite, a weight is negative or not finite, or their numbers differ.
    """
    values = _finite("values", values)
    weights = np.ones_like(values) if weights is None else _finite("weights", weights)
    if weights.shape != values.shape or np.any(weights < 0.0):
        found = f"{weights.size} weights for {values.size} values, lowest {weights.min(initial=0.0):g}"
        raise InputError("weights", found, "one weight >= 0 for every value")
    order = np.argsort(values[weights > 0.0], kind="stable")
    values, weights = values[weights > 0.0][order], weights[weights > 0.0][order]
    if values.size == 0:
        return np.full(len(percentiles), np.nan)
    middle = np.cumsum(weights) - 0.5 * weights
    position = (middle - middle[0]) / max(middle[-1] - middle[0], np.finfo(float).tiny)
    return np.asarray(np.interp(np.asarray(percentiles, dtype=float) / 100.0, position, values))


def binned_percentiles(
    x: ArrayLike,
    y: ArrayLike,
    edges: ArrayLike,
    percentiles: Sequence[float] = ONE_SIGMA,
    weights: ArrayLike | None = None,
) -> Floats:
    """Percentiles (k, bins) of y (n,) in bins of x (n,); NaN in empty bins.

    `weights` (n,) as for `weighted_percentile`; default equal.
    """
    index = bin_index(x, edges)
    y = _column("y", y, index)
    weight = np.ones_like(y) if weights is None else _column("weights", weights, index)
    n_bins = np.asarray(edges).size - 1
    order = np.argsort(index, kind="stable")
    bounds = np.searchsorted(index[order], np.arange(n_bins + 1))
    columns = [order[low:high] for low, high in pairwise(bounds)]
    return np.stack([weighted_percentile(y[rows], percentiles, weight[rows]) for rows in columns], axis=1)


def binned_sums(x: ArrayLike, values: ArrayLike, edges: ArrayLike) -> Floats:
    """Sum (bins,) of values (n,) in bins of x (n,); sums over sums are ratios in bins."""
    index = bin_index(x, edges)
    values = _column("values", values, index)
    inside = index != OUTSIDE
    sums = np.bincount(index[inside], weights=values[inside], minlength=np.asarray(edges).size - 1)
    return np.asarray(sums, dtype=np.float64)


def binned_counts(x: ArrayLike, edges: ArrayLike) -> Integers:
    """Number (bins,) of points in bins of x (n,)."""
    index = bin_index(x, edges)
    return np.bincount(index[index != OUTSIDE], minlength=np.asarray(edges).size - 1)


def binned_density(x: ArrayLike, weights: ArrayLike, edges: ArrayLike) -> Floats:
    """Weighted probability density (bins,) of x (n,): its integral over the bins is 1.

    NaN everywhere if no weight lies in the bins.
    """
    sums = binned_sums(x, weights, edges)
    total = sums.sum()
    return sums / (np.diff(np.asarray(edges, dtype=float)) * (total if total > 0.0 else np.nan))


def _finite(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not np.all(np.isfinite(array)):
        raise InputError(name, f"shape {array.shape}, or not finite", "a row of finite numbers")
    return array


def _column(name: str, values: ArrayLike, index: Integers) -> Floats:
    array = np.asarray(values, dtype=float)
    if array.shape != index.shape:
        raise InputError(name, f"shape {array.shape}", f"shape {index.shape}, one for every x")
    return array
