"""Lines of sight that need a rule: spread over the sky, or along and across a rotating disc.

A line of sight points from the galaxy to the observer, in the box's axes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from simpost.core.errors import InputError
from simpost.maps.view import Vector, as_vector

FACE_ON, EDGE_ON, EDGE_ON_2 = "face-on", "edge-on", "edge-on-2"
_GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))
_POLE = math.cos(math.radians(10.0))


def default_up(line_of_sight: ArrayLike) -> Vector:
    """Up vector of a line of sight that comes without one.

    It is the box's z axis, or its y axis for lines of sight within 10 degrees of -z or z. The views z and x
    follow the same rule. `View` makes it perpendicular.

    Parameters
    ----------
    line_of_sight : (3,)
        Direction of any length.
    """
    toward = np.asarray(line_of_sight, dtype=float)
    toward = toward / np.abs(toward).max()
    return (0.0, 1.0, 0.0) if abs(toward[2]) > _POLE * np.linalg.norm(toward) else (0.0, 0.0, 1.0)


def spread_directions(count: int) -> list[Vector]:
    """Nearly uniform lines of sight over the hemisphere z > 0, the same in every run.

    They lie on the Fibonacci spiral (Gonzalez 2010, Math. Geosci. 42, 49), each for an equal area:
    z_i = 1 - (i + 1/2)/n, phi_i = i x 137.5 degrees. One hemisphere is enough: gas is transparent in
    maps of intrinsic emission, and the map from the opposite side is the mirror image.

    Parameters
    ----------
    count : int
        Number of directions n, at least 1.

    Raises
    ------
    InputError
        `count` is below 1.
    """
    if count < 1:
        raise InputError("directions", str(count), "at least 1")
    i = np.arange(count)
    z = 1.0 - (i + 0.5) / count
    radius = np.sqrt((1.0 - z) * (1.0 + z))
    points = np.stack([radius * np.cos(i * _GOLDEN_ANGLE), radius * np.sin(i * _GOLDEN_ANGLE), z], axis=1)
    return [as_vector(point) for point in points]


def disc_views(angular_momentum: ArrayLike) -> dict[str, tuple[Vector, Vector]]:
    """Line of sight and up vector of the three views that a rotating disc defines.

    `face-on` looks against the angular momentum, so that the disc turns counter-clockwise; its up
    vector is that of `default_up`. The edge-on views have the angular momentum up: `edge-on` keeps the
    horizontal axis of the face-on image, `edge-on-2` has the vertical axis of that image to the right.

    Parameters
    ----------
    angular_momentum : (3,)
        Of any length and unit.

    Raises
    ------
    InputError
        It is zero or not finite.
    """
    momentum = np.asarray(angular_momentum, dtype=float)
    if momentum.shape != (3,) or not np.all(np.isfinite(momentum)) or not np.any(momentum):
        found = str(momentum.tolist())
        raise InputError("angular momentum", found, "three finite numbers, not all zero")
    axis = momentum / np.abs(momentum).max()
    axis = axis / np.linalg.norm(axis)
    up = np.asarray(default_up(axis))
    up = up - (up @ axis) * axis
    up = up / np.linalg.norm(up)
    right = np.cross(up, axis)
    return {
        FACE_ON: (as_vector(axis), as_vector(up)),
        EDGE_ON: (as_vector(-up), as_vector(axis)),
        EDGE_ON_2: (as_vector(right), as_vector(axis)),
    }
