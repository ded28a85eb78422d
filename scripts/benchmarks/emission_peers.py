"""What the emission benchmark compares with: the same look-up done by other packages.

Every peer does the whole job: logarithms of the cells' values, the look-up of both spectra, powers of ten.
It goes through the cells in chunks that fit the caches, in buffers of its own that are used again, in the
form (one look-up per spectrum or one of both, float32 or float64) that was the faster one for that package.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from benchmarks.emission_workload import Array, B, Table, corners, density_shift, mass_nodes
from benchmarks.timing import Competitor

CHUNK = 16384  # cells
CHUNK_QUADRATURE = 1024  # cells, times 64 nodes
# cells that a slow peer works on; its time per cell does not depend on their number
FEW, VERY_FEW = 100_000, 20_000

Chunk = Callable[[tuple[Array, ...]], Array]  # cells to emission (cells, 2)

INTERPOLATION, INTERPN = "interpolation eval_linear", "interpn MultilinearRegular"
SCIPY, QUADRATURE = "scipy RegularGridInterpolator", "numpy 64-node quadrature"


def peers(names: tuple[str, ...], table: Table, cells: tuple[Array, ...]) -> dict[str, Competitor]:
    """The named peers, each with its share of the cells; without `run` where the package is missing."""
    competitors = {}
    for name in names:
        make, size, most = PEERS[name]
        n = min(cells[0].size, most or cells[0].size)
        try:
            competitors[name] = Competitor(_in_chunks(make(table), cells, n, size), n)
        except ImportError:
            competitors[name] = Competitor(None, n)
    return competitors


def _in_chunks(treat: Chunk, cells: tuple[Array, ...], n: int, size: int) -> Callable[[], Array]:
    result = np.empty((n, 2))

    def run() -> Array:
        for start in range(0, n, size):
            part = slice(start, min(start + size, n))
            result[part] = treat(tuple(column[part] for column in cells))
        return result

    return run


def _fill(cells: tuple[Array, ...], points: Array) -> None:
    """Position along every axis, into points (axes, cells)."""
    *columns, mach = cells
    for column, point in zip(columns, points[:-1], strict=True):
        np.log10(column, out=point)
    np.sqrt(np.log(1.0 + (B * mach) ** 2), out=points[-1])


def interpolation(table: Table) -> Chunk:
    """`interpolation.splines.eval_linear`: float64, one look-up per spectrum."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports modules that Python deprecates
        from interpolation.splines import UCGrid, eval_linear
    grid = UCGrid(*((nodes[0], nodes[-1], nodes.size) for nodes in table.nodes))
    spectra = [np.ascontiguousarray(table.log_l[..., v]) for v in (0, 1)]
    points, log_l = np.empty((CHUNK, len(table.nodes))), np.empty(CHUNK)
    result = np.empty((CHUNK, 2))

    def treat(cells: tuple[Array, ...]) -> Array:
        n = cells[0].size
        _fill(cells, points[:n].T)
        for v, spectrum in enumerate(spectra):
            eval_linear(grid, spectrum, points[:n], log_l[:n])
            np.power(10.0, log_l[:n], out=result[:n, v])
        return result[:n]

    return treat


def interpn(table: Table) -> Chunk:
    """`interpn.MultilinearRegular`, one thread: float32, one look-up per spectrum."""
    from interpn import MultilinearRegular

    single = np.float32
    shape = [nodes.size for nodes in table.nodes]
    first = np.array([nodes[0] for nodes in table.nodes], single)
    step = np.array([nodes[1] - nodes[0] for nodes in table.nodes], single)
    spectra = [
        MultilinearRegular.new(shape, first, step, table.log_l[..., v].astype(single).ravel()) for v in (0, 1)
    ]
    wide = np.empty((len(table.nodes), CHUNK))
    points = np.empty(wide.shape, single)
    log_l, result = np.empty(CHUNK, single), np.empty((CHUNK, 2))

    def treat(cells: tuple[Array, ...]) -> Array:
        n = cells[0].size
        _fill(cells, wide[:, :n])
        points[:, :n] = wide[:, :n]
        for v, spectrum in enumerate(spectra):
            spectrum.eval([point[:n] for point in points], log_l[:n])
            np.power(single(10.0), log_l[:n], out=result[:n, v])
        return result[:n]

    return treat


def scipy_regular(table: Table) -> Chunk:
    """`scipy.interpolate.RegularGridInterpolator`: both spectra at once."""
    from scipy.interpolate import RegularGridInterpolator

    look_up = RegularGridInterpolator(table.nodes, table.log_l)
    points = np.empty((CHUNK, len(table.nodes)))

    def treat(cells: tuple[Array, ...]) -> Array:
        n = cells[0].size
        _fill(cells, points[:n].T)
        for nodes, point in zip(table.nodes, points[:n].T, strict=True):
            np.clip(point, nodes[0], nodes[-1], out=point)  # it refuses a last digit beyond the end
        return np.asarray(10.0 ** look_up(points[:n]))

    return treat


def quadrature(table: Table) -> Chunk:
    """No average beforehand: per cell, 64 densities of its log-normal in the table at sigma_s = 0.

    The table is blended in all axes but density once per cell, leaving a profile over density.
    """
    log_n = table.nodes[0]
    profiles = np.ascontiguousarray(np.moveaxis(table.log_l[..., 0, :], 0, -1))  # (others, spectrum, density)
    roots, weights = mass_nodes()
    steps = (log_n.size - 1) / (log_n[-1] - log_n[0])

    def treat(cells: tuple[Array, ...]) -> Array:
        n = cells[0].size
        points = np.empty((len(table.nodes), n))
        _fill(cells, points)
        profile = np.zeros((n, *profiles.shape[-2:]))
        for index, share in corners(table.nodes[1:-1], list(points[1:-1])):
            profile += share[:, None, None] * profiles[index]
        place = (points[0, :, None] + density_shift(points[-1, :, None], roots) - log_n[0]) * steps
        lower = np.clip(place.astype(np.int64), 0, log_n.size - 2)
        weight = np.clip(place - lower, 0.0, 1.0)
        result = np.empty((n, 2))
        for v in (0, 1):
            low = np.take_along_axis(profile[:, v], lower, axis=1)
            high = np.take_along_axis(profile[:, v], lower + 1, axis=1)
            result[:, v] = 10.0 ** (low + weight * (high - low)) @ weights
        return result

    return treat


# per peer: how it is prepared, cells of a chunk, most cells it works on
PEERS: dict[str, tuple[Callable[[Table], Chunk], int, int | None]] = {
    INTERPOLATION: (interpolation, CHUNK, None),
    INTERPN: (interpn, CHUNK, None),
    SCIPY: (scipy_regular, CHUNK, FEW),
    QUADRATURE: (quadrature, CHUNK_QUADRATURE, VERY_FEW),
}
