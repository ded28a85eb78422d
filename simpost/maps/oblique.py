"""Octree leaves seen from any direction: the tables that depend on direction and leaf size only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.maps.oblique_exact_kernels import (
    EXACT,
    MIXED,
    account_leaves,
    classify_leaves,
    deposit_exact,
    find_pieces,
    integrate_cube,
)
from simpost.maps.oblique_kernels import EMPTY, GAP, LANES, SHIFTS, deposit_tabulated
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
_PIECES = 16  # pairs of a front and a back face, four times the front's number plus the back's
_WIDEST_TAKEN_WHOLE = 5 * LANES  # pixels: narrower stencils hold hardly an empty or plane square
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
        values = np.zeros((offsets, offsets, rows, 3, columns))
        for m, (move_x, move_y) in enumerate(((0, 0), (1, 0), (0, 1))):
            # a cube moved to the right is a grid of edges moved to the left
            ahead = _differences(share, edges_x - move_x, edges_y - move_y, offsets)
            behind = _differences(share, edges_x + move_x, edges_y + move_y, offsets)
            if m == 0:
                centre = values[..., 0, :] = ahead
                continue
            values[..., m, :] = 0.5 * (ahead - behind)
            # the mean over positions nearer to this offset than to others: no bias to second order
            values[..., 0, :] += (ahead - 2.0 * centre + behind) / 24.0
        # In single precision a share and its changes add up without rounding: shares are multiples of a unit
        # of 2^-23 of the largest, changes are multiples of as many units as there are shifts.
        unit = 2.0 ** (math.ceil(math.log2(values.max())) - 23)
        shares = values[..., 0, :] = np.rint(values[..., 0, :] / unit) * unit
        # a pixel never loses more than it has: no share falls below zero
        most = 0.999 * shares[..., None, :]
        changes = np.clip(values[..., 1:, :], -most, most)
        values[..., 1:, :] = np.trunc(changes / (unit * SHIFTS)) * (unit * SHIFTS)
        squares, planes = np.zeros(0, np.int8), np.zeros((offsets, offsets, _PIECES, 5))
        if columns > _WIDEST_TAKEN_WHOLE:
            first_x, first_y = ((edges[:, 0] - half) / offsets for edges in (edges_x, edges_y))
            squares = self._find_planes(side, first_x, first_y, unit, values, planes)
        narrow = np.pad(values.astype(np.float32), [(0, 0)] * 4 + [(GAP, 0)])
        corner_sums = narrow[..., GAP:].astype(float).cumsum(axis=2).cumsum(axis=4)
        corner_sums = np.pad(corner_sums.swapaxes(3, 4), [(0, 0)] * 2 + [(1, 0)] * 2 + [(0, 0)])
        return Stencil(offsets, narrow, corner_sums, squares, planes)

    def _find_planes(
        self,
        side: float,
        first_x: FloatArray,
        first_y: FloatArray,
        unit: float,
        values: FloatArray,
        planes: FloatArray,
    ) -> NDArray[np.int8]:
        """Set values and `planes` of pixels within one linear piece, so that both agree to the last digit.

        Returns `Stencil.squares`.
        """
        offsets, _, rows, _, columns = values.shape
        step = 1.0 / offsets
        pieces = np.empty((offsets, offsets, rows, columns), np.int8)
        y, x = np.arange(rows)[:, None], np.arange(columns)
        for b, a in np.ndindex(offsets, offsets):
            found = pieces[b, a]
            find_pieces(side, first_x[a], first_y[b], step, self.reach, self.faces, self.walls, found)
            for piece in np.unique(found[found >= 0]):
                plane = (self.faces[0, piece // 4] - self.faces[1, piece % 4]) / side**3
                at_first = plane[0] * side + plane[1] * (first_x[a] + 0.5) + plane[2] * (first_y[b] + 0.5)
                c, gx, gy = np.rint(np.array([at_first, *plane[1:]]) / unit) * unit
                dx, dy = np.trunc(plane[1:] * -step / (unit * SHIFTS)) * (unit * SHIFTS)
                planes[b, a, piece] = c, gx, gy, dx, dy
                changes = np.broadcast_arrays(c + gx * x + gy * y, dx, dy)
                np.copyto(values[b, a], np.stack(changes, axis=1), where=(found == piece)[:, None])
        pieces[~np.any(values != 0.0, axis=3)] = EMPTY
        pieces = np.pad(pieces, [(0, 0)] * 2 + [(GAP, GAP)] * 2, constant_values=EMPTY)
        least, most = pieces, pieces
        for axis in (2, 3):
            least = np.lib.stride_tricks.sliding_window_view(least, LANES, axis).min(axis=-1)
            most = np.lib.stride_tricks.sliding_window_view(most, LANES, axis).max(axis=-1)
        return np.where(least == most, most, np.int8(MIXED))


@dataclass(frozen=True)
class Stencil:
    """Pixel shares of a cube at a grid of sub-pixel offsets.

    Parameters
    ----------
    offsets : int
        Offsets per pixel on each axis.
    values : (offsets, offsets, rows, 3, GAP + columns) float32
        By offset in y and x, after a gap of zeros: share of the pixel and its change when the cube moves by
        one offset in x, and in y. The first pixel is floor((offset - 1)/offsets - reach x side) from the
        centre's.
    corner_sums : (offsets, offsets, rows + 1, columns + 1, 3)
        Sums of these three left of and below each corner of the pixels.
    squares : (offsets, offsets, GAP + rows, GAP + columns) int8, or empty
        For the square of LANES pixels that begins at each pixel, from GAP pixels outside on, the linear
        piece that it lies in, EMPTY, or MIXED; of narrow stencils none.
    planes : (offsets, offsets, p, 5)
        In each linear piece: share of the first pixel, its change per pixel to the right and upwards, and
        the change of every pixel when the cube moves, as in `values`.
    """

    offsets: int
    values: NDArray[np.float32]
    corner_sums: FloatArray
    squares: NDArray[np.int8]
    planes: FloatArray


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
def packed_stencils(axes: Axes, sides: tuple[float, ...]) -> tuple[IntArray, tuple[NDArray[Any], ...]]:
    """Layout (s, 7) and values, sums, corner sums, squares and planes of stencils [pixels], end to end."""
    stencils = [_stencil(axes, side) for side in sides]
    layout = np.zeros((len(sides) + 1, 7), np.int64)
    for s, stencil in enumerate(stencils):
        layout[s, :3] = stencil.offsets, stencil.values.shape[2], stencil.values.shape[4] - GAP
        layout[s + 1, 3] = layout[s, 3] + stencil.values.size
        layout[s + 1, 4] = layout[s, 4] + stencil.offsets**2
        layout[s + 1, 5] = layout[s, 5] + stencil.corner_sums.size // 3
        layout[s + 1, 6] = layout[s, 6] + stencil.squares.size
    layout[:-1][np.diff(layout[:, 6]) == 0, 6] = -1
    values = [*(stencil.values.ravel() for stencil in stencils), np.zeros(GAP, np.float32)]
    sums = [np.zeros((0, 3)), *(stencil.corner_sums[:, :, -1, -1].reshape(-1, 3) for stencil in stencils)]
    corner_sums = [np.zeros((0, 3)), *(stencil.corner_sums.reshape(-1, 3) for stencil in stencils)]
    squares = [np.zeros(0, np.int8), *(stencil.squares.ravel() for stencil in stencils)]
    planes = [np.zeros((0, _PIECES, 5)), *(stencil.planes.reshape(-1, _PIECES, 5) for stencil in stencils)]
    tables: tuple[list[NDArray[Any]], ...] = (values, sums, corner_sums, squares, planes)
    return layout[:-1], tuple(np.concatenate(table) for table in tables)


def deposit_oblique(
    view: View,
    position: FloatArray,
    size: FloatArray,
    columns: FloatArray,
    image: FloatArray,
    blocks: FloatArray,
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
    image : (k, ny, stride)
        Added to in place: quantity per pixel, of rows of ny pixels; see `images.padded_image`.
    blocks : (k, 3, ny // 8, ny // 8)
        Added to in place: planes for the pixels of a block, see `amr_kernels.per_area`.
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
                x, y, side, kind, in_view, column, cube.reach, half_width, corners, layout, tables, image,
                blocks,
            )  # fmt: skip
        deposit_exact(
            x, y, depth, side, kind, column, cube.reach, half_width, half_depth, faces, walls, image
        )
        n_cells += account_leaves(column, in_slab, in_view, totals)
    return int(n_cells)
