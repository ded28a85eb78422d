"""Leaves of an octree found by position: sorted Morton keys, built once per region."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simpost.core.errors import InputError
from simpost.ism.arrays import Integers, shaped

_KEY_BITS = 21  # per axis: three of them fill a signed 64-bit key
_DEEPEST = 20  # finest level minus the coarsest: 8^21 would not fit
_TABLE_BITS = 7  # per axis of the search table: 2^21 entries at most, 16 MiB


class LeafIndex:
    """The leaves of an octree, or of any part of one, sorted for look-ups and neighbour stencils.

    Parameters
    ----------
    corner : array (n, 3) of int
        Low corners in units of the finest cell, from any origin on the octree lattice (a multiple
        of the largest leaf).
    level : array (n,) of int
        Levels; a leaf of level l is 2^(finest_level - l) finest cells wide.
    finest_level : int
        Level of the unit of `corner`.
    periodic : bool
        Whether the region is a whole box of 2^finest_level finest cells that wraps around.

    Raises
    ------
    InputError
        Leaves off their lattice, overlapping, or spread over more than 2^21 finest cells.
    """

    def __init__(
        self, corner: ArrayLike, level: ArrayLike, finest_level: int, periodic: bool = False
    ) -> None:
        from simpost.ism.gradient_kernels import morton_keys

        corner, depth = _checked_leaves(corner, level, finest_level)
        self.n_leaves = len(depth)
        self.periodic = periodic
        self._origin, bits = _key_range(corner, depth, finest_level, periodic)
        keys = np.empty(self.n_leaves, dtype=np.int64)
        corner = corner - self._origin
        morton_keys(corner, keys)
        self.order = np.argsort(keys, kind="stable")
        self.keys, self.depth = keys[self.order], depth[self.order]
        if np.any(self.keys[1:] - self.keys[:-1] < 8 ** self.depth[:-1]):
            raise InputError("octree", "leaves that overlap", "each place in one leaf", "drop refined cells")
        self.centre = 2 * corner[self.order] + (1 << self.depth)[:, None]  # doubled: integers
        self.domain, self.box = (1 << (3 * bits)) - 1, 1 << bits
        self._build_table(bits)

    def _build_table(self, bits: int) -> None:
        table_bits = min(bits, _TABLE_BITS, max(1, self.n_leaves.bit_length() // 3 + 1))
        self.shift = 3 * (bits - table_bits)
        counts = np.bincount(self.keys >> self.shift, minlength=8**table_bits)
        self.table = np.zeros(8**table_bits + 1, dtype=np.int64)
        np.cumsum(counts, out=self.table[1:])

    def locate(self, position: ArrayLike) -> Integers:
        """Leaf (s,) that contains each position (s, 3) [finest cells, origin of the corners]; else -1."""
        from simpost.ism.gradient_kernels import locate_leaves, morton_keys

        position = shaped("position", position, None, 3)
        cell = np.floor(position - self._origin)
        if self.periodic:
            cell %= self.box
        inside = np.all((cell >= 0) & (cell < self.box), axis=1)
        cell = np.where(inside[:, None], cell, 0.0).astype(np.int64)
        wanted, found = np.empty(len(cell), dtype=np.int64), np.empty(len(cell), dtype=np.int64)
        morton_keys(cell, wanted)
        locate_leaves(self.keys, self.depth, self.table, self.shift, wanted, found)
        inside &= found >= 0
        return np.where(inside, self.order[found], -1)


def _checked_leaves(corner: ArrayLike, level: ArrayLike, finest_level: int) -> tuple[Integers, Integers]:
    """Corners and depths (finest - level) as int64, shapes and lattice checked."""
    corner, level = np.asarray(corner), np.asarray(level)
    if not (np.issubdtype(corner.dtype, np.integer) and np.issubdtype(level.dtype, np.integer)):
        raise InputError("octree", f"corners {corner.dtype}, levels {level.dtype}", "integers")
    if corner.ndim != 2 or corner.shape[1] != 3 or level.shape != corner.shape[:1] or not len(level):
        raise InputError("octree", f"corners {corner.shape}, levels {level.shape}", "(n, 3) and (n,), n > 0")
    corner = np.ascontiguousarray(corner, dtype=np.int64)
    depth = int(finest_level) - level.astype(np.int64)
    if depth.min() < 0 or depth.max() > _DEEPEST:
        found = f"levels from {level.min()} to {level.max()}"
        raise InputError("octree", found, f"levels {finest_level - _DEEPEST} to {finest_level}")
    # column by column: numpy is slow along the short axis
    off = int(np.count_nonzero((corner[:, 0] | corner[:, 1] | corner[:, 2]) & ((1 << depth) - 1)))
    if off:
        raise InputError(
            "octree",
            f"{off} leaves whose corner is no multiple of their width",
            "leaves on the lattice",
            "give corners from an origin that is a multiple of the largest leaf",
        )
    return corner, depth


def _key_range(corner: Integers, depth: Integers, finest_level: int, periodic: bool) -> tuple[Integers, int]:
    """Origin of the keys [finest cells] and bits per axis of the region."""
    width = 1 << depth
    lowest = np.array([corner[:, axis].min() for axis in range(3)])
    highest = np.array([(corner[:, axis] + width).max() for axis in range(3)])
    if periodic:
        origin, extent = np.zeros(3, dtype=np.int64), 1 << finest_level
        if lowest.min() < 0 or highest.max() > extent:
            found = f"leaves from {lowest.min()} to {highest.max()}"
            raise InputError("octree", found, f"a periodic box of 0 to {extent} finest cells")
    else:
        largest = int(width.max())
        origin = lowest // largest * largest
        extent = int((highest - origin).max())
    bits = max(1, (extent - 1).bit_length())
    if bits > _KEY_BITS:
        raise InputError(
            "octree",
            f"a region of {extent} finest cells",
            f"at most {1 << _KEY_BITS}",
            "choose a smaller region",
        )
    return origin, bits
