"""Position-position-velocity cubes of a line, on the pixels of a map and adding up to it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError
from simpost.maps.checks import column, plain
from simpost.maps.cube_kernels import LANES, LIMIT, deposit_leaf_lines, spread_lines
from simpost.maps.deposit import Depositor, MapResult
from simpost.maps.velocity import NARROWEST, Channels
from simpost.maps.view import View

FloatArray = NDArray[np.float64]

WARN_OUTSIDE = 1e-6  # share of the luminosity outside the band above which the band is too narrow
_LINE = "line"
_OUTSIDE = "outside the band"
_GROUP = 16  # channels: lines that start in the same group are deposited together
_WORTH = 1 << 17  # cells that wait for one another, so that small chunks do not each cost whole images
_BLOCK = 4096  # cells whose columns of channels are made at once: they stay in the cache
_Add = Callable[[Depositor, FloatArray, FloatArray, dict[str, FloatArray]], None]


class _Cells(NamedTuple):
    """Position (n, 3), size or radius, and luminosity; line centre and dispersion in channels; each (n,)."""

    position: FloatArray
    length: FloatArray
    luminosity: FloatArray
    centre: FloatArray
    sigma: FloatArray


@dataclass(frozen=True, eq=False)
class CubeResult:
    """A cube and the account of what it holds.

    Parameters
    ----------
    values : (nv, ny, nx)
        Mean of each channel: luminosity per kpc^2 and km/s. Row 0 at the bottom, channel 0 approaching.
    channels : Channels
        Velocities relative to the galaxy, receding positive.
    outside : (ny, nx)
        Luminosity per kpc^2 outside the band.
    map : MapResult
        The map of the same cells: moment 0 of `values` plus `outside`, but deposited without them.
    closure : float
        As of a map: what lies in cube and `outside` against what the cells put into the field of view, which
        is computed without pixels; NaN with `map.closure_reason` if there is nothing to compare.
    share_outside_band : float
        Of the luminosity in the field of view; NaN if there is none.
    moment_0_deviation : float
        Largest difference between (moment 0 + `outside`) and `map` over the brightest pixel of `map`.
    """

    values: FloatArray
    channels: Channels
    outside: FloatArray
    map: MapResult
    closure: float
    share_outside_band: float
    moment_0_deviation: float

    @property
    def warning(self) -> str:
        """Says that the band is too narrow, or nothing."""
        if not self.share_outside_band > WARN_OUTSIDE:
            return ""
        edges = self.channels.edges()
        band = f"{edges[0]:g} to {edges[-1]:g} km/s"
        return f"{self.share_outside_band:.2g} of the luminosity lies outside the band of {band}"


class CubeDepositor:
    """Accumulates the lines of chunks of cells in the channels and pixels of one view.

    A cell's luminosity is spread over its footprint, the same as on a map, and over velocity as a Gaussian
    cut at 5 sigma and renormalised: every channel holds the integral over its width, not a value at its
    centre. All light is accounted for: in a channel, outside the band, or outside the field of view.
    The emission is optically thin.

    Memory is one cube of float64 that threads share, and its copy in FITS order at the end; smoothed cells
    and oblique views need the images of the channels of one group of lines besides.

    Parameters
    ----------
    view : View
        Window, slab and pixels.
    channels : Channels or array (nv + 1,)
        The channels, or their edges [km/s]; default 100 channels of 10 km/s (Vallini+2025).
    kernel : str
        Smoothing kernel of `add_cells`, as of `Depositor`.
    workers : int
        Threads of `add_leaves`; the result does not depend on them. Default 1.

    Raises
    ------
    InputError
        The channels are not equal, or the kernel is unknown.
    """

    def __init__(
        self,
        view: View,
        channels: Channels | ArrayLike | None = None,
        kernel: str = "s25",
        workers: int = 1,
    ) -> None:
        if channels is None:
            channels = Channels()
        self.view = view
        self.channels = channels if isinstance(channels, Channels) else Channels.from_edges(channels)
        self.kernel = kernel
        _check_memory(view, self.channels)
        self._workers = max(1, int(workers))
        self._map = Depositor(view, [_LINE], kernel)
        n_pixels, padded = view.n_pixels, math.ceil(self.channels.number / LANES) * LANES
        self._cube = np.zeros((n_pixels, n_pixels, padded))  # velocity fastest: a line is one run of memory
        self._outside = np.zeros((n_pixels, n_pixels))
        self._waiting: dict[_Add, list[_Cells]] = {}

    def add_leaves(
        self,
        position: ArrayLike,
        size: ArrayLike,
        luminosity: ArrayLike,
        velocity: ArrayLike,
        dispersion: ArrayLike,
    ) -> None:
        """Add octree leaves by their exact overlap with pixels and slab.

        Parameters
        ----------
        position : (n, 3)
            Leaf centres relative to the galaxy's [kpc].
        size : (n,)
            Leaf sides [kpc].
        luminosity : (n,)
            Of the line [Lsun], or any other unit, from zero up.
        velocity : (n,)
            Along the line of sight relative to the galaxy [km/s], see `velocity.radial_velocity`.
        dispersion : (n,)
            One-dimensional, of the line [km/s], see `velocity.line_dispersion`.

        Raises
        ------
        InputError
            Shapes or values are wrong, or `Depositor.add_leaves` refuses the view.
        """
        cells = self._checked(position, "size", size, luminosity, velocity, dispersion)
        if not self.view.is_axis_aligned:
            self._map.add_leaves(cells.position, cells.length, {_LINE: cells.luminosity})
            self._queue(Depositor.add_leaves, cells)
            return
        x, y, depth = self.view.project(cells.position)
        with ThreadPoolExecutor(self._workers) as pool:
            tasks = [
                pool.submit(self._map.add_leaves, cells.position, cells.length, {_LINE: cells.luminosity})
            ]
            for first, end in _row_bands(y, self.view, self._workers):
                tasks.append(pool.submit(self._add_rows, x, y, depth, cells, first, end))
            for task in tasks:
                task.result()

    def add_cells(
        self,
        position: ArrayLike,
        r_cell: ArrayLike,
        luminosity: ArrayLike,
        velocity: ArrayLike,
        dispersion: ArrayLike,
    ) -> None:
        """Add Voronoi cells as smoothing kernels; a cell is in the slab when its centre is.

        Parameters
        ----------
        position : (n, 3)
            Generators relative to the galaxy's centre [kpc].
        r_cell : (n,)
            Radii (3 V/4 pi)^(1/3) of the cells [kpc].
        luminosity, velocity, dispersion : (n,)
            As of `add_leaves`.

        Raises
        ------
        InputError
            Shapes or values are wrong.
        """
        cells = self._checked(position, "r_cell", r_cell, luminosity, velocity, dispersion)
        self._map.add_cells(cells.position, cells.length, {_LINE: cells.luminosity})
        self._queue(Depositor.add_cells, cells)

    def finish(self) -> CubeResult:
        """Return the cube [luminosity per kpc^2 and km/s] with its map and its account."""
        self._add_waiting()
        view, channels = self.view, self.channels
        area = view.pixel**2
        mapped = self._map.finish()[_LINE]
        values = np.empty((channels.number, view.n_pixels, view.n_pixels))
        moment_0 = np.empty_like(self._outside)
        for j, row in enumerate(self._cube[:, :, : channels.number]):
            values[:, j, :] = row.T / (area * channels.width)
            moment_0[j] = row.sum(axis=1)
        outside = float(self._outside.sum())
        total = float(moment_0.sum()) + outside
        on_map = float(mapped.values.sum()) * area
        closure = mapped.closure  # of the map, whose pixels the cube may miss or exceed
        if not math.isnan(closure) and on_map > 0.0:
            closure = (1.0 + closure) * total / on_map - 1.0
        brightest = float(mapped.values.max()) * area
        deviation = float(np.abs(moment_0 + self._outside - mapped.values * area).max())
        return CubeResult(
            values=values,
            channels=channels,
            outside=self._outside / area,
            map=mapped,
            closure=closure,
            share_outside_band=outside / total if total > 0.0 else math.nan,
            moment_0_deviation=deviation / brightest if brightest > 0.0 else 0.0,
        )

    def _checked(
        self,
        position: ArrayLike,
        length_name: str,
        length: ArrayLike,
        luminosity: ArrayLike,
        velocity: ArrayLike,
        dispersion: ArrayLike,
    ) -> _Cells:
        """Checked arrays; lines in channels from the lower edge of the band."""
        position = plain("position", position)
        if position.ndim != 2 or position.shape[1] != 3:
            raise InputError("position", f"shape {position.shape}", "shape (n, 3)")
        n = len(position)
        columns = {
            length_name: length,
            "luminosity": luminosity,
            "velocity": velocity,
            "dispersion": dispersion,
        }
        length, light, velocity, sigma = (column(name, values, n) for name, values in columns.items())
        if np.any(length <= 0.0):
            found = f"{np.count_nonzero(length <= 0.0)} values not above zero"
            raise InputError(length_name, found, "positive lengths in kpc")
        for name, values in (("luminosity", light), ("dispersion", sigma)):
            if np.any(values < 0.0):
                raise InputError(name, f"{np.count_nonzero(values < 0.0)} values below zero", "zero or more")
        centre = (velocity - self.channels.lowest) / self.channels.width
        return _Cells(position, length, light, centre, np.maximum(sigma / self.channels.width, NARROWEST))

    def _add_rows(
        self, x: FloatArray, y: FloatArray, depth: FloatArray, cells: _Cells, first: int, end: int
    ) -> None:
        deposit_leaf_lines(
            x,
            y,
            depth,
            cells.length,
            cells.luminosity,
            cells.centre,
            cells.sigma,
            0.5 * self.view.width,
            0.5 * self.view.depth,
            self.view.pixel,
            self.channels.number,
            first,
            end,
            self._cube,
            self._outside,
        )

    def _queue(self, add: _Add, cells: _Cells) -> None:
        self._waiting.setdefault(add, []).append(_Cells(*(column.copy() for column in cells)))
        if sum(chunk.centre.size for chunks in self._waiting.values() for chunk in chunks) >= _WORTH:
            self._add_waiting()

    def _add_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for add, chunks in waiting.items():
            self._add_planes(add, _Cells(*(np.concatenate(columns) for columns in zip(*chunks, strict=True))))

    def _add_planes(self, add: _Add, cells: _Cells) -> None:
        """Deposit the channels as so many quantities of a map, lines of similar velocity together.

        Whatever footprint a map has, the cube has, too.
        """
        area = self.view.pixel**2
        for members, first, end in self._groups(cells):
            names = [str(channel) for channel in range(first, end)]
            depositor = Depositor(self.view, [*names, _OUTSIDE], self.kernel)
            for start in range(0, members.size, _BLOCK):
                block = _Cells(*(column[members[start : start + _BLOCK]] for column in cells))
                columns, outside = np.empty((end - first, block.centre.size)), np.empty(block.centre.size)
                line = block.luminosity, block.centre, block.sigma
                spread_lines(*line, self.channels.number, first, columns, outside)
                quantities = dict(zip(names, columns, strict=True))
                add(depositor, block.position, block.length, {**quantities, _OUTSIDE: outside})
            planes = depositor.finish()
            self._outside += planes[_OUTSIDE].values * area
            for channel, name in enumerate(names, start=first):
                self._cube[:, :, channel] += planes[name].values * area

    def _groups(self, cells: _Cells) -> Iterator[tuple[NDArray[np.intp], int, int]]:
        """Cells whose lines begin near each other, and the channels from the first to the last of them."""
        number = self.channels.number
        low = np.clip(np.floor(cells.centre - LIMIT * cells.sigma), 0, number - 1).astype(np.intp)
        high = np.clip(np.ceil(cells.centre + LIMIT * cells.sigma), 1, number).astype(np.intp)
        group = low // _GROUP
        for which in np.unique(group):
            members = np.flatnonzero(group == which)
            first = int(which) * _GROUP
            yield members, first, max(int(high[members].max()), first + 1)


def _check_memory(view: View, channels: Channels) -> None:
    """Refuse a cube that with its copy in FITS order does not fit into memory."""
    needed = 2 * 8 * view.n_pixels**2 * channels.number
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        found = (
            f"{view.n_pixels} x {view.n_pixels} pixels x {channels.number} channels: {needed / 1e9:.4g} GB"
        )
        expected = f"at most the {there / 1e9:.4g} GB of this machine"
        raise InputError(f"cube of view '{view.name}'", found, expected, "enlarge pixels or channels")


def _row_bands(y: FloatArray, view: View, workers: int) -> list[tuple[int, int]]:
    """Bands of pixel rows that hold about as many cells each: two for every thread, if there are several."""
    if workers == 1:
        return [(0, view.n_pixels)]
    row = np.clip(np.floor((y + 0.5 * view.width) / view.pixel), 0, view.n_pixels - 1).astype(np.intp)
    below = np.cumsum(np.bincount(row, minlength=view.n_pixels))
    bands = 2 * workers
    inner = np.searchsorted(below, below[-1] * np.arange(1, bands) / bands) + 1
    borders = np.unique([0, *inner, view.n_pixels])
    return [(int(first), int(end)) for first, end in pairwise(borders)]
