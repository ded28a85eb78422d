"""The sampling error of a snapshot, by carrying tracers of the analytic gas through its cells.

A map made from cells cannot know where inside a cell the gas is. So every tracer of the analytic galaxy
is moved to a random point of what its cell is drawn as (the leaf, or the kernel of the Voronoi cell)
and given the cell's own values. What this changes in a statistic is its sampling error, and the scatter
between batches of tracers says how well that error is known. Of simpost only positions and sizes of
the cells enter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

CODES = ("RAMSES", "Arepo")
BATCHES = 20
SIGMAS = 4.5  # Student's t with 19 degrees of freedom: 2.5e-4 beyond, for about 150 comparisons
KERNEL_OVER_RADIUS = 2.5 * 1.897367  # H/r_cell of kernel `s25` (Shen+2025; Dehnen & Aly 2012, 2-D)
NOWHERE = 1e6  # kpc
IMAGE_AXES = {"z": (0, 1, 2), "x": (1, 2, 0), "y": (2, 0, 1)}  # right, up, towards the observer


@dataclass(frozen=True)
class Tracers:
    """Points (n, 3) [kpc, from the galaxy's centre, box frame] that stand for `mass` (n,) [Msun] each."""

    position: np.ndarray
    mass: np.ndarray


def draw_tracers(galaxy, count, half_width, seed=7):
    """`count` tracers of disc and clumps and `count`/20 of the background within a cube, in random order."""
    rng = np.random.default_rng(seed)
    in_clump = round(count * galaxy.clump_mass / galaxy.structured_gas_mass)
    in_disc = count - galaxy.clump_count * in_clump
    radius = galaxy.scale_length * rng.gamma(2.0, size=in_disc)
    angle = 2.0 * np.pi * rng.random(in_disc)
    height = galaxy.scale_height * np.arctanh(2.0 * rng.random(in_disc) - 1.0)
    parts = [np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)]
    for centre in galaxy.clump_positions:
        parts.append(centre + galaxy.clump_radius * rng.normal(size=(in_clump, 3)))
    structured = galaxy.to_box(np.concatenate(parts))
    background = half_width * (2.0 * rng.random((count // 20, 3)) - 1.0)
    around = galaxy.background_density * (2.0 * half_width) ** 3
    mass = np.concatenate(
        [
            np.full(count, galaxy.structured_gas_mass / count),
            np.full(len(background), around / len(background)),
        ]
    )
    order = rng.permutation(len(mass))
    return Tracers(np.concatenate([structured, background])[order], mass[order])


@dataclass(frozen=True)
class Cells:
    """Cells of a snapshot: centres or generators (n, 3), leaf widths or V^(1/3) (n,) [kpc]."""

    position: np.ndarray
    size: np.ndarray
    leaves: bool
    box_size: float

    def hosts(self, points):
        """Index of the cell that holds each point; -1 if it is not among these cells."""
        if not self.leaves:
            return cKDTree(self.position).query(points)[1]
        host = np.full(len(points), -1)
        for size in np.unique(self.size):
            mine = np.flatnonzero(self.size == size)
            keys = self._lattice(self.position[mine], size)
            order = np.argsort(keys)
            wanted = self._lattice(points, size)
            place = np.minimum(np.searchsorted(keys[order], wanted), len(mine) - 1)
            found = keys[order][place] == wanted
            host[found] = mine[order][place[found]]
        return host

    def _lattice(self, points, size):
        i, j, k = np.floor(points / size + 0.5 * self.box_size / size).astype(np.int64).T
        return (i << 40) + (j << 20) + k

    def drawn(self, host, axes, rng):
        """A random point (n, 3: right, up, depth) of what the host cell of each tracer is drawn as."""
        centre, size = self.position[host][:, axes], self.size[host]
        if self.leaves:
            return centre + size[:, None] * (rng.random(centre.shape) - 0.5)
        # W2(q) = 7/pi (1-q)^4 (1+4q) encloses 1 - (1-q)^5 (1 + 5q + 8q^2); depth is the generator's
        q = np.linspace(0.0, 1.0, 4001)
        radius = np.interp(rng.random(len(host)), 1.0 - (1.0 - q) ** 5 * (1.0 + 5.0 * q + 8.0 * q**2), q)
        radius *= KERNEL_OVER_RADIUS * np.cbrt(0.75 / np.pi) * size
        angle = 2.0 * np.pi * rng.random(len(host))
        shift = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(len(host))], axis=1)
        return centre + shift


@dataclass(frozen=True)
class Carried:
    """Tracers seen in one view where they are (`true`) and where their cells are drawn (`drawn`), (n, 3)."""

    true: np.ndarray
    drawn: np.ndarray
    mass: np.ndarray
    position: np.ndarray
    host: np.ndarray

    @classmethod
    def through(cls, tracers, cells, view="z", read_within=4.0, seed=11):
        """Carry tracers through cells; Voronoi cells beyond the cube that simpost reads are drawn nowhere.

        That cube is 1.6 times the window of 5 kpc (`MARGIN` of the pipeline).
        """
        host = cells.hosts(tracers.position)
        axes = list(IMAGE_AXES[view])
        drawn = cells.drawn(host, axes, np.random.default_rng(seed))
        if not cells.leaves:
            drawn[(np.abs(cells.position[host]) > read_within).any(axis=1)] = NOWHERE
        return cls(tracers.position[:, axes], drawn, tracers.mass, tracers.position, host)

    def sampled(self, statistic, true=None, cell=None):
        """Statistic of the truth, and what the sampling adds to it, each with its standard error.

        `statistic(points, mass, values)` gives (k,); `true` are values at the tracers, `cell` of the cells.
        """
        before, after = [], []
        for batch in range(BATCHES):
            mine = slice(batch, None, BATCHES)
            mass = self.mass[mine] * BATCHES
            own = None if true is None else true[mine]
            cells = None if cell is None else cell[self.host[mine]]
            before.append(statistic(self.true[mine], mass, own))
            after.append(statistic(self.drawn[mine], mass, cells))
        change = np.array(after) - np.array(before)
        return _mean(np.array(before)), _mean(change)


def _mean(batches):
    return batches.mean(axis=0), batches.std(axis=0, ddof=1) / np.sqrt(len(batches))


@dataclass(frozen=True)
class Rings:
    """Annuli of whole pixels: a pixel belongs to the ring that holds its centre."""

    edges: tuple[float, ...]
    width: float
    depth: float
    pixel: float

    @property
    def side(self):
        """Pixels along a side."""
        return round(self.width / self.pixel)

    def image(self):
        """Ring of every pixel (side, side), -1 for none."""
        middle = (np.arange(self.side) + 0.5) * self.pixel - 0.5 * self.width
        ring = np.digitize(np.hypot(middle[:, None], middle[None, :]), self.edges) - 1
        return np.where(ring < len(self.edges) - 1, ring, -1)

    def of_points(self, points):
        """Ring of the pixel below each point (n, 3), -1 outside window and slab."""
        column, row = np.floor((points[:, :2] + 0.5 * self.width) / self.pixel).astype(int).T
        inside = (column >= 0) & (column < self.side) & (row >= 0) & (row < self.side)
        inside &= np.abs(points[:, 2]) < 0.5 * self.depth
        ring = np.full(len(points), -1)
        ring[inside] = self.image()[row[inside], column[inside]]
        return ring

    def total(self, image):
        """Sum of an image over each ring."""
        ring = self.image()
        return np.bincount(ring[ring >= 0], weights=image[ring >= 0], minlength=len(self.edges) - 1)

    def mass(self, points, mass, values):
        """Statistic: mass in each ring."""
        ring = self.of_points(points)
        return np.bincount(ring[ring >= 0], weights=mass[ring >= 0], minlength=len(self.edges) - 1)

    def mean(self, points, mass, values):
        """Statistic: mass-weighted mean of the values in each ring."""
        return self.mass(points, mass * values, None) / self.mass(points, mass, None)


def pixel_integrals(function, width, pixel, order=4):
    """Integral of `function(x, y)` over every pixel of a window, Gauss-Legendre, (side, side)."""
    side = round(width / pixel)
    nodes, weights = np.polynomial.legendre.leggauss(order)
    fine = ((np.arange(side)[:, None] + 0.5 * (nodes + 1.0)) * pixel - 0.5 * width).ravel()
    values = function(*np.meshgrid(fine, fine)).reshape(side, order, side, order)
    return np.einsum("iajb,a,b->ij", values, weights, weights) * 0.25 * pixel**2
