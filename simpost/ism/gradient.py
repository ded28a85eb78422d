"""Weighted least-squares gradients of any fields on leaves and on Voronoi cells.

One linear fit per cell, weights 1/d^2, exact for linear fields on every mesh.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from simpost.core.errors import InputError
from simpost.ism.arrays import Floats, Integers, Values, finite, positive, shaped
from simpost.ism.octree import LeafIndex

NEAREST_GENERATORS = 32  # our choice
_CHUNK = 1 << 16  # cells whose neighbour lists are held at once: 16 MiB for 32 neighbours


class Gradient(NamedTuple):
    """d field_c/d x_j (n, m, 3) [field/kpc] and the independent directions (n,) it rests on.

    Below three directions the gradient is NaN.
    """

    value: Floats
    n_directions: Integers


class NeighbourLists(NamedTuple):
    """Neighbours of cell i: cells[offsets[i]:offsets[i + 1]]; offsets (n + 1,), cells any length."""

    offsets: Integers
    cells: Integers


def leaf_gradient(index: LeafIndex, values: Values, size: Values) -> Gradient:
    """Gradient of fields (n, m) over the six face neighbours of every leaf, at their true centres.

    A coarser neighbour counts at its own centre, finer ones as the mean of the four that touch the
    face; neighbours beyond the region are left out. On a uniform grid these are central differences.
    Trees refined by more than one level across a face enter by one leaf per quarter of the face.

    Parameters
    ----------
    index : LeafIndex
        The leaves; `values` and `size` are in the order they were given in.
    values : array (n, m)
        Fields; stack velocity and density to fit both at once.
    size : array (n,)
        Leaf widths [kpc].
    """
    from simpost.ism.gradient_kernels import leaf_gradients

    values = finite("field", shaped("field", values, index.n_leaves, None))
    size = positive("leaf size", shaped("leaf size", size, index.n_leaves))
    gradient = np.empty((*values.shape, 3))
    rank = np.empty(index.n_leaves, dtype=np.int64)
    leaf_gradients(
        index.keys,
        index.depth,
        index.centre,
        index.table,
        index.shift,
        index.domain,
        index.box,
        index.periodic,
        index.order,
        values[index.order],
        size,
        gradient,
        rank,
    )
    return Gradient(gradient, rank)


def voronoi_gradient(
    position: Values, values: Values, neighbours: NeighbourLists | int = NEAREST_GENERATORS
) -> Gradient:
    """Gradient of fields (n, m) over the neighbours of every generator.

    Parameters
    ----------
    position : array (n, 3)
        Generators [kpc], not wrapped.
    values : array (n, m)
        Fields.
    neighbours : NeighbourLists or int
        Natural neighbours where the snapshot has them, else how many of the nearest generators
        stand in for them (default 32).
    """
    from simpost.ism.gradient_kernels import generator_gradients

    position = finite("generator", shaped("generator", position, None, 3))
    values = finite("field", shaped("field", values, len(position), None))
    gradient = np.empty((*values.shape, 3))
    rank = np.empty(len(position), dtype=np.int64)
    if isinstance(neighbours, NeighbourLists):
        lists = _checked_lists(neighbours, len(position))
        generator_gradients(0, position, values, lists.offsets, lists.cells, gradient, rank)
        return Gradient(gradient, rank)
    for cells, nearest, _ in nearest_generators(position, neighbours):
        offsets = np.arange(len(nearest) + 1, dtype=np.int64) * nearest.shape[1]
        generator_gradients(
            cells.start, position, values, offsets, nearest.reshape(-1), gradient[cells], rank[cells]
        )
    return Gradient(gradient, rank)


def nearest_generators(position: Floats, k: int) -> Iterator[tuple[slice, Integers, Floats]]:
    """Chunks of cells with the k + 1 nearest generators (c, k + 1), themselves first, and distances."""
    from scipy.spatial import cKDTree

    if k < 1:
        raise InputError("neighbours", str(k), "at least 1")
    tree = cKDTree(position)
    ranks = np.arange(1, min(k + 1, len(position)) + 1)
    for start in range(0, len(position), _CHUNK):
        cells = slice(start, min(start + _CHUNK, len(position)))
        distance, nearest = tree.query(position[cells], k=ranks)
        yield cells, nearest.astype(np.int64, copy=False), distance


def _checked_lists(lists: NeighbourLists, n: int) -> NeighbourLists:
    offsets = np.ascontiguousarray(lists.offsets, dtype=np.int64)
    cells = np.ascontiguousarray(lists.cells, dtype=np.int64)
    good = (
        offsets.shape == (n + 1,)
        and offsets[0] == 0
        and offsets[-1] == cells.size
        and np.all(np.diff(offsets) >= 0)
        and (not cells.size or (cells.min() >= 0 and cells.max() < n))
    )
    if not good:
        raise InputError(
            "neighbour lists",
            f"{offsets.size} offsets, {cells.size} cells",
            f"{n + 1} offsets rising from 0 to the number of entries, cells below {n}",
        )
    return NeighbourLists(offsets, cells)
