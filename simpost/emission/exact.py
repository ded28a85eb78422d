"""The reference for averaged tables: every cell's own average over density, in closed form.

Between the density nodes of a grid ln l is linear in ln n, so its average over a log-normal is a sum of error
functions, one per segment. About a microsecond a segment: for checks, not for snapshots.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError
from simpost.emission.axes import COLUMN, DENSITY, Axis
from simpost.emission.density_pdf import COLUMN_EXPONENTS, LN10, refined, slopes_beyond
from simpost.emission.density_pdf_kernels import average_rows
from simpost.emission.grid import LineGrid
from simpost.emission.log_normal import log_normal_mean

Array = NDArray[np.float64]

CHUNK = 2048  # cells at a time
DIAGONAL_STEP = 1.0 / 64.0  # dex of density, where the column changes with it


def exact_emission(
    grid: LineGrid,
    log_l: ArrayLike,
    cells: Mapping[str, ArrayLike],
    width: ArrayLike,
    variant: ArrayLike,
    pdf: str = "mass",
    pdf_column: str = "cell",
) -> Array:
    """Averaged emission of every cell [erg/s per H], without a table.

    Multilinear in the grid's axes at every density node, then closed forms along the density.

    Parameters
    ----------
    grid : LineGrid
        Its axes and their policies.
    log_l : array
        log10 l at the grid's nodes, shape `grid.shape`: `grid.line(label)`, or with a CMB correction.
    cells : mapping
        For every axis of the grid the cells' values, linear (cm^-3, solar, Habing, cm^-2), shape (cells,).
    width : array
        sigma_s of each cell.
    variant : array of int
        Index of each cell's variant.
    pdf, pdf_column : str
        `mass`, `volume` or `meanC`; `cell`, `clump` or `depth`, as in `average_over_pdf`.
    """
    missing = [name for name in grid.axes if name not in cells]
    if missing:
        raise InputError("cells", ", ".join(cells), f"values for {missing[0]}")
    place = {name: np.log10(np.asarray(cells[name], dtype=float)) for name in grid.axes}
    width = np.asarray(width, dtype=float)
    if pdf == "meanC":
        place[DENSITY] = place[DENSITY] + width**2 / LN10
        width, pdf = np.zeros_like(width), "mass"
    variant = np.asarray(variant, dtype=np.intp)
    table = np.moveaxis(np.asarray(log_l, dtype=float), grid.number(DENSITY), -1)
    means = log_normal_mean(width, pdf)
    result = np.empty(width.size)
    for start in range(0, width.size, CHUNK):
        part = slice(start, start + CHUNK)
        here = {name: x[part] for name, x in place.items()}
        log_nodes, rows = _density_rows(grid, table, here, variant[part], COLUMN_EXPONENTS[pdf_column])
        average, outside = np.empty((2, len(rows)))
        ln_n = here[DENSITY] * LN10
        average_rows(
            rows * LN10, log_nodes * LN10, ln_n, *slopes_beyond(grid.axes[DENSITY]),
            means[part], width[part], average, outside,
        )  # fmt: skip
        result[part] = average
    return result


def _density_rows(
    grid: LineGrid, table: Array, place: Mapping[str, Array], variant: NDArray[np.intp], exponent: float
) -> tuple[Array, Array]:
    """Density nodes, and log10 l of every cell at them, (cells, nodes)."""
    nodes = grid.nodes(DENSITY)
    others = {name: axis for name, axis in grid.axes.items() if name != DENSITY}
    if exponent == 0.0:
        return nodes, _multilinear(table, others, place, variant)
    log_nodes = refined(nodes, DIAGONAL_STEP)
    rows = np.empty((len(variant), log_nodes.size))
    for i, x in enumerate(log_nodes):
        low = min(int(np.searchsorted(nodes, x, side="right")) - 1, nodes.size - 2)
        weight = (x - nodes[low]) / (nodes[low + 1] - nodes[low])
        shifted = {**place, COLUMN: place[COLUMN] + exponent * (x - place[DENSITY])}
        two = _multilinear(table[..., low : low + 2], others, shifted, variant)
        rows[:, i] = two @ [1.0 - weight, weight]
    return log_nodes, rows


def _multilinear(
    table: Array, axes: Mapping[str, Axis], place: Mapping[str, Array], variant: NDArray[np.intp]
) -> Array:
    """`table` (variant, *axes, nodes) at the places of the cells, with the slopes beyond: (cells, nodes)."""
    low, weight, beyond = {}, {}, np.zeros(len(variant))
    for name, axis in axes.items():
        x, nodes = place[name], axis.nodes
        low[name] = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, nodes.size - 2)
        step = nodes[low[name] + 1] - nodes[low[name]]
        weight[name] = np.clip((x - nodes[low[name]]) / step, 0.0, 1.0)
        below, above = slopes_beyond(axis)
        beyond += below * np.minimum(x - nodes[0], 0.0) + above * np.maximum(x - nodes[-1], 0.0)
    rows = np.zeros((len(variant), table.shape[-1]))
    for corner in itertools.product((0, 1), repeat=len(axes)):
        share = np.ones(len(variant))
        index = [variant]
        for name, upper in zip(axes, corner, strict=True):
            share = share * (weight[name] if upper else 1.0 - weight[name])
            index.append(low[name] + upper)
        rows += share[:, None] * table[tuple(index)]
    return rows + beyond[:, None]
