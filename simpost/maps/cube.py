"""Position-position-velocity cubes of a line, on the pixels of a map and adding up to it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError
from simpost.maps.checks import column, plain
from simpost.maps.cube_kernels import LANES, add_leaf_lines, add_lines, pencils_to_planes
from simpost.maps.deposit import Depositor, MapResult
from simpost.maps.footprints import Footprints, FootprintSource, ObliqueFootprints, SmoothedFootprints
from simpost.maps.images import aligned_zeros
from simpost.maps.velocity import NARROWEST, Channels
from simpost.maps.view import View

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

WARN_OUTSIDE = 1e-6  # share of the luminosity outside the band above which the band is too narrow
WARN_DEVIATION = 1e-10  # of moment 0 from the map: rounding stays far below
_LINE = "line"
_RUN = 1 << 18  # pixels of footprints that a thread records before they are added
_SAMPLE = 1 << 14  # leaves by which rows are shared out among threads
_Band = tuple[int, int]


class _Cells(NamedTuple):
    """Position (n, 3), size or radius [kpc], luminosity, line velocity and dispersion [km/s]; each (n,)."""

    position: FloatArray
    length: FloatArray
    luminosity: FloatArray
    velocity: FloatArray
    dispersion: FloatArray


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
        """Says that the band is too narrow or that moment 0 is not the map, or nothing."""
        found = []
        if self.share_outside_band > WARN_OUTSIDE:
            edges = self.channels.edges()
            band = f"{edges[0]:g} to {edges[-1]:g} km/s"
            found.append(f"{self.share_outside_band:.2g} of the luminosity lies outside the band of {band}")
        if self.moment_0_deviation > WARN_DEVIATION:
            found.append(f"moment 0 is off the map by {self.moment_0_deviation:.2g} of its brightest pixel")
        return "; ".join(found)


class CubeDepositor:
    """Accumulates the lines of chunks of cells in the channels and pixels of one view.

    A cell's luminosity is spread over its footprint, the same as on a map, and over velocity as a Gaussian
    cut at 5 sigma and renormalised: every channel holds the integral over its width, not a value at its
    centre. All light is accounted for: in a channel, outside the band, or outside the field of view.
    The emission is optically thin.

    Memory is one cube of float64 that threads share by rows of pixels, and its copy in FITS order at the end.

    Parameters
    ----------
    view : View
        Window, slab and pixels.
    channels : Channels or array (nv + 1,)
        The channels, or their edges [km/s]; default 100 channels of 10 km/s (Vallini+2025).
    kernel : str
        Smoothing kernel of `add_cells`, as of `Depositor`.
    workers : int
        Threads; the result does not depend on them. Default 1.

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
        room = aligned_zeros(n_pixels * n_pixels * padded, np.float64)
        self._cube = room.reshape(n_pixels, n_pixels, padded)  # velocity fastest: a line is a run of memory
        self._outside = np.zeros((n_pixels, n_pixels))

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
        add_to_map = partial(self._map.add_leaves, cells.position, cells.length, {_LINE: cells.luminosity})
        if not self.view.is_axis_aligned:
            self._add_footprints(ObliqueFootprints(self.view, *cells[:2]), cells, add_to_map)
            return
        x, y, depth = self.view.project(cells.position)
        with ThreadPoolExecutor(self._workers) as pool:
            add = partial(self._add_leaf_rows, x, y, depth, cells)
            tasks = [pool.submit(add, band) for band in self._bands_of_leaves(y)]
            for task in [*tasks, pool.submit(add_to_map)]:
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
        add_to_map = partial(self._map.add_cells, *cells[:2], {_LINE: cells.luminosity})
        self._add_footprints(SmoothedFootprints(self.view, self.kernel, *cells[:2]), cells, add_to_map)

    def finish(self) -> CubeResult:
        """Return the cube [luminosity per kpc^2 and km/s] with its map and its account."""
        view, channels = self.view, self.channels
        area = view.pixel**2
        mapped = self._map.finish()[_LINE]
        values = np.empty((channels.number, view.n_pixels, view.n_pixels))
        moment_0, scale = np.empty_like(self._outside), 1.0 / (area * channels.width)
        with ThreadPoolExecutor(self._workers) as pool:
            bands = np.linspace(0, view.n_pixels, self._workers + 1).astype(int)
            write = partial(pencils_to_planes, self._cube, scale, values, moment_0)
            list(pool.map(write, bands[:-1], bands[1:]))
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
        """Checked arrays."""
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
        return _Cells(position, length, light, velocity, sigma)

    def _add_leaf_rows(
        self, x: FloatArray, y: FloatArray, depth: FloatArray, cells: _Cells, band: _Band
    ) -> None:
        view = self.view
        add_leaf_lines(
            x, y, depth, *cells[1:], 0.5 * view.width, 0.5 * view.depth, view.pixel,
            *self._lines(), *band, self._cube, self._outside,
        )  # fmt: skip

    def _bands_of_leaves(self, y: FloatArray) -> list[_Band]:
        """Bands of rows with about as many leaves each, judged by some of them."""
        view = self.view
        some = y[:: max(y.size // _SAMPLE, 1)]
        row = np.clip((some + 0.5 * view.width) / view.pixel, 0, view.n_pixels - 1).astype(np.intp)
        return _bands(np.bincount(row, minlength=view.n_pixels), self._workers)

    def _add_footprints(self, source: FootprintSource, cells: _Cells, add_to_map: Callable[[], None]) -> None:
        """Add cells by their footprints: threads record some cells each, then add to some rows each."""
        lines = [column[source.cells] for column in cells[2:]]
        of_threads = list(source.runs(_RUN))
        with ThreadPoolExecutor(self._workers) as pool:
            on_map = pool.submit(add_to_map)
            for start in range(0, len(of_threads), self._workers):
                some = of_threads[start : start + self._workers]
                found = list(pool.map(source.record, *zip(*some, strict=True)))
                columns = [[column[first:end] for column in lines] for first, end in some]
                bands = _bands(np.sum([part.rows for part in found], axis=0), self._workers)
                list(pool.map(partial(self._add_rows, found, columns), bands))
            on_map.result()

    def _add_rows(self, found: Sequence[Footprints], lines: Sequence[list[FloatArray]], band: _Band) -> None:
        for part, columns in zip(found, lines, strict=True):
            add_lines(*part[:3], *columns, *self._lines(), *band, self._cube, self._outside)

    def _lines(self) -> tuple[float, float, float, int]:
        """What kernels must know of the channels."""
        return self.channels.lowest, self.channels.width, NARROWEST, self.channels.number


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


def _bands(in_rows: IntArray, workers: int) -> list[_Band]:
    """First and last + 1 rows of bands with about as much work each: nearly two a thread, else one."""
    below, bands = np.cumsum(in_rows), 2 * workers - 1
    inner = np.searchsorted(below, below[-1] * np.arange(1, bands) / bands) + 1
    borders = np.unique([0, *np.minimum(inner, in_rows.size), in_rows.size])
    return [(int(first), int(end)) for first, end in pairwise(borders)]
