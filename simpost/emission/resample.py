"""Depth profiles of slab models brought to the axes of a line grid, and grids made denser.

A look-up in a grid is linear in the logarithms of all its axes. Where the models stand a whole dex apart
that is coarse; a shape-preserving cubic through the same models is closer to models in between. `refine`
evaluates it once, on a denser lattice, so that the linear look-up follows it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError

Array = NDArray[np.float64]

_SMALLEST = float(np.finfo(float).tiny)


def on_columns(column: ArrayLike, cumulative: ArrayLike, log_column: ArrayLike) -> Array:
    """Cumulative sums of a slab, known at the outer edges of its zones, at other columns.

    Straight lines in log-log between the edges; proportional to the column above the first edge, where a
    slab is thin.

    Parameters
    ----------
    column : array (K,)
        Columns at the outer edges of the zones [cm^-2], above zero and ascending.
    cumulative : array (..., K)
        Sums from the face to those edges, at least zero, any unit.
    log_column : array (N,)
        log10 of the columns wanted [cm^-2].

    Returns
    -------
    array (..., N)

    Raises
    ------
    InputError
        The edges do not ascend, or a column lies beyond the last of them (by more than 0.01 dex: slabs
        stop near their stop column, not at it).
    """
    edges = np.asarray(column, dtype=float)
    wanted = np.asarray(log_column, dtype=float)
    if edges.ndim != 1 or edges.size < 2 or not edges[0] > 0.0 or not np.all(np.diff(edges) > 0.0):
        raise InputError("column of a slab", "edges that do not ascend from above 0", "ascending columns")
    log_edges = np.log10(edges)
    if wanted.max() > log_edges[-1] + 0.01:
        found = f"the column 10^{wanted.max():g}"
        raise InputError("column of a slab", found, f"at most 10^{log_edges[-1]:.3f} cm^-2, where it stops")
    per_nucleus = np.asarray(cumulative, dtype=float) / edges
    log_mean = np.log10(np.maximum(per_nucleus, _SMALLEST))
    rows = [np.interp(wanted, log_edges, row) for row in log_mean.reshape(-1, edges.size)]
    means = 10.0 ** np.reshape(rows, (*log_mean.shape[:-1], wanted.size))
    return np.asarray(np.where(means > 2.0 * _SMALLEST, means, 0.0) * 10.0**wanted)


def refine(table: ArrayLike, nodes: Sequence[ArrayLike], denser: Sequence[ArrayLike]) -> Array:
    """A table on denser nodes, by a monotone cubic (PCHIP, Fritsch & Carlson 1980) along axis after axis.

    Passes through the values at the old nodes and makes no extremum between them.

    Parameters
    ----------
    table : array
        Smooth quantity, best a logarithm; the leading axes belong to `nodes`.
    nodes, denser : sequence of array
        Old and new nodes of the leading axes, ascending.

    Raises
    ------
    InputError
        New nodes lie outside the old ones: this interpolates only.
    """
    from scipy.interpolate import PchipInterpolator

    refined = np.asarray(table, dtype=float)
    for number, (old, new) in enumerate(zip(nodes, denser, strict=True)):
        x, wanted = np.asarray(old, dtype=float), np.asarray(new, dtype=float)
        if wanted.min() < x[0] or wanted.max() > x[-1]:
            found = f"{wanted.min():g} to {wanted.max():g}"
            raise InputError(f"nodes of axis {number}", found, f"within {x[0]:g} to {x[-1]:g}")
        refined = PchipInterpolator(x, refined, axis=number)(wanted)
    return refined


def with_midpoints(nodes: ArrayLike) -> Array:
    """The nodes and the middle of each step between them."""
    old = np.asarray(nodes, dtype=float)
    return np.sort(np.concatenate([old, 0.5 * (old[1:] + old[:-1])]))
