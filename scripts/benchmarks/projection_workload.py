"""Particles and octree leaves of the projection benchmarks: eight clumps in a box of side one around zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SEED = 158
CLUMPS, SCALE_RADII = 8, (0.004, 0.04)
# share of points outside the clumps; that of the octree leaves most cells of its coarsest level whole
UNIFORM, UNIFORM_IN_OCTREE = 0.15, 0.02
NEIGHBOURS = 58  # within a kernel's radius of support, as swiftsimio's examples have it
FINEST = 12  # level of the deepest nodes; their cells are on level 13
TILES = 64  # along each side, for the order of sorted particles


@dataclass(frozen=True)
class Particles:
    """Positions (n, 3), radii of support H (n,) and masses (n,) in no particular order."""

    position: Array
    support: Array
    mass: Array

    def part(self, chosen: Integers | slice) -> Particles:
        """Some of the particles."""
        return Particles(self.position[chosen], self.support[chosen], self.mass[chosen])


@dataclass(frozen=True)
class Octree:
    """Leaves of an octree, eight to a node, in depth-first order (z fastest) as RAMSES and yt have them.

    Attributes
    ----------
    node_is_split : (nodes,)
        Every node from the root on, depth first: 8 where it has children, 0 where it holds cells.
    position, size, density : (n, 3), (n,), (n,)
        The cells.
    velocity, width : (n, 3), (n,)
        Rotation and infall with noise, and line width, for cubes [km/s].
    """

    node_is_split: NDArray[np.uint8]
    position: Array
    size: Array
    density: Array
    velocity: Array
    width: Array

    @property
    def mass(self) -> Array:
        """Of every leaf, (n,)."""
        return self.density * self.size**3


def particles(n: int, seed: int = SEED) -> Particles:
    """Particles whose radius of support holds 58 neighbours at the density of their place."""
    rng = np.random.default_rng(seed)
    position, number_density = _clumpy_points(rng, n, UNIFORM)
    support = np.cbrt(NEIGHBOURS / (4.0 / 3.0 * np.pi * number_density))
    return Particles(position, support, rng.uniform(0.5, 1.5, n))


def sorted_by_tile(some: Particles) -> Particles:
    """The same particles, row by row of coarse tiles of the image."""
    tile = np.floor((some.position[:, :2] + 0.5) * TILES).astype(np.int64)
    return some.part(np.argsort(tile[:, 1] * TILES + tile[:, 0], kind="stable"))


def octree(n: int, seed: int = SEED) -> Octree:
    """Return about n leaves, no more but 64 at least, refined where points gather."""
    rng = np.random.default_rng(seed)
    points, _ = _clumpy_points(rng, n, UNIFORM_IN_OCTREE)
    keys = np.sort(_interleaved(np.floor((points + 0.5) * 2**FINEST).astype(np.int64)))
    coarsest = max(1, min(4, int(np.log2(n / 16) / 3)))
    split = _split_nodes(keys, n, coarsest)
    first, level, is_split = _depth_first(split, coarsest)
    corner = _cells(first[~is_split], level[~is_split])
    size = np.repeat(0.5 ** (level[~is_split] + 1.0), 8)
    position = corner + 0.5 * size[:, None] - 0.5
    density = np.exp(rng.normal(0.0, 1.0, size.size)) / size
    velocity = 120.0 * np.stack((-position[:, 1], position[:, 0], -position[:, 2]), axis=1)
    velocity += rng.normal(0.0, 40.0, velocity.shape)
    width = rng.uniform(8.0, 25.0, size.size)
    return Octree(8 * is_split.astype(np.uint8), position, size, density, velocity, width)


def _clumpy_points(rng: np.random.Generator, n: int, uniform: float) -> tuple[Array, Array]:
    """Points (n, 3) in Plummer clumps and a uniform background, and their number density (n,)."""
    centres = rng.uniform(-0.25, 0.25, (CLUMPS, 3))
    scale = np.geomspace(*SCALE_RADII, CLUMPS)
    member = rng.integers(0, CLUMPS, n)
    radius = scale[member] / np.sqrt(rng.uniform(0.0, 1.0, n) ** (-2.0 / 3.0) - 1.0)
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    position = centres[member] + radius[:, None] * direction
    outside = (rng.uniform(size=n) < uniform) | np.any(np.abs(position) >= 0.5, axis=1)
    position[outside] = rng.uniform(-0.5, 0.5, (np.count_nonzero(outside), 3))
    number_density = np.full(n, float(np.count_nonzero(outside)))
    for centre, a in zip(centres, scale, strict=True):
        q2 = ((position - centre) ** 2).sum(axis=1) / a**2
        number_density += (1.0 - uniform) * n / CLUMPS * 3.0 / (4.0 * np.pi * a**3) * (1.0 + q2) ** -2.5
    return position, number_density


def _interleaved(index: Integers) -> Integers:
    """Bits of (n, 3) coordinates in turn, those of z last."""
    key = np.zeros(index.shape[0], np.int64)
    for bit in range(FINEST):
        for axis in range(3):
            key |= ((index[:, axis] >> bit) & 1) << (3 * bit + 2 - axis)
    return key


def _split_nodes(keys: Integers, n: int, coarsest: int) -> dict[int, Integers]:
    """Keys of the nodes with children on every level: the fullest ones, until there are n cells."""
    levels = range(coarsest, FINEST)
    counted = {level: np.unique(keys >> 3 * (FINEST - level), return_counts=True) for level in levels}
    counts = np.sort(np.concatenate([count for _, count in counted.values()]))[::-1]
    room = max(0, (n // 8 - 8**coarsest) // 7)  # every split turns one node of cells into eight
    most = counts[min(room, counts.size - 1)]
    split = {level: key[count > most] for level, (key, count) in counted.items()}
    return split | {level: np.arange(8**level) for level in range(coarsest)}


def _depth_first(split: dict[int, Integers], coarsest: int) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    """First key, level and whether it is split, of every node, parents before children."""
    first, levels, is_split = [], [], []
    nodes = np.zeros(1, np.int64)
    for level in range(FINEST + 1):
        with_children = split.get(level, np.zeros(0, np.int64))
        first.append(nodes << 3 * (FINEST - level))
        levels.append(np.full(nodes.size, level))
        is_split.append(np.isin(nodes, with_children))
        nodes = (8 * with_children[:, None] + np.arange(8)).ravel()
    order = np.lexsort((np.concatenate(levels), np.concatenate(first)))
    return np.concatenate(first)[order], np.concatenate(levels)[order], np.concatenate(is_split)[order]


def _cells(first: Integers, level: Integers) -> Array:
    """Low corners (8 nodes, 3) in a box from zero to one."""
    corner = np.zeros((first.size, 3), np.int64)
    for bit in range(FINEST):
        for axis in range(3):
            corner[:, axis] |= ((first >> (3 * bit + 2 - axis)) & 1) << bit
    octant = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    step = 0.5 ** (level + 1.0)
    return np.asarray((corner / 2**FINEST)[:, None] + octant * step[:, None, None]).reshape(-1, 3)
