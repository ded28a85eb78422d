"""The camera: where a map looks from, how large it is and where its pixels lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from simpost.config.models import MOST_PIXELS
from simpost.core.errors import InputError, nearest_name

Vector = tuple[float, float, float]
FloatArray = NDArray[np.float64]

_AXIS_TOLERANCE = 1e-12
_NAMED: dict[str, tuple[Vector, Vector]] = {
    "x": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "y": ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    "z": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0)),
}


@dataclass(frozen=True)
class View:
    """A square window on the sky plane, centred on the galaxy.

    `line_of_sight` points from the galaxy to the observer. Seen by the observer, `up` points up and
    `right = up x line_of_sight` to the right, so (right, up, line_of_sight) is right-handed. Images
    are (ny, nx) with row 0 at the bottom; pixel i spans [i, i + 1) pixel - width/2 on its axis.

    Parameters
    ----------
    name : str
        Name of the view in the product.
    line_of_sight, up : (3,)
        Directions of any length; `up` is made perpendicular to `line_of_sight`; both are stored as
        unit vectors.
    width, depth : float
        Side of the window and thickness of the slab [kpc], both centred on the galaxy.
    pixel : float
        Wanted pixel side [kpc]; stored as width / n_pixels with n_pixels = max(1, round(width/pixel)):
        a view smaller than a pixel is one pixel.

    Raises
    ------
    InputError
        A length is not positive and finite, there are more than `MOST_PIXELS` pixels a side, or the
        directions are zero or parallel.
    """

    name: str
    line_of_sight: Vector
    up: Vector
    width: float
    depth: float
    pixel: float

    def __post_init__(self) -> None:
        for key in ("width", "depth", "pixel"):
            value = getattr(self, key)
            if not (math.isfinite(value) and value > 0.0):
                raise InputError(f"view '{self.name}': {key}", str(value), "a positive length in kpc")
        if self.width / self.pixel > MOST_PIXELS:
            n = self.width / self.pixel
            found = f"{n:.6g} pixels a side ({8e-9 * n * n:.3g} GB for each quantity)"
            raise InputError(
                f"view '{self.name}': pixel", found, f"at most {MOST_PIXELS} a side", "enlarge the pixels"
            )
        toward = _unit(self.name, "line_of_sight", self.line_of_sight)
        up = _unit(self.name, "up", self.up)
        up = up - (up @ toward) * toward
        if np.linalg.norm(up) < 1e-6:
            raise InputError(f"view '{self.name}': up", "a direction along line_of_sight", "any other")
        up = up / np.linalg.norm(up)
        object.__setattr__(self, "line_of_sight", as_vector(toward))
        object.__setattr__(self, "up", as_vector(up))
        object.__setattr__(self, "pixel", self.width / max(1, round(self.width / self.pixel)))

    @classmethod
    def named(cls, name: str, width: float, depth: float, pixel: float) -> View:
        """Return the view along a coordinate axis: "z" shows (x, y), "x" (y, z), "y" (z, x).

        Raises
        ------
        InputError
            `name` is none of "x", "y", "z".
        """
        if name not in _NAMED:
            raise InputError("view", f"'{name}'", "one of x, y, z", nearest_name(name, list(_NAMED)))
        line_of_sight, up = _NAMED[name]
        return cls(name, line_of_sight, up, width, depth, pixel)

    @property
    def n_pixels(self) -> int:
        """Pixels along each side."""
        return round(self.width / self.pixel)

    @property
    def right(self) -> Vector:
        """Unit vector to the right in the image."""
        return as_vector(np.cross(self.up, self.line_of_sight))

    @property
    def is_axis_aligned(self) -> bool:
        """Whether the image axes and the line of sight lie along coordinate axes."""
        components = np.abs(np.array((self.right, self.up, self.line_of_sight)))
        return bool(np.all(np.minimum(components, 1.0 - components) < _AXIS_TOLERANCE))

    @property
    def half_extents(self) -> FloatArray:
        """How far window and slab reach along the coordinate axes [kpc], (3,)."""
        axes = np.abs(np.array((self.right, self.up, self.line_of_sight)))
        return np.asarray(0.5 * np.array((self.width, self.width, self.depth)) @ axes)

    @property
    def cube_extent(self) -> float:
        """How far a cube of side 2 reaches along the image axes or the depth: 1 to sqrt(3)."""
        axes = np.abs(np.array((self.right, self.up, self.line_of_sight)))
        return float(axes.sum(axis=1).max())

    def touches(self, position: FloatArray, reach: FloatArray) -> NDArray[np.bool_]:
        """Which boxes (n,) may overlap window and slab.

        Parameters
        ----------
        position : (n, 3)
            Positions relative to the galaxy's centre [kpc].
        reach : (n,)
            How far each reaches around its position along the image axes and the depth [kpc].
        """
        x, y, depth = self.project(position)
        half_width, half_depth = 0.5 * self.width + reach, 0.5 * self.depth + reach
        in_window = (np.abs(x) < half_width) & (np.abs(y) < half_width)
        return np.asarray(in_window & (np.abs(depth) < half_depth))

    def edges(self) -> FloatArray:
        """Pixel edges [kpc] along either axis, (n_pixels + 1,)."""
        return np.linspace(-0.5 * self.width, 0.5 * self.width, self.n_pixels + 1)

    def project(self, position: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Coordinates (x right, y up, depth towards the observer) [kpc], each (n,).

        Parameters
        ----------
        position : (n, 3)
            Positions relative to the galaxy's centre [kpc].
        """
        x, y, depth = (_along(position, axis) for axis in (self.right, self.up, self.line_of_sight))
        return x, y, depth


def _unit(name: str, key: str, direction: Vector) -> FloatArray:
    vector = np.asarray(direction, dtype=float)
    if vector.shape != (3,) or not np.all(np.isfinite(vector)) or not np.any(vector):
        raise InputError(f"view '{name}': {key}", str(direction), "three finite numbers, not all zero")
    vector = vector / np.abs(vector).max()  # squares of tiny or huge numbers would vanish or overflow
    return cast(FloatArray, vector / np.linalg.norm(vector))


def as_vector(values: FloatArray) -> Vector:
    """Three numbers as a tuple, without negative zeros."""
    return float(values[0]) + 0.0, float(values[1]) + 0.0, float(values[2]) + 0.0


def _along(position: FloatArray, axis: Vector) -> FloatArray:
    # an exact unit axis is copied, not multiplied out: coordinates keep their last bit
    for i in range(3):
        if axis[i] == 1.0:
            return np.ascontiguousarray(position[:, i])
    return cast(FloatArray, position @ np.array(axis))
