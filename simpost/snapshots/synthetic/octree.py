"""A graded octree on integer coordinates, as RAMSES builds it, and its Hilbert domains.

Cells of level l have integer coordinates 0..2^l-1; an oct of level l+1 is the refined cell of level
l that holds it. Octs of a level are sorted by packed coordinate, so look-ups are binary searches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError
from simpost.snapshots.synthetic.galaxy import AnalyticGalaxy, Array
from simpost.snapshots.synthetic.particles import gas_tracers

Integers = NDArray[np.int64]

# Cell order inside an oct: x runs fastest.
OFFSETS: Integers = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)], dtype=np.int64)
_ALL_NEIGHBOURS: Integers = np.array(list(product((-1, 0, 1), repeat=3)), dtype=np.int64)
_TRACERS_PER_LEAF = 16
_MOST_TRACERS = 4_000_000  # bounds the memory; still four per leaf for a million leaves
_LEAVES_PER_DOMAIN = 64  # at least, so that every domain owns octs
MAX_LEVEL = 16  # Hilbert keys up to 8^17 are exact in the float64 of the files


def pack(coordinates: Integers) -> Integers:
    """One sortable integer per (n, 3) coordinate triple (20 bits each)."""
    return (coordinates[:, 0] << 40) | (coordinates[:, 1] << 20) | coordinates[:, 2]


def unpack(keys: Integers) -> Integers:
    """Inverse of `pack`, shape (n, 3)."""
    mask = (1 << 20) - 1
    return np.stack([keys >> 40, keys >> 20 & mask, keys & mask], axis=1)


def find(keys: Integers, wanted: Integers) -> Integers:
    """Position of every `wanted` in sorted `keys`, -1 where absent."""
    if len(keys) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


@dataclass(frozen=True)
class Octree:
    """`octs[l]` holds the packed coordinates of the octs of level l (1..levelmax), sorted."""

    levelmin: int
    levelmax: int
    octs: dict[int, Integers]

    def oct_coordinates(self, level: int) -> Integers:
        """(n, 3) coordinates of the octs of `level`, that is of their father cells."""
        return unpack(self.octs[level])

    def cell_coordinates(self, level: int) -> Integers:
        """(n, 8, 3) coordinates of the cells of the octs of `level`."""
        return 2 * self.oct_coordinates(level)[:, None, :] + OFFSETS

    @cached_property
    def sons(self) -> dict[int, Integers]:
        """Per level, (n, 8) index of the oct of the next level inside each cell, -1 for a leaf."""
        finer = self.octs | {self.levelmax + 1: np.zeros(0, dtype=np.int64)}
        return {
            level: find(finer[level + 1], pack(self.cell_coordinates(level).reshape(-1, 3))).reshape(-1, 8)
            for level in self.octs
        }

    def leaf_count(self) -> int:
        """Number of leaf cells."""
        return sum(int((son < 0).sum()) for son in self.sons.values())


def build_octree(galaxy: AnalyticGalaxy, levelmin: int, levelmax: int, leaves: int) -> Octree:
    """Refine by gas mass until the tree has about `leaves` leaf cells, then grade it 2:1.

    Mass is counted with equal-mass tracers of disc and clumps; the heaviest cells are split first.
    Grading makes every refined cell's 26 neighbours exist, and adds up to a third to the leaves.
    """
    if not 1 <= levelmin <= levelmax <= MAX_LEVEL:
        raise InputError(
            "levelmin, levelmax", f"{levelmin}, {levelmax}", f"1 <= levelmin <= levelmax <= {MAX_LEVEL}"
        )
    splits = (leaves - 8**levelmin) // 7
    if splits < 0:
        raise InputError("leaves", f"{leaves}", f"at least 8^levelmin = {8**levelmin}", "lower levelmin")
    tracers = gas_tracers(galaxy, min(_TRACERS_PER_LEAF * leaves, _MOST_TRACERS))
    fine = ((tracers / galaxy.box_size + 0.5) * 2**levelmax).astype(np.int64)
    counted = {
        level: np.unique(pack(fine >> (levelmax - level)), return_counts=True)
        for level in range(levelmin, levelmax)
    }
    refined: dict[int, Integers] = {}
    if counted:
        heaviest = np.sort(np.concatenate([count for _, count in counted.values()]))[::-1]
        threshold = heaviest[splits] if splits < len(heaviest) else 0
        refined = {level: keys[count > threshold] for level, (keys, count) in counted.items()}
    _grade(refined, levelmin, levelmax)

    octs = {level: pack(_full_grid(level - 1)) for level in range(1, levelmin + 1)}
    octs |= {level + 1: keys for level, keys in refined.items()}
    return Octree(levelmin, levelmax, octs)


def _full_grid(level: int) -> Integers:
    axis = np.arange(2**level, dtype=np.int64)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def neighbours(keys: Integers, level: int, steps: Integers = _ALL_NEIGHBOURS) -> Integers:
    """Packed coordinates (n, steps) of the periodic neighbours of cells of `level`."""
    moved = (unpack(keys)[:, None, :] + steps) % 2**level
    return pack(moved.reshape(-1, 3)).reshape(len(keys), len(steps))


def _grade(refined: dict[int, Integers], levelmin: int, levelmax: int) -> None:
    for level in range(levelmax - 1, levelmin, -1):
        needed = np.unique(neighbours(refined[level], level))
        parents = pack(unpack(needed) >> 1)
        refined[level - 1] = np.union1d(refined[level - 1], parents)


def cell_average(
    function: Callable[[Array], Array], centres: Array, size: float, order: int = 4, chunk: int = 20000
) -> Array:
    """Average of `function` over cubes by `order`^3 Gauss-Legendre points, shape (n,).

    `centres` (n, 3) and `size` in kpc; `function` maps (m, 3) positions to (m,) values.
    """
    x, w = np.polynomial.legendre.leggauss(order)
    points = 0.5 * size * np.array(list(product(x, repeat=3)))
    weights = np.array([a * b * d for a, b, d in product(0.5 * w, repeat=3)])
    out = np.empty(len(centres))
    for first in range(0, len(centres), chunk):
        part = centres[first : first + chunk]
        sampled = function((part[:, None, :] + points).reshape(-1, 3))
        out[first : first + chunk] = sampled.reshape(len(part), -1) @ weights
    return out


@dataclass(frozen=True)
class Domains:
    """Cuts of the Hilbert curve of level `levelmax` + 1, as RAMSES writes them in `info`.

    `bounds` (n + 1,) are keys; a cell belongs to the domain that holds the key of its centre and an
    oct to the domain of its father cell's centre.
    """

    levelmax: int
    bounds: Array

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def of_cells(self, coordinates: Integers, level: int) -> Integers:
        """0-based domain of cells (n, 3) of `level` (0 for the whole box)."""
        fine = (2 * coordinates + 1) << (self.levelmax - level)
        return self._of_keys(hilbert_keys(fine, self.levelmax + 1))

    def of_points(self, fractions: Array) -> Integers:
        """0-based domain of points (n, 3) in box units [0, 1)."""
        fine = (fractions * 2 ** (self.levelmax + 1)).astype(np.int64)
        return self._of_keys(hilbert_keys(fine, self.levelmax + 1))

    def _of_keys(self, keys: Array) -> Integers:
        return np.searchsorted(self.bounds, keys, side="right") - 1


def hilbert_keys(coordinates: Integers, bits: int) -> Array:
    """Hilbert keys in RAMSES' own orientation; the curve is yt's, which reads RAMSES with it.

    Checked on real RAMSES outputs: every `cpu_map` of the AMR files follows from it.
    """
    from yt.frontends.ramses.hilbert import hilbert3d

    return np.asarray(hilbert3d(coordinates, bits), dtype=float)


def split_domains(tree: Octree, count: int) -> Domains:
    """Cut the Hilbert curve into `count` domains of equal leaf number, as RAMSES balances its load.

    As in a real run a cut may pass through an oct, which then has cells of two domains.
    """
    keys = []
    for level in range(tree.levelmin, tree.levelmax + 1):
        leaves = tree.cell_coordinates(level)[tree.sons[level] < 0]
        fine = (2 * leaves + 1) << (tree.levelmax - level)
        keys.append(hilbert_keys(fine, tree.levelmax + 1))
    ordered = np.sort(np.concatenate(keys))
    most = len(ordered) // _LEAVES_PER_DOMAIN
    if not 1 <= count <= most:
        raise InputError("n_domains", f"{count}", f"1 to {most} for {len(ordered)} leaves")
    cuts = ordered[np.arange(1, count) * len(ordered) // count]
    return Domains(tree.levelmax, np.concatenate([[0.0], cuts, [8.0 ** (tree.levelmax + 1)]]))
