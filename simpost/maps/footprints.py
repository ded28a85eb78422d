"""Footprints of many cells, in an order in which neighbours on the image follow each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simpost.maps import oblique
from simpost.maps.closure_kernels import select_cells
from simpost.maps.footprint_kernels import record_oblique, record_smoothed
from simpost.maps.images import padded_image
from simpost.maps.oblique_exact_kernels import FIRST_STENCIL, NOTHING, classify_leaves
from simpost.maps.pyramid import NODE_WEIGHTS, NODES, Pyramid
from simpost.maps.smoothing import smoothing_kernel
from simpost.maps.view import View

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TILE, _MOST_TILES = 8, 256  # pixels and tiles along a side: cells of a tile share the caches' part of a cube


class Footprints(NamedTuple):
    """Pixels and shares of cells, one after the other.

    start (n + 1,): where each cell begins; pixels (m,): j nx + i; shares (m,); rows (ny,): pixels in each
    row.
    """

    start: IntArray
    pixels: IntArray
    shares: FloatArray
    rows: IntArray


class FootprintSource(ABC):
    """Cells of a view, whose footprints several threads may record.

    Parameters
    ----------
    view : View
    cells : (m,)
        Indices of cells that may touch the window.
    x, y, reach : (m,)
        Their centres on the image and how far their footprints reach on either axis [kpc].

    Attributes
    ----------
    cells : (m,)
        The indices, tile by tile of the image.
    """

    def __init__(self, view: View, cells: IntArray, x: FloatArray, y: FloatArray, reach: FloatArray) -> None:
        tile = max(_TILE * view.pixel, view.width / _MOST_TILES)
        column, row = (
            np.clip((place + 0.5 * view.width) / tile, 0, _MOST_TILES - 1).astype(np.uint16)
            for place in (x, y)
        )
        self._order = np.argsort(row * np.uint16(_MOST_TILES) + column, kind="stable")
        self.cells = cells[self._order]
        side = np.minimum(np.floor(2.0 * reach[self._order] / view.pixel) + 2.0, view.n_pixels)
        self._ends = np.cumsum((side * side).astype(np.int64))  # no footprint has more pixels
        self._n_pixels = view.n_pixels
        self._blanks: list[Any] = []

    def runs(self, most: int) -> Iterator[tuple[int, int]]:
        """First and last + 1 of consecutive `cells` that fill `most` pixels at most, or of single ones."""
        first = 0
        while first < self._ends.size:
            end = int(np.searchsorted(self._ends, self._end(first) + most, side="right"))
            yield first, max(end, first + 1)
            first = max(end, first + 1)

    def record(self, first: int, end: int) -> Footprints:
        """Return the footprints of `cells` first to end - 1."""
        room = self._end(end) - self._end(first)
        found = Footprints(
            np.empty(end - first + 1, np.int64),
            np.empty(room, np.int64),
            np.empty(room),
            np.zeros(self._n_pixels, np.int64),
        )
        # as many as threads, and as empty after use as before
        blank = self._blanks.pop() if self._blanks else self._blank()
        self._record(slice(first, end), blank, found)
        self._blanks.append(blank)
        return found

    @abstractmethod
    def _blank(self) -> Any:
        """Return what `_record` makes footprints on, empty."""

    @abstractmethod
    def _record(self, part: slice, blank: Any, found: Footprints) -> None:
        """Write the footprints of a part of `cells`, and leave `blank` empty."""

    def _end(self, number: int) -> int:
        return int(self._ends[number - 1]) if number else 0


class SmoothedFootprints(FootprintSource):
    """Footprints of Voronoi cells as `Depositor.add_cells` has them.

    Parameters
    ----------
    view : View
    kernel : str
        Smoothing kernel, see `smoothing.KERNELS`.
    position, r_cell : (n, 3), (n,)
        Generators and radii [kpc].
    """

    def __init__(self, view: View, kernel: str, position: FloatArray, r_cell: FloatArray) -> None:
        smoothing, n = smoothing_kernel(kernel), r_cell.size
        row, numbers, no_account = np.empty(n, np.int64), np.empty((4, n)), np.zeros((3, 1))
        self._sizes = 0.5 * view.width, view.pixel
        found = select_cells(
            position, r_cell, r_cell[:, None], np.array((view.right, view.up, view.line_of_sight)),
            0.5 * view.width, 0.5 * view.depth, smoothing.h_over_r_cell, smoothing.shape,
            NODES, NODE_WEIGHTS, row, *numbers, no_account,
        )  # fmt: skip
        super().__init__(view, row[:found], *numbers[:3, :found])
        self._discs = [column[self._order] for column in numbers[:, :found]]
        self._shape = smoothing.shape

    def _blank(self) -> Pyramid:
        return Pyramid(1, self._n_pixels, self._shape, is_one_level=True)

    def _record(self, part: slice, blank: Pyramid, found: Footprints) -> None:
        discs = (column[part] for column in self._discs)
        record_smoothed(*discs, *blank.kernel_arguments(*self._sizes), *found)


class ObliqueFootprints(FootprintSource):
    """Footprints of octree leaves as `Depositor.add_leaves` has them in directions beside the axes.

    Parameters
    ----------
    view : View
    position, size : (n, 3), (n,)
        Centres and sides [kpc].
    """

    def __init__(self, view: View, position: FloatArray, size: FloatArray) -> None:
        axes = (view.right, view.up, view.line_of_sight)
        cube, corners = oblique.seen_cube(axes)
        half = 0.5 * view.width, 0.5 * view.depth
        widest = max(cube.reach[0], cube.reach[1])
        largest = view.pixel * np.array([0.5 / widest, oblique.LARGEST_STENCIL])
        kind, columns, sides = (
            np.empty(size.size, np.int8),
            np.empty((5, size.size)),
            np.empty(oblique.MOST_STENCILS),
        )
        x, y, depth, _, in_view = columns
        n_sides = classify_leaves(
            position, size, cube.axes, cube.reach, *half, cube.faces.copy(), cube.walls, largest,
            (kind, *columns), sides, 0,
        )  # fmt: skip
        sides_in_pixels = tuple(float(f"{side / view.pixel:.12g}") for side in sides[:n_sides])
        layout, tables = oblique.packed_stencils(axes, sides_in_pixels)
        # a leaf's stencil is that of the nearest offset, and may reach one offset further
        offsets = np.concatenate((np.full(FIRST_STENCIL, np.inf), layout[:, 0]))
        reach = widest * size + 2.0 * view.pixel / offsets[kind]
        seen = np.flatnonzero(kind != NOTHING)
        super().__init__(view, seen, x[seen], y[seen], reach[seen])
        self._leaves = [column[self.cells] for column in (x, y, depth, size, kind, in_view, reach)]
        self._cube, self._half, self._tables = cube, half, (corners, layout, tables)

    def _blank(self) -> FloatArray:
        return padded_image(1, self._n_pixels)

    def _record(self, part: slice, blank: FloatArray, found: Footprints) -> None:
        cube = self._cube
        record_oblique(
            *(column[part] for column in self._leaves), cube.reach, *self._half, cube.faces.copy(),
            cube.walls, *self._tables, blank, *found,
        )  # fmt: skip
