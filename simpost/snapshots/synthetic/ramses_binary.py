"""The unformatted Fortran files of a RAMSES output: amr, hydro, rt and part.

Record layouts were read off real outputs; every file is written whole, level by level and, within
a level, domain by domain: own octs and the ghost octs that surround them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from simpost.snapshots.synthetic.galaxy import Array
from simpost.snapshots.synthetic.octree import (
    OFFSETS,
    Domains,
    Integers,
    Octree,
    find,
    neighbours,
    pack,
    unpack,
)

_FACES: Integers = np.array([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]])


def write_record(stream: BinaryIO, values: NDArray | bytes) -> None:
    """Append one unformatted Fortran record (4-byte little-endian length markers)."""
    data = values if isinstance(values, bytes) else np.ascontiguousarray(values).tobytes()
    marker = np.int32(len(data)).tobytes()
    stream.write(marker + data + marker)


def _ints(*values: int) -> NDArray[np.int32]:
    return np.array(values, dtype=np.int32)


def _reals(*values: float) -> Array:
    return np.array(values, dtype=float)


@dataclass(frozen=True)
class DomainOcts:
    """Octs that one domain's files hold: `lists[level][owner]` are indices into the tree's level."""

    domain: int
    lists: dict[int, list[Integers]]

    def counts(self, levelmax: int) -> NDArray[np.int32]:
        """(levelmax, domains) numbers of octs."""
        rows = [[len(part) for part in self.lists[level]] for level in range(1, levelmax + 1)]
        return np.array(rows, dtype=np.int32)


def domain_octs(tree: Octree, domains: Domains, domain: int, owners: dict[int, Integers]) -> DomainOcts:
    """Own octs of `domain`, one layer of ghost octs around them, and the ancestors of both."""
    wanted: dict[int, Integers] = {level: np.zeros(0, dtype=np.int64) for level in tree.octs}
    for level in range(tree.levelmax, 0, -1):
        own = tree.octs[level][owners[level] == domain]
        around = np.unique(neighbours(own, level - 1)) if len(own) else own
        wanted[level] = np.union1d(wanted[level], around[find(tree.octs[level], around) >= 0])
        if level > 1:
            parents = pack(unpack(wanted[level]) >> 1)
            wanted[level - 1] = np.union1d(wanted[level - 1], parents)
    lists = {}
    for level, keys in wanted.items():
        index = find(tree.octs[level], keys)
        owner = owners[level][index]
        lists[level] = [index[owner == d] for d in range(len(domains))]
    return DomainOcts(domain, lists)


def oct_totals(tree: Octree, owners: dict[int, Integers], n_domains: int) -> NDArray[np.int32]:
    """(levels, 10) table of `AmrHeader`."""
    table = np.zeros((tree.levelmax, 10), dtype=np.int32)
    for level in range(1, tree.levelmax + 1):
        numbers = np.bincount(owners[level], minlength=n_domains)
        table[level - 1, :4] = numbers.sum(), numbers.min(), numbers.max(), numbers.sum() // n_domains
    return table


@dataclass(frozen=True)
class AmrHeader:
    """What the AMR header states about the run; times as RAMSES keeps them.

    `oct_totals` is (levels, 10): sum, least, most and mean number of octs of a domain, then zeros.
    """

    time: float
    scale_factor: float
    hubble_rate: float
    cosmology: tuple[float, ...]
    box_comoving: float
    output: int
    grid_maximum: int
    oct_totals: NDArray[np.int32]


def write_amr(path: Path, header: AmrHeader, tree: Octree, domains: Domains, octs: DomainOcts) -> None:
    """Write one amr file with father, neighbour, son, cpu map and refinement records."""
    counts = octs.counts(tree.levelmax)
    first = 1 + np.concatenate([[0], np.cumsum(counts.ravel())]).reshape(-1)
    local = {level: np.zeros(len(keys), dtype=np.int32) for level, keys in tree.octs.items()}
    starts = first[:-1].reshape(counts.shape)
    for level, parts in octs.lists.items():
        for owner, index in enumerate(parts):
            local[level][index] = starts[level - 1, owner] + np.arange(len(index))
    with path.open("wb") as stream:
        _write_amr_header(stream, header, tree, domains, counts, starts)
        for level in range(1, tree.levelmax + 1):
            for owner, index in enumerate(octs.lists[level]):
                if len(index):
                    start = int(starts[level - 1, owner])
                    _write_octs(stream, header, tree, domains, level, index, start, local)


def _write_amr_header(
    stream: BinaryIO,
    header: AmrHeader,
    tree: Octree,
    domains: Domains,
    counts: NDArray[np.int32],
    starts: NDArray,
) -> None:
    total, levels = int(counts.sum()), tree.levelmax
    a, unknown = header.scale_factor, np.finfo(float).max
    for integers in ((len(domains),), (3,), (1, 1, 1), (levels,), (header.grid_maximum,), (0,), (total,)):
        write_record(stream, _ints(*integers))
    write_record(stream, _reals(1.0))  # boxlen
    write_record(stream, _ints(1, header.output + 1, header.output + 1))
    write_record(stream, _reals(unknown))  # tout
    write_record(stream, _reals(a))  # aout
    write_record(stream, _reals(header.time))
    write_record(stream, np.zeros(levels))  # dtold
    write_record(stream, np.zeros(levels))  # dtnew
    write_record(stream, _ints(0, 0))  # nstep, nstep_coarse
    write_record(stream, _reals(0.0, 0.0, 1.0))  # const, mass_tot_0, rho_tot
    write_record(stream, _reals(*header.cosmology, 0.01, header.box_comoving))
    write_record(stream, _reals(a, header.hubble_rate, a, 0.0, 0.0))
    write_record(stream, _reals(0.0))  # mass_sph
    write_record(stream, np.where(counts > 0, starts, 0).astype(np.int32))  # headl
    write_record(stream, np.where(counts > 0, starts + counts - 1, 0).astype(np.int32))  # taill
    write_record(stream, counts)
    write_record(stream, header.oct_totals)
    free = header.grid_maximum - total
    write_record(stream, _ints(total + 1, header.grid_maximum, free, total, total))
    write_record(stream, b"hilbert".ljust(128))
    write_record(stream, domains.bounds)
    for value in (1, 1, int(domains.of_cells(np.zeros((1, 3), dtype=np.int64), 0)[0]) + 1):
        write_record(stream, _ints(value))  # son, flag1 and cpu map of the coarse cell


def _write_octs(
    stream: BinaryIO,
    header: AmrHeader,
    tree: Octree,
    domains: Domains,
    level: int,
    index: Integers,
    start: int,
    local: dict[int, NDArray[np.int32]],
) -> None:
    number = start + np.arange(len(index))
    coordinates = tree.oct_coordinates(level)[index]
    write_record(stream, number.astype(np.int32))
    write_record(stream, np.where(number < number[-1], number + 1, 0).astype(np.int32))  # next
    write_record(stream, np.where(number > start, number - 1, 0).astype(np.int32))  # previous
    for axis in range(3):
        write_record(stream, (coordinates[:, axis] + 0.5) / 2 ** (level - 1))
    write_record(stream, _cell_numbers(tree, level - 1, coordinates, header.grid_maximum, local))
    for step in _FACES:
        beside = (coordinates + step) % 2 ** (level - 1)
        write_record(stream, _cell_numbers(tree, level - 1, beside, header.grid_maximum, local))
    sons = tree.sons[level][index]
    for cell in range(8):
        refined = sons[:, cell] >= 0
        son = np.zeros(len(index), dtype=np.int32)
        if refined.any():
            son[refined] = local[level + 1][sons[refined, cell]]
        write_record(stream, son)
    for offset in OFFSETS:
        write_record(stream, (domains.of_cells(2 * coordinates + offset, level) + 1).astype(np.int32))
    for cell in range(8):
        write_record(stream, (sons[:, cell] >= 0).astype(np.int32))


def _cell_numbers(
    tree: Octree, level: int, coordinates: Integers, grid_maximum: int, local: dict[int, NDArray[np.int32]]
) -> NDArray[np.int32]:
    """RAMSES' number of cells of `level` in this file; 0 where the file lacks their oct."""
    if level == 0:
        return np.ones(len(coordinates), dtype=np.int32)
    oct_index = find(tree.octs[level], pack(coordinates >> 1))
    grid = np.where(oct_index >= 0, local[level][oct_index], 0)
    cell = (coordinates & 1) @ np.array([1, 2, 4])
    return np.where(grid > 0, 1 + cell * grid_maximum + grid, 0).astype(np.int32)


def write_fields(path: Path, values: dict[int, Array], gamma: float, octs: DomainOcts, levelmax: int) -> None:
    """Write one hydro or rt file; `values[level]` is (octs, 8, variables) in code units."""
    variables = values[1].shape[2]
    counts = octs.counts(levelmax)
    with path.open("wb") as stream:
        for number in (counts.shape[1], variables, 3, levelmax, 0):
            write_record(stream, _ints(number))
        write_record(stream, _reals(gamma))
        for level in range(1, levelmax + 1):
            for index in octs.lists[level]:
                write_record(stream, _ints(level))
                write_record(stream, _ints(len(index)))
                if len(index):
                    block = values[level][index].reshape(len(index), -1).T
                    for row in np.ascontiguousarray(block):
                        write_record(stream, row)


def write_particles(path: Path, n_domains: int, columns: list[NDArray], stars: tuple[int, float]) -> None:
    """Write one part file: header, then one record per column; `stars` is total number and mass."""
    with path.open("wb") as stream:
        write_record(stream, _ints(n_domains))
        write_record(stream, _ints(3))
        write_record(stream, _ints(len(columns[0])))
        write_record(stream, _ints(0, 0, 0, 0))  # localseed
        write_record(stream, _ints(stars[0]))
        write_record(stream, _reals(stars[1]))
        write_record(stream, _reals(0.0))  # mstar_lost
        write_record(stream, _ints(0))  # nsink
        for column in columns:
            write_record(stream, column)
