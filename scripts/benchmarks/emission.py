"""`scripts/benchmark emission`: line emission of cells by look-up in an averaged table.

Cells hold linear float64 values; logarithms, look-up of both spectra and powers of two count, one thread
unless stated. Random cells fill the whole table, which is the worst case for the caches.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.emission_peers import INTERPN, INTERPOLATION, QUADRATURE, SCIPY, peers
from benchmarks.emission_workload import (
    Array,
    B,
    Table,
    averaged,
    galaxy_cells,
    made_up_table,
    multilinear,
    packaged_average,
    random_cells,
    sorted_cells,
    table_of,
)
from benchmarks.timing import Competitor, Record, compare
from simpost.emission.density_pdf import EMISSION_UNIT

if TYPE_CHECKING:
    from simpost.emission.density_pdf import AveragedTable

CHECKED = 50_000  # cells whose error is taken
STREAMED, PART = 100_000_000, 1_000_000  # cells in all, and at a time


def records(options: Namespace) -> Iterator[Record]:
    """Every case in turn."""
    four, five, average = made_up_table(), made_up_table(column=True), packaged_average()
    for n in options.n:
        yield from _four_axes(four, n, options.rounds)
        yield from _five_axes(four, five, n, options.rounds)
        yield from _packaged(average, n, options.rounds)
        yield from _threads(four, n, options.rounds)
    if options.large:
        yield from _streamed(four)


def prepared(table: Table) -> Callable[[tuple[Array, ...], NDArray[np.float32]], None]:
    """The look-up of simpost in the table: fills the emission [1e-24 erg/s per H] of (cells, 2)."""
    from simpost.emission.luminosity import LookUp

    return LookUp(averaged(table), B).emission


def ours(table: Table, cells: tuple[Array, ...], threads: int = 1) -> Competitor:
    """All cells by simpost, an equal part for each thread."""
    look_up = prepared(table)
    n = cells[0].size
    result = np.empty((n, 2), np.float32)
    bounds = np.linspace(0, n, threads + 1).astype(int)
    parts = [slice(a, b) for a, b in pairwise(bounds)]

    def one(part: slice) -> None:
        look_up(tuple(column[part] for column in cells), result[part])

    def run() -> None:
        if threads == 1:
            one(parts[0])
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, parts))

    return Competitor(run, n)


def error(table: Table, cells: tuple[Array, ...]) -> float:
    """Largest relative difference to float64 multilinear interpolation, either spectrum."""
    some = tuple(np.ascontiguousarray(column[:CHECKED]) for column in cells)
    result = np.empty((some[0].size, 2), np.float32)
    prepared(table)(some, result)
    expected = multilinear(table, some) / EMISSION_UNIT
    return float(np.abs(result / expected - 1.0).max())


def _four_axes(table: Table, n: int, rounds: int) -> Iterator[Record]:
    cells = random_cells(table, n)
    wrong = error(table, cells)
    others = peers((INTERPOLATION, INTERPN, SCIPY, QUADRATURE), table, cells)
    yield from compare("4 axes, random cells", ours(table, cells), others, rounds, wrong)
    cells = sorted_cells(table, cells)
    others = peers((INTERPOLATION, INTERPN), table, cells)
    yield from compare("4 axes, sorted cells", ours(table, cells), others, rounds, wrong)


def _five_axes(four: Table, five: Table, n: int, rounds: int) -> Iterator[Record]:
    """Beside the other packages, simpost itself on four axes: twice the time is a ratio of 0.5."""
    for order, cells in _orders(five, n):
        others = peers((INTERPOLATION, INTERPN), five, cells)
        others["simpost, 4 axes"] = ours(four, (*cells[:3], cells[4]))
        yield from compare(f"5 axes, {order} cells", ours(five, cells), others, rounds, error(five, cells))


def _packaged(average: AveragedTable, n: int, rounds: int) -> Iterator[Record]:
    """The table of a run; then with every check, flag and unit of `line_luminosity`."""
    from simpost.emission.luminosity import line_luminosity

    table = table_of(average)
    for order, cells in _orders(table, n):
        others = peers((INTERPOLATION,), table, cells)
        yield from compare(
            f"slab [CII] table, {order} cells", ours(table, cells), others, rounds, error(table, cells)
        )
    cells = galaxy_cells(table, n)
    n_H, z_solar, g0, column, mach = cells
    ionising, nuclei = np.arange(n) % 2 == 0, np.ones(n)
    whole = Competitor(
        lambda: line_luminosity(average, n_H, z_solar, g0, column, mach, ionising, nuclei, b=B), n
    )
    others = {"simpost, look-up alone": ours(table, cells)}
    yield from compare("slab [CII], line_luminosity, galaxy", whole, others, rounds)


def _orders(table: Table, n: int) -> Iterator[tuple[str, tuple[Array, ...]]]:
    """Cells that fill a table with a column axis, then those of a galaxy, out of and in order."""
    yield "random", random_cells(table, n)
    galaxy = galaxy_cells(table, n)
    yield "galaxy", galaxy
    yield "sorted galaxy", sorted_cells(table, galaxy)


def _threads(table: Table, n: int, rounds: int) -> Iterator[Record]:
    cells = random_cells(table, n)
    others = {"simpost, 1 thread": ours(table, cells)}
    yield from compare("4 axes, random cells", ours(table, cells, 2), others, rounds, threads=2)


def _streamed(table: Table) -> Iterator[Record]:
    """1e8 cells in parts; only the look-up is timed, not the making of the cells."""
    total, memory = 0.0, 0
    for number in range(STREAMED // PART):
        part = ours(table, random_cells(table, PART, seed=number))
        (record,) = compare("4 axes, random cells, streamed", part, {}, rounds=1)
        total += record.ours_s
        memory = max(memory, record.peak_memory_bytes or 0)
    yield replace(record, n=STREAMED, ours_s=total, peak_memory_bytes=memory)
