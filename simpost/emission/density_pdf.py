"""Sub-grid density: a line grid averaged over the log-normal distribution of density in a cell.

The Mach number and b enter through the width sigma_s alone: one table, with sigma_s as its last axis, serves
every Mach number, every definition of it and every b.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError, nearest_name
from simpost.emission.axes import CELL_AXES, COLUMN, DENSITY, REFUSE, Axis, Beyond, equal_steps
from simpost.emission.cmb import cmb_attenuation
from simpost.emission.grid import FLOOR, LineGrid
from simpost.emission.lines import CII
from simpost.emission.log_normal import density_weights, log_normal_mean

Array = NDArray[np.float64]

PDFS = ("mass", "volume", "none", "meanC")
AVERAGED = ("mass", "volume")  # the others look one density up
CMB_ON = ("node", "cell")
# exponent p of the column N_s = N e^(p s) of a sub-element: the cell's column, a clump of fixed mass,
# a path of fixed length
COLUMN_EXPONENTS = {"cell": 0.0, "clump": 2.0 / 3.0, "depth": 1.0}
LN10 = float(np.log(10.0))
EMISSION_UNIT = 1e-24  # erg/s per H, of a table's log2: near the typical l, far from the ends of float32
# Steps of the averaged table [dex]. The average of an interpolation is not the interpolation of averages:
# with half as many nodes in Z, or the widths twice as far apart, over 1 % of the cells are over 1 % off.
TABLE_STEPS = {"log_n": 1.0 / 6.0, "log_z": 0.25, "log_g0": 0.25, "log_column": 0.25}
DENSITY_MARGIN = 1.0  # dex beyond the grid: the distribution of a cell outside still reaches into it
WIDTH_STEP = 0.2
HIGHEST_WIDTH = 3.4  # sigma_s of b = 1 at M = 300, the highest Mach number of a cell (ism.turbulence)
QUADRATURE_STEP = 1.0 / 36.0  # dex, the table's own nodes among them
ROWS = 4096  # of the table averaged at a time
ETA_FLOOR = 1e-3  # a node at or below T_CMB keeps this share: log-log interpolation cannot hold a zero


@dataclass(frozen=True)
class AveragedTable:
    """One line of a grid, averaged over density, ready for `luminosity.line_luminosity`.

    Attributes
    ----------
    line : str
        Label of the line.
    variants : tuple of str
        As in the grid.
    axes : mapping of str to Axis
        As in the grid, with more nodes, all equally spaced; `log_n` is the cell's mean density, and reaches
        beyond the grid.
    ends : mapping of str to (float, float)
        First and last node of the grid's axes.
    widths : array
        sigma_s nodes, equally spaced from 0; 0 twice where there is no average, for pdf `none` and `meanC`.
    packed : array of float32
        log2 of the averaged l [1e-24 erg/s per H] as `lookup_kernels.look_up` takes it: the last of the
        axes is one node shorter, and behind the widths stand its two corners and the two variants. A grid's
        single variant stands twice. `log2_l` is the plain table.
    outside : array of uint8
        Share of l that comes from densities beyond the grid, in units of 1/255, shape (*axes, widths, 2).
    pdf, pdf_column
        Options of `average_over_pdf`.
    redshift : float or None
        Redshift of the CMB correction that is contained; None without one.
    redshift_of_cells : float or None
        Redshift of a CMB correction that is left to the state of each cell; None if none is.
    note : str
        Why a correction that was asked for is not contained, else empty.
    floored : float
        Share of grid nodes at or below T_CMB, whose attenuation is 1e-3 instead of zero.
    grid_checksum : str
        SHA-256 of the grid.
    """

    line: str
    variants: tuple[str, ...]
    axes: Mapping[str, Axis]
    ends: Mapping[str, tuple[float, float]]
    widths: Array
    packed: NDArray[np.float32]
    outside: NDArray[np.uint8]
    pdf: str
    pdf_column: str
    redshift: float | None
    redshift_of_cells: float | None
    note: str
    floored: float
    grid_checksum: str

    @property
    def log2_l(self) -> NDArray[np.float32]:
        """log2 of the averaged l [1e-24 erg/s per H], shape (*axes, widths, 2): a copy."""
        number = len(self.axes) - 1
        last = np.take(self.packed, [-1], axis=number)[..., 1, :]
        return np.concatenate([self.packed[..., 0, :], last], axis=number)


def average_over_pdf(
    grid: LineGrid,
    line: str,
    pdf: str = "mass",
    redshift: float | None = None,
    pdf_column: str = "cell",
    cmb_on: str = "node",
    workers: int = 1,
) -> AveragedTable:
    """Average a line of a grid over the log-normal density distribution.

    The integral is a matrix product: l, exact at steps of 1/36 dex in density and linear between them, times
    the integral of the distribution over each step; beyond the grid it is in closed form, with the grid's
    slopes. It overestimates l ~ n^beta by 3e-4 beta^2 (`exact.exact_emission` does not).

    Parameters
    ----------
    grid : LineGrid
        The grid; every axis must be one of the cells' (`LineGrid.at` takes others out).
    line : str
        Label of the line, for example `CII-158um`.
    pdf : str
        `mass` (default: every unit of mass emits at its own density; the only choice that conserves the
        mass of the cell), `volume`, `none`, or `meanC` (one density, (1 + b^2 M^2) n0).
    redshift : float, optional
        Apply the CMB attenuation of this redshift; only for [CII] 158 um, other lines carry a note instead.
    pdf_column : str
        Column of a sub-element: the `cell`'s (default), of a `clump` of fixed mass, N e^(2s/3), or of a
        path of fixed `depth`, N e^s.
    cmb_on : str
        `node` (default): the attenuation of every density of the distribution; `cell`: the one of the
        cell's mean density, or, where the grid has no T_CII and C_CII, of the cell's own state, which is
        left to the caller (`redshift_of_cells`, `cmb.cell_attenuation`) and noted.
    workers : int
        Threads. The packaged grid takes about four core-seconds and 0.4 GB (twice that while it is made).

    Raises
    ------
    InputError
        Unknown option, an axis cells do not have, or a CMB correction the grid has no data for.
    """
    _check_options(grid, pdf, pdf_column, cmb_on)
    rows = _Rows(grid)
    log_l = rows.of(grid.line(line))
    has_gas = grid.t_cii is not None and grid.c_cii is not None
    of_cells = line == CII and redshift is not None and cmb_on == "cell" and not has_gas
    log_eta, floored = _attenuation(grid, line, None if of_cells else redshift)
    corrected = log_eta is not None
    after = None if log_eta is None else rows.of(log_eta)
    if after is not None and cmb_on == "node":
        log_l, after = np.maximum(log_l + after, FLOOR), None
    widths = np.arange(0.0, HIGHEST_WIDTH + WIDTH_STEP, WIDTH_STEP) if pdf in AVERAGED else np.zeros(2)
    log_n = rows.axes[DENSITY].nodes
    log2_l = np.empty((len(log_l), log_n.size, widths.size), np.float32)
    outside = np.empty(log2_l.shape, np.uint8)
    average = _averager(grid, rows, pdf, widths, COLUMN_EXPONENTS[pdf_column])

    def fill(start: int) -> None:
        part = slice(start, start + rows.block)
        log_average, beyond = average(log_l[part])
        if after is not None:
            eta = _along(after[part], grid.axes[DENSITY], log_n)
            log_average = np.maximum(log_average + eta[..., None], FLOOR)
        log2_l[part] = (log_average - np.log10(EMISSION_UNIT)) / np.log10(2.0)
        outside[part] = np.rint(255.0 * beyond)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, range(0, len(log_l), rows.block)))
    return AveragedTable(
        line=line,
        variants=grid.variants,
        axes=rows.axes,
        ends={name: (float(axis.nodes[0]), float(axis.nodes[-1])) for name, axis in grid.axes.items()},
        widths=widths,
        packed=pack(rows.table(log2_l)),
        outside=rows.table(outside),
        pdf=pdf,
        pdf_column=pdf_column,
        redshift=redshift if corrected else None,
        redshift_of_cells=redshift if of_cells else None,
        note=_note(line, redshift, corrected, of_cells),
        floored=floored,
        grid_checksum=grid.checksum,
    )


def _check_options(grid: LineGrid, pdf: str, pdf_column: str, cmb_on: str) -> None:
    for name, value, known in (
        ("pdf", pdf, PDFS),
        ("pdf_column", pdf_column, tuple(COLUMN_EXPONENTS)),
        ("cmb_on", cmb_on, CMB_ON),
    ):
        if value not in known:
            raise InputError(name, repr(value), f"one of {known}", nearest_name(value, list(known)))
    strange = [name for name in grid.axes if name not in CELL_AXES]
    if strange:
        nodes = grid.nodes(strange[0])
        raise InputError(
            f"grid axis {strange[0]}",
            "no such property of a cell",
            f"a value between {nodes[0]:g} and {nodes[-1]:g} for it",
            f"set emission.at: {{{strange[0]}: value}}",
        )
    if COLUMN_EXPONENTS[pdf_column] and COLUMN not in grid.axes:
        raise InputError("pdf_column", repr(pdf_column), "'cell'", "the grid has no column axis")


def _note(line: str, redshift: float | None, corrected: bool, of_cells: bool) -> str:
    if of_cells:
        return f"CMB correction of {line} from each cell's own temperature: the grid has none"
    if redshift is not None and not corrected:
        return f"no CMB correction for {line}: no excitation temperature"
    return ""


def _attenuation(grid: LineGrid, line: str, redshift: float | None) -> tuple[Array | None, float]:
    """log10 of the CMB attenuation of every node, None without one; and the share of floored nodes."""
    if redshift is None or line != CII:
        return None, 0.0
    if grid.t_cii is None or grid.c_cii is None:
        remedy = "set emission.cmb_on: cell, which uses the cells' own temperature, or switch cmb off"
        raise InputError("grid", "no T_CII and C_CII", "both, for the CMB correction", remedy)
    if grid.cmb_in_grid:
        raise InputError("grid", "models that contain the CMB", "a grid without it", "switch cmb off")
    shape = [1] * len(grid.shape)
    shape[grid.number(DENSITY)] = -1
    density = 10.0 ** grid.nodes(DENSITY).reshape(shape)
    eta = cmb_attenuation(grid.t_cii.astype(float), grid.c_cii.astype(float) * density, redshift)
    return np.log10(np.maximum(eta, ETA_FLOOR)), float(np.mean(eta < ETA_FLOOR))


class _Rows:
    """A grid's tables as rows along the density, on the finer nodes of the averaged table.

    Rows run over (variant, other axes, column): the column last, so that a block holds whole ones.
    """

    def __init__(self, grid: LineGrid) -> None:
        self._grid = grid
        self.axes = {
            name: axis._replace(nodes=_table_nodes(axis.nodes, TABLE_STEPS[name]))
            for name, axis in grid.axes.items()
        }
        self.axes[DENSITY] = self.axes[DENSITY]._replace(nodes=_beyond_ends(self.axes[DENSITY].nodes))
        others = [name for name in grid.axes if name != DENSITY]
        self._others = sorted(others, key=lambda name: name == COLUMN)
        self.columns = self.axes[COLUMN].nodes.size if COLUMN in self.axes else 1
        self.block = max(ROWS // self.columns, 1) * self.columns

    def of(self, table: ArrayLike) -> Array:
        """Rows of a table of the grid's shape, (rows, density nodes of the grid)."""
        fine = np.asarray(table, dtype=float)
        order = [0, *(self._grid.number(name) for name in self._others), self._grid.number(DENSITY)]
        fine = np.transpose(fine, order)
        for number, name in enumerate(self._others, start=1):
            moved = _along(np.moveaxis(fine, number, -1), self._grid.axes[name], self.axes[name].nodes)
            fine = np.moveaxis(moved, -1, number)
        return np.ascontiguousarray(fine).reshape(-1, fine.shape[-1])

    def table(self, rows: NDArray) -> NDArray:
        """Rows (rows, densities, widths) as a table (*axes, widths, 2)."""
        sizes = [self.axes[name].nodes.size for name in self._others]
        table = rows.reshape(-1, *sizes, *rows.shape[1:])
        names = ["variant", *self._others, DENSITY, "width"]
        table = np.transpose(table, [names.index(name) for name in (*self.axes, "width", "variant")])
        return np.ascontiguousarray(np.broadcast_to(table, (*table.shape[:-1], 2)))


def pack(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """A table (..., last axis, widths, 2) as the look-up takes it: (..., last - 1, widths, corner, 2)."""
    return np.stack([table[..., :-1, :, :], table[..., 1:, :, :]], axis=-2)


def _table_nodes(nodes: Array, step: float) -> Array:
    """Equally spaced nodes at most `step` apart, the given ones among them if they are equally spaced."""
    if equal_steps(nodes):
        return refined(nodes, step)
    step = min(step, 0.5 * float(np.diff(nodes).min()))
    return np.linspace(nodes[0], nodes[-1], int(np.ceil((nodes[-1] - nodes[0]) / step)) + 1)


def _beyond_ends(nodes: Array) -> Array:
    """Equally spaced nodes, and more at either end for `DENSITY_MARGIN`."""
    step = nodes[1] - nodes[0]
    more = step * np.arange(1, int(np.ceil(DENSITY_MARGIN / step - 1e-9)) + 1)
    return np.concatenate([nodes[0] - more[::-1], nodes, nodes[-1] + more])


def refined(nodes: Array, step: float) -> Array:
    """The nodes and equally spaced ones between each two, at most `step` apart."""
    parts = int(np.ceil(np.diff(nodes).max() / step - 1e-9))
    return np.interp(np.arange((nodes.size - 1) * parts + 1) / parts, np.arange(nodes.size), nodes)


def slopes_beyond(axis: Axis) -> tuple[float, float]:
    """Slopes beyond the ends of an axis; where cells are refused, what is left to integrate is clamped."""

    def slope(beyond: Beyond) -> float:
        return 0.0 if beyond == REFUSE else float(beyond)

    return slope(axis.below), slope(axis.above)


def _along(table: Array, axis: Axis, x: Array) -> Array:
    """Linear interpolation of `table` along its last axis, with the axis' slopes beyond the ends."""
    nodes, (below, above) = axis.nodes, slopes_beyond(axis)
    low = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, nodes.size - 2)
    weight = np.clip((x - nodes[low]) / (nodes[low + 1] - nodes[low]), 0.0, 1.0)
    beyond = below * np.minimum(x - nodes[0], 0.0) + above * np.maximum(x - nodes[-1], 0.0)
    return np.asarray(table[..., low] * (1.0 - weight) + table[..., low + 1] * weight + beyond)


def _averager(
    grid: LineGrid, rows: _Rows, pdf: str, widths: Array, exponent: float
) -> Callable[[Array], tuple[Array, Array]]:
    """Function from rows of log10 l to log10 of their averages and the shares from beyond the grid.

    Both have the shape (rows, densities of the table, widths).
    """
    density, log_n = grid.axes[DENSITY], rows.axes[DENSITY].nodes
    if pdf not in AVERAGED:
        nothing = np.zeros((1, log_n.size, widths.size))
        return lambda log_l: (
            np.repeat(_along(log_l, density, log_n)[..., None], widths.size, axis=-1),
            np.broadcast_to(nothing, (len(log_l), *nothing.shape[1:])),
        )
    fine = refined(density.nodes, QUADRATURE_STEP)
    means, slopes = log_normal_mean(widths, pdf), slopes_beyond(density)
    weights = [density_weights((fine - x) * LN10, means, widths, *slopes) for x in log_n]
    inside = np.stack([w for w, _ in weights], axis=1)  # (fine, densities, widths)
    ends = np.stack([w for _, w in weights], axis=1)

    def straight(log_l: Array) -> tuple[Array, Array]:
        l_fine = 10.0 ** _along(log_l, density, fine)
        beyond = np.tensordot(l_fine[:, [0, -1]], ends, axes=1)
        total = np.tensordot(l_fine, inside, axes=1) + beyond
        return np.log10(total), beyond / total

    def diagonal(log_l: Array) -> tuple[Array, Array]:
        """The column of a sub-element changes with its density: one path for every mean density."""
        column = rows.axes[COLUMN]
        table = _along(log_l, density, fine).reshape(-1, rows.columns, fine.size)
        total, beyond = np.empty((2, len(log_l), log_n.size, widths.size))
        l_fine = np.empty(table.shape)
        for i, x0 in enumerate(log_n):
            for j, x in enumerate(fine):
                there = column.nodes + exponent * (x - x0)
                l_fine[..., j] = 10.0 ** _along(table[..., j], column, there)
            path = l_fine.reshape(len(log_l), fine.size)
            beyond[:, i] = path[:, [0, -1]] @ ends[:, i]
            total[:, i] = path @ inside[:, i] + beyond[:, i]
        return np.log10(total), beyond / total

    return diagonal if exponent else straight
