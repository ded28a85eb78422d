"""Regions of a periodic box: a sphere, a cube, or everything.

Centres are proper kpc from the corner of the box. A leaf belongs to a region when it overlaps it;
a Voronoi cell or a particle when its generator or position lies inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sphere:
    """All points within `radius` [kpc] of `centre` [kpc]."""

    centre: tuple[float, float, float]
    radius: float

    def __post_init__(self) -> None:
        _check_extent("sphere radius", self.radius)

    @property
    def half_width(self) -> float:
        """Half the side of the smallest cube around the region [kpc]."""
        return self.radius

    def overlaps(self, offset: Array, size: ArrayLike = 0.0) -> NDArray[np.bool_]:
        """Which cubes of width `size` at `offset` (n, 3) from the centre overlap the region."""
        gap = np.maximum(np.abs(offset) - 0.5 * np.asarray(size)[..., None], 0.0)
        return np.einsum("ij,ij->i", gap, gap) <= self.radius**2

    def padded(self, margin: float) -> Sphere:
        """The sphere grown by `margin` [kpc]."""
        return replace(self, radius=self.radius + margin)


@dataclass(frozen=True)
class Cube:
    """All points within `half_width` [kpc] of `centre` [kpc] along each axis."""

    centre: tuple[float, float, float]
    half_width: float

    def __post_init__(self) -> None:
        _check_extent("cube half-width", self.half_width)

    def overlaps(self, offset: Array, size: ArrayLike = 0.0) -> NDArray[np.bool_]:
        """Which cubes of width `size` at `offset` (n, 3) from the centre overlap the region."""
        gap = np.abs(offset) - 0.5 * np.asarray(size)[..., None]
        return np.all(gap <= self.half_width, axis=1)

    def padded(self, margin: float) -> Cube:
        """The cube grown by `margin` [kpc] on every side."""
        return replace(self, half_width=self.half_width + margin)


@dataclass(frozen=True)
class WholeBox:
    """Everything; offsets are taken from the centre of the box."""

    centre: tuple[float, float, float]
    half_width: float

    def overlaps(self, offset: Array, size: ArrayLike = 0.0) -> NDArray[np.bool_]:
        """All rows."""
        return np.ones(len(offset), dtype=bool)

    def padded(self, margin: float) -> WholeBox:
        """Itself: there is nothing outside."""
        return self


Region = Sphere | Cube | WholeBox


def whole_box(box_size: float) -> WholeBox:
    """The region that holds a periodic box of side `box_size` [kpc]."""
    half = 0.5 * box_size
    return WholeBox((half, half, half), half)


def offset_from(position: Array, centre: ArrayLike, box_size: float) -> Array:
    """Offsets (n, 3) [kpc] from `centre` by the nearest periodic image."""
    offset = position - np.asarray(centre, dtype=float)
    offset -= box_size * np.round(offset / box_size)
    return offset


def _check_extent(name: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise InputError(name, f"{value} kpc", "a positive length")
