"""Octree leaves seen from any direction: the tables that depend on direction and leaf size only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simpost.maps.oblique_exact_kernels import (
    EXACT,
    account_leaves,
    classify_leaves,
    deposit_exact,
    integrate_cube,
)
from simpost.maps.oblique_kernels import LANES, deposit_tabulated
from simpost.maps.view import View

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROUNDING = 1e-13  # smaller shares of a leaf are rounding
_STEEP = 1e-12  # a face seen this nearly edge-on is a wall (cosine of its normal with the line of sight)
_NODES = 64  # nodes of the cumulative share across the footprint: good to 1e-5 of the leaf
_OFFSETS = (1, 2, 4, 8, 16, 32, 64)  # offsets of a stencil per pixel and axis that may be tabulated
# Offsets needed to keep the error of a leaf near 1e-3: it is like offsets^-2 side^-1.5 where the column falls
# to zero gently, over `ramp` pixels, and like offsets^-1.5 where it falls within a pixel or so.
_OFFSETS_TIMES_SIDE_POWER, _POWER, _OFFSETS_TIMES_ROOT_RAMP = 20.0, 0.75, 3.0
_CLIFF, _OFFSETS_TIMES_SIDE, _OFFSETS_TIMES_SIDE_WIDE, _OFFSETS_WIDE = 0.15, 96.0, 400.0, 16.0
LARGEST_STENCIL = 128.0  # side [pixels] beyond which a leaf is integrated on its own
_WIDTH_TAKEN_WHOLE = 2 * LANES  # to add zeros takes less time than to guess wrong where a row ends
_BLOCK = 16384  # leaves that go through all steps together, so that what lies between stays in cache
MOST_STENCILS = 32  # an octree has fewer levels; sizes beyond are integrated leaf by leaf


class Cube:
    """A unit cube seen from one direction.

    Parameters
    ----------
    axes : (3, 3)
        Unit vectors right, up and towards the observer as rows.

    Attributes
    ----------
    axes : (3, 3)
        As given.
    reach : (3,)
        Half the cube's extent along each of `axes`.
    faces : (2, m + 1, 3)
        Front and back faces as planes c + gx x + gy y; the last of each is room for a slab's face.
    least_slant : float
        Cosine between line of sight and the most edge-on face; across it the column falls to zero.
    walls : (w, 3)
        Faces seen edge-on: the cube is where all c + gx x + gy y >= 0.
    """

    def __init__(self, axes: FloatArray) -> None:
        self.axes = axes
        self.reach = 0.5 * np.abs(axes).sum(axis=1)
        # a cube is its own mirror image: every normal may point towards the observer
        right, up, toward = np.where(axes[2] < 0.0, -axes, axes)
        seen = toward > _STEEP
        self.least_slant = float(toward.min())
        self.faces = np.zeros((2, int(seen.sum()) + 1, 3))
        for side, half in ((0, 0.5), (1, -0.5)):
            self.faces[side, :-1] = np.stack(
                [half / toward[seen], -right[seen] / toward[seen], -up[seen] / toward[seen]], axis=1
            )
        edge_on = np.stack([right[~seen], up[~seen]], axis=1)
        half_side = np.full((2 * len(edge_on), 1), 0.5)
        self.walls = np.hstack([half_side, np.concatenate([edge_on, -edge_on])])

    def integrated(self, side: float, n: int) -> FloatArray:
        """Shares of n x n pixels when a cube of `side` pixels lies in their middle, with sum one; (n, n)."""
        image = np.zeros((1, n, n))
        integrate_cube(side, self.reach, self.faces, self.walls, image)
        return np.asarray(image[0] / image.sum())

    def corner_shares(self) -> FloatArray:
        """Share left of and below a point, at each node the coefficients 1, x, y, xx, xy, yy; (m, m, 8).

        Nodes are evenly spaced over twice the larger reach on both axes.
        """
        side = 0.5 * _NODES / max(self.reach[0], self.reach[1])
        share = np.pad(_cumulative(self.integrated(side, _NODES)), ((0, 1), (0, 1)), mode="edge")
        share = np.pad(share, ((1, 0), (1, 0)))
        middle, west, east = share[1:-1, 1:-1], share[1:-1, :-2], share[1:-1, 2:]
        south, north = share[:-2, 1:-1], share[2:, 1:-1]
        twist = share[2:, 2:] - share[2:, :-2] - share[:-2, 2:] + share[:-2, :-2]
        unused = np.zeros_like(middle)  # eight values are a cache line
        coefficients = (
            middle, 0.5 * (east - west), 0.5 * (north - south),
            0.5 * (east - 2.0 * middle + west), 0.25 * twist, 0.5 * (north - 2.0 * middle + south),
            unused, unused,
        )  # fmt: skip
        return np.stack(coefficients, axis=2)

    def stencil(self, side: float) -> Stencil:
        """Pixel shares of a cube of `side` pixels whose centre lies at each of a grid of sub-pixel offsets.

        The table is made for reading from cache: float32, with the sums that a deposit divides by.
        """
        ramp = self.least_slant * side
        if self.least_slant < _CLIFF and ramp < 10.0 * _CLIFF:
            wide = min(_OFFSETS_TIMES_SIDE_WIDE / side, _OFFSETS_WIDE)
            wanted = max(_OFFSETS_TIMES_SIDE / side, wide)
        else:
            wanted = max(_OFFSETS_TIMES_SIDE_POWER / side**_POWER, _OFFSETS_TIMES_ROOT_RAMP / math.sqrt(ramp))
        offsets = min((n for n in _OFFSETS if n >= wanted), default=_OFFSETS[-1])
        half = math.ceil(max(self.reach[0], self.reach[1]) * side * offsets) + 1
        share = _cumulative(self.integrated(side * offsets, 2 * half))
        (edges_x, columns), (edges_y, rows) = (
            _pixel_edges(float(reach) * side, offsets, half) for reach in self.reach[:2]
        )
        width = -(-columns // LANES) * LANES
        values = np.zeros((offsets, offsets, rows, 3, width))
        for m, (move_x, move_y) in enumerate(((0, 0), (1, 0), (0, 1))):
            # a cube moved to the right is a grid of edges moved to the left
            ahead = _differences(share, edges_x - move_x, edges_y - move_y, offsets)
            behind = _differences(share, edges_x + move_x, edges_y + move_y, offsets)
            if m == 0:
                centre = values[..., 0, :columns] = ahead
                continue
            values[..., m, :columns] = 0.5 * (ahead - behind)
            # the mean over positions nearer to this offset than to others: no bias to second order
            values[..., 0, :columns] += (ahead - 2.0 * centre + behind) / 24.0
        # a pixel never loses more than it has: no share falls below zero, not even by rounding
        shares = values[..., :1, :]
        shares[shares < _ROUNDING] = 0.0
        values[..., 1:, :] = np.clip(values[..., 1:, :], -0.999 * shares, 0.999 * shares)
        narrow = values.astype(np.float32)
        lanes = np.any(narrow.reshape(offsets, offsets, rows, 3, -1, LANES) != 0.0, axis=(3, 5))
        first = np.argmax(lanes, axis=-1)
        last = np.where(lanes.any(axis=-1), lanes.shape[-1] - np.argmax(lanes[..., ::-1], axis=-1), first)
        ranges = np.stack([first, last], axis=-1) * LANES
        if width <= _WIDTH_TAKEN_WHOLE:
            ranges[:] = 0, width
        return Stencil(offsets, narrow, ranges, narrow.sum(axis=(2, 4), dtype=float))


@dataclass(frozen=True)
class Stencil:
    """Pixel shares of a cube at a grid of sub-pixel offsets.

    Parameters
    ----------
    offsets : int
        Offsets per pixel on each axis.
    values : (offsets, offsets, rows, 3, width) float32
        By offset in y and x: share of the pixel and its change when the cube moves by one offset in x, and
        in y. The first pixel is floor((offset - 1)/offsets - reach x side) from the centre's.
    ranges : (offsets, offsets, rows, 2)
        First and last + 1 column of each row that is not zero, on multiples of `LANES`; of narrow stencils
        the whole row.
    sums : (offsets, offsets, 3)
        Sums of `values` over the pixels.
    """

    offsets: int
    values: NDArray[np.float32]
    ranges: IntArray
    sums: FloatArray


def _cumulative(shares: FloatArray) -> FloatArray:
    """Sum of shares (m, n) left of and below each corner of the pixels, (m + 1, n + 1)."""
    return np.pad(shares.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _pixel_edges(half_extent: float, offsets: int, half: int) -> tuple[IntArray, int]:
    """Pixel edges (offsets, n + 1) as nodes of the cumulative share, n pixels, for each offset on an axis."""
    n = math.floor(2.0 * half_extent + 2.0 / offsets) + 2
    offset = np.arange(offsets)
    first = np.floor((offset - 1.0) / offsets - half_extent).astype(np.int64)
    return (first[:, None] + np.arange(n + 1)) * offsets - offset[:, None] + half, n


def _differences(share: FloatArray, edges_x: IntArray, edges_y: IntArray, offsets: int) -> FloatArray:
    """Shares between edges: (offsets in y, offsets in x, rows, columns)."""
    x, y = (np.clip(edges, 0, len(share) - 1).ravel() for edges in (edges_x, edges_y))
    at_corners = share[np.ix_(y, x)].reshape(offsets, edges_y.shape[1], offsets, edges_x.shape[1])
    return np.diff(np.diff(at_corners, axis=1), axis=3).transpose(0, 2, 1, 3)


Axes = tuple[tuple[float, float, float], ...]


@lru_cache(maxsize=16)
def seen_cube(axes: Axes) -> tuple[Cube, FloatArray]:
    """The cube of a direction and its `Cube.corner_shares`, kept for the next call."""
    cube = Cube(np.array(axes))
    return cube, cube.corner_shares()


@lru_cache(maxsize=64)
def _stencil(axes: Axes, side: float) -> Stencil:
    return seen_cube(axes)[0].stencil(side)


@lru_cache(maxsize=8)
def packed_stencils(
    axes: Axes, sides: tuple[float, ...]
) -> tuple[IntArray, tuple[NDArray[np.float32], IntArray, FloatArray]]:
    """Layout (s, 6), values, row ranges and sums of the stencils of several sides [pixels], end to end."""
    stencils = [_stencil(axes, side) for side in sides]
    layout = np.zeros((len(sides), 6), np.int64)
    for s, stencil in enumerate(stencils):
        layout[s, :3] = stencil.offsets, stencil.values.shape[2], stencil.values.shape[4]
        if s + 1 < len(sides):
            layout[s + 1, 3] = layout[s, 3] + stencil.values.size
            layout[s + 1, 4] = layout[s, 4] + stencil.ranges.size // 2
            layout[s + 1, 5] = layout[s, 5] + stencil.sums.size // 3
    return layout, (
        np.concatenate([np.zeros(0, np.float32), *(stencil.values.ravel() for stencil in stencils)]),
        np.concatenate(
            [np.zeros((0, 2), np.int64), *(stencil.ranges.reshape(-1, 2) for stencil in stencils)]
        ),
        np.concatenate([np.zeros((0, 3)), *(stencil.sums.reshape(-1, 3) for stencil in stencils)]),
    )


def deposit_oblique(
    view: View,
    position: FloatArray,
    size: FloatArray,
    columns: FloatArray,
    image: FloatArray,
    totals: FloatArray,
    *,
    exact: bool = False,
) -> int:
    """Add leaves to the pixels of a view along any direction; return how many lie at least partly in it.

    Leaves that the slab's faces cut, or wider than 128 pixels, are integrated exactly; the others by tables
    made of the same integrals: one of the share below and left of a point for leaves no wider than a
    pixel, stencils over sub-pixel offsets for wider ones. Tables are kept for later chunks, fields and
    snapshots with the same direction and leaf side in pixels.

    Parameters
    ----------
    view : View
        Window, slab and pixels.
    position, size, columns : (n, 3), (n,), (n, k)
        Centres and sides [kpc] and extensive quantities, C-contiguous float64.
    image : (k, ny, nx)
        Added to in place: quantity per pixel.
    totals : (3, k)
        Added to: sum and sum of moduli of what is in the view, and what is in the slab beside the window,
        from the exact share of every leaf; it knows nothing of pixels or tables.
    exact : bool
        Integrate every leaf exactly, without tables; default False.
    """
    axes = (view.right, view.up, view.line_of_sight)
    cube, corners = seen_cube(axes)
    faces, walls = np.array(cube.faces), cube.walls
    half_width, half_depth = 0.5 * view.width, 0.5 * view.depth
    largest = view.pixel * np.array([0.5 / max(cube.reach[0], cube.reach[1]), LARGEST_STENCIL])
    sizes, n_sizes, n_cells = np.empty(MOST_STENCILS), 0, 0
    scratch = np.empty((5, _BLOCK))
    for start in range(0, len(size), _BLOCK):
        block = slice(start, start + _BLOCK)
        side, column = size[block], columns[block]
        kind = np.empty(len(side), np.int8)
        x, y, depth, in_slab, in_view = scratch[:, : len(side)]
        n_sizes = classify_leaves(
            position[block], side, cube.axes, cube.reach, half_width, half_depth, faces, walls, largest,
            (kind, x, y, depth, in_slab, in_view), sizes, n_sizes,
        )  # fmt: skip
        if exact:
            kind[kind > 0] = EXACT
        else:
            sides = tuple(float(f"{s / view.pixel:.12g}") for s in sizes[:n_sizes])
            layout, tables = packed_stencils(axes, sides)
            deposit_tabulated(
                x, y, side, kind, in_view, column, cube.reach, half_width, corners, layout, tables, image
            )
        deposit_exact(
            x, y, depth, side, kind, column, cube.reach, half_width, half_depth, faces, walls, image
        )
        n_cells += account_leaves(column, in_slab, in_view, totals)
    return int(n_cells)
