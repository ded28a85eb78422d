"""Tables and cells of the emission benchmark, and the slow interpolation that its errors are taken from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from simpost.emission.density_pdf import AveragedTable

Array = NDArray[np.float64]

B = 1.0 / 3.0  # of sigma_s = [ln(1 + b^2 M^2)]^(1/2), Federrath+2010
SEED = 158
# log10 of n_H [cm^-3], Z [solar], G0 [Habing], N [cm^-2] and Mach number of a galaxy's cells: centre, spread,
# and correlation with the first
GALAXY = ((1.0, 1.0, 1.0), (-0.5, 0.5, 0.6), (1.5, 0.5, 0.6), (21.0, 0.85, 0.99), (0.8, 0.2, 0.6))


@dataclass(frozen=True)
class Table:
    """log10 of the emission of both spectra, averaged over the density distribution.

    Attributes
    ----------
    nodes : tuple of array
        Equally spaced nodes: log10 of the cells' values along every axis but the last, sigma_s there.
    log_l : array
        Shape (*axes, 2). At sigma_s = 0, the first node, it is the emission without the average.
    """

    nodes: tuple[Array, ...]
    log_l: Array


def made_up_table(column: bool = False) -> Table:
    """Smooth, 41 x 9 x 13 (x 13) x 10 nodes in log n, log Z, log G0, (log N,) and sigma_s."""
    log_n, log_z, log_g0 = np.linspace(-4.0, 6.0, 41), np.linspace(-3.0, 1.0, 9), np.linspace(-2.0, 4.0, 13)
    widths = np.linspace(0.0, 2.7, 10)
    n, z, g0, width = np.meshgrid(log_n, log_z, log_g0, widths, indexing="ij", sparse=True)
    roots, weights = mass_nodes()
    total = np.zeros((log_n.size, log_z.size, log_g0.size, widths.size, 2))
    for root, weight in zip(roots, weights, strict=True):
        total += weight * 10.0 ** _made_up(n + density_shift(width, root), z, g0)
    log_l = np.log10(total)
    if not column:
        return Table((log_n, log_z, log_g0, widths), log_l)
    log_column = np.linspace(17.0, 23.0, 13)
    saturation = -np.log10(1.0 + 10.0 ** (log_column - 21.0))
    return Table(
        (log_n, log_z, log_g0, log_column, widths), log_l[..., None, :, :] + saturation[:, None, None]
    )


def _made_up(log_n: Array, log_z: Array, log_g0: Array) -> Array:
    """Like a collisionally excited line: sub-critical, then thermal; heating saturates with G0/n."""
    line = log_n - np.log10(1.0 + 10.0 ** (log_n - 3.4)) + 0.9 * log_z + 0.4 * np.tanh(log_g0 - 0.5 * log_n)
    return np.stack(np.broadcast_arrays(line - 27.0, line - 26.8 + 0.2 * np.cos(log_n + log_g0)), axis=-1)


def mass_nodes() -> tuple[Array, Array]:
    """64 nodes in units of the width and weights, of a normal distribution (Gauss-Hermite)."""
    roots, weights = np.polynomial.hermite_e.hermegauss(64)
    return roots, weights / np.sqrt(2.0 * np.pi)


def density_shift(width: Array, root: float | Array) -> Array:
    """log10(n/n0) at `root` widths from the mean of the mass-weighted log-normal."""
    return np.asarray((0.5 * width**2 + root * width) / np.log(10.0))


def packaged_average() -> AveragedTable:
    """[CII] of simpost's own slab grid, averaged as in a run: all four axes and sigma_s."""
    from simpost.emission.density_pdf import average_over_pdf
    from simpost.emission.grid import load_grid

    return average_over_pdf(load_grid("slab"), "CII-158um")


def table_of(average: AveragedTable) -> Table:
    """A table of simpost as one of the benchmark."""
    nodes = (*(axis.nodes for axis in average.axes.values()), average.widths)
    return Table(nodes, average.log2_l * np.log10(2.0))


def averaged(table: Table) -> AveragedTable:
    """A table of the benchmark as one of simpost; cells beyond it are clamped, as the peers do."""
    from simpost.emission.axes import CELL_AXES, standard_axis
    from simpost.emission.density_pdf import EMISSION_UNIT, AveragedTable, pack

    names = list(CELL_AXES)[: len(table.nodes) - 1]
    log2_l = (table.log_l - np.log10(EMISSION_UNIT)) * np.log2(10.0)
    axes = {
        name: standard_axis(name, nodes)._replace(below=0.0, above=0.0)
        for name, nodes in zip(names, table.nodes, strict=False)
    }
    return AveragedTable(
        line="CII-158um",
        variants=("non_ionising", "ionising"),
        axes=axes,
        ends={name: (axis.nodes[0], axis.nodes[-1]) for name, axis in axes.items()},
        widths=table.nodes[-1],
        packed=pack(log2_l.astype(np.float32)),
        outside=np.zeros(table.log_l.shape, np.uint8),
        pdf="mass",
        pdf_column="cell",
        redshift=None,
        redshift_of_cells=None,
        note="",
        floored=0.0,
        grid_checksum="",
    )


def random_cells(table: Table, n: int, seed: int = SEED) -> tuple[Array, ...]:
    """Cells uniform along every axis: values as a snapshot has them, the Mach number last."""
    rng = np.random.default_rng(seed)
    *logs, width = (rng.uniform(nodes[0], nodes[-1], n) for nodes in table.nodes)
    return (*(10.0**x for x in logs), np.sqrt(np.expm1(width**2)) / B)


def galaxy_cells(table: Table, n: int, seed: int = SEED) -> tuple[Array, ...]:
    """Cells in random order whose values go together as in a galaxy, for a table with a column axis.

    Spreads and correlations are those of the cells of the sample ramses-zoom.
    """
    rng = np.random.default_rng(seed)
    dense = rng.standard_normal(n)
    columns = []
    for centre, spread, r in GALAXY:
        own = rng.standard_normal(n) * np.sqrt(1.0 - r * r)
        columns.append(10.0 ** (centre + spread * (r * dense + own)))
    return tuple(columns)


def sorted_cells(table: Table, cells: tuple[Array, ...]) -> tuple[Array, ...]:
    """The cells in the order of the table, first axis slowest: near in space is near in the table, too."""
    node = np.zeros(cells[0].size, dtype=np.int64)
    for nodes, x in zip(table.nodes, coordinates(cells), strict=True):
        node = node * nodes.size + np.searchsorted(nodes, x)
    order = np.argsort(node)
    return tuple(column[order] for column in cells)


def coordinates(cells: tuple[Array, ...]) -> Iterator[Array]:
    """Position of the cells along every axis."""
    *columns, mach = cells
    yield from (np.log10(column) for column in columns)
    yield np.sqrt(np.log1p((B * mach) ** 2))


def corners(nodes: Sequence[Array], points: Sequence[Array]) -> Iterator[tuple[tuple[NDArray, ...], Array]]:
    """Index and weight of every corner around the points, clamped to the table; one array per axis."""
    low, weight = [], []
    for axis, x in zip(nodes, points, strict=True):
        lower = np.clip(np.searchsorted(axis, x, side="right") - 1, 0, axis.size - 2)
        low.append(lower)
        weight.append(np.clip((x - axis[lower]) / (axis[lower + 1] - axis[lower]), 0.0, 1.0))
    for corner in product((0, 1), repeat=len(low)):
        share = np.ones(len(points[0]))
        for w, upper in zip(weight, corner, strict=True):
            share *= w if upper else 1.0 - w
        yield tuple(i + upper for i, upper in zip(low, corner, strict=True)), share


def multilinear(table: Table, cells: tuple[Array, ...]) -> Array:
    """Emission (cells, 2): float64, every corner in turn."""
    log_l = np.zeros((cells[0].size, 2))
    for index, share in corners(table.nodes, list(coordinates(cells))):
        log_l += share[:, None] * table.log_l[index]
    return np.asarray(10.0**log_l)
