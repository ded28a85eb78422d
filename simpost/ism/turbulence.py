"""Turbulent velocity of cells and the Mach number it makes.

The gradient estimator takes what the velocity changes by over one cell, Dx ||grad v||_F, for the
3-D rms turbulent velocity; it includes shear and rotation at the cell scale, and that is the main
systematic of the Mach number.
"""

from __future__ import annotations

import numpy as np

from simpost.ism.arrays import Booleans, Floats, Values, choice, finite, positive, shaped
from simpost.ism.gradient import (
    NEAREST_GENERATORS,
    Gradient,
    NeighbourLists,
    leaf_gradient,
    nearest_generators,
    voronoi_gradient,
)
from simpost.ism.octree import LeafIndex

MACH_DEFINITIONS = ("total_over_thermal", "turbulent_over_thermal", "linear_sum", "literal")
MACH_RANGE = (1e-3, 300.0)  # our choice


def leaf_velocity_gradient(
    corner: Values,
    level: Values,
    finest_level: int,
    velocity: Values,
    size: Values,
    periodic: bool = False,
) -> Gradient:
    """Velocity gradient d v_i/d x_j (n, 3, 3) [km/s/kpc] on the leaves of an octree.

    Parameters are those of `LeafIndex` and `gradient.leaf_gradient`: velocity (n, 3) [km/s], leaf
    widths (n,) [kpc].
    """
    index = LeafIndex(corner, level, finest_level, periodic)
    return leaf_gradient(index, shaped("velocity", velocity, index.n_leaves, 3), size)


def voronoi_velocity_gradient(
    position: Values, velocity: Values, neighbours: NeighbourLists | int = NEAREST_GENERATORS
) -> Gradient:
    """Velocity gradient d v_i/d x_j (n, 3, 3) [km/s/kpc] at Voronoi generators.

    Parameters are those of `gradient.voronoi_gradient`: position (n, 3) [kpc], velocity (n, 3) [km/s].
    """
    return voronoi_gradient(position, shaped("velocity", velocity, None, 3), neighbours)


def turbulent_velocity(
    gradient: Values,
    size: Values,
    *,
    subtract_divergence: bool = False,
    subtract_rotation: bool = False,
    hubble: float = 0.0,
) -> tuple[Floats, Booleans]:
    """3-D rms turbulent velocity Dx ||grad v||_F [km/s] (same form: Federrath & Klessen 2012).

    Parameters
    ----------
    gradient : array (n, 3, 3)
        d v_i/d x_j [km/s/kpc]; NaN where it is not defined.
    size : array (n,)
        Leaf width, or V^(1/3) of a Voronoi cell [kpc].
    subtract_divergence, subtract_rotation : bool
        Take out uniform expansion (I tr/3), or keep the symmetric part only.
    hubble : float
        H(z) [km/s/kpc] to add to the gradient of peculiar velocities; default none.

    Returns
    -------
    sigma, undefined
        sigma is 0 and `undefined` True where the gradient is not defined.
    """
    gradient = shaped("velocity gradient", gradient, None, 3, 3)
    size = positive("cell size", shaped("cell size", size, len(gradient)))
    gradient = gradient + hubble * np.eye(3)
    if subtract_rotation:
        gradient = 0.5 * (gradient + gradient.transpose(0, 2, 1))
    if subtract_divergence:
        gradient -= np.trace(gradient, axis1=1, axis2=2)[:, None, None] / 3.0 * np.eye(3)
    square = np.einsum("nij,nij->n", gradient, gradient)
    undefined = np.isnan(square)
    square = np.where(undefined, 0.0, square)
    return size * np.sqrt(square), undefined


def knn_dispersion(
    position: Values,
    velocity: Values,
    mass: Values,
    size: Values,
    k: int = NEAREST_GENERATORS,
) -> Floats:
    """Mass-weighted 3-D velocity dispersion of a cell and its k nearest, scaled to the cell [km/s].

    The dispersion about the mean of the group, times Dx over the distance of the k-th neighbour:
    the scaling of a linear field. position (n, 3) and size (n,) [kpc], velocity (n, 3) [km/s],
    mass (n,) [Msun].
    """
    position = finite("generator", shaped("generator", position, None, 3))
    n = len(position)
    velocity = finite("velocity", shaped("velocity", velocity, n, 3))
    mass = positive("mass", shaped("mass", mass, n))
    size = positive("cell size", shaped("cell size", size, n))
    sigma = np.zeros(n)
    for cells, nearest, distance in nearest_generators(position, k):
        weight = mass[nearest] / mass[nearest].sum(axis=1, keepdims=True)
        of_group = velocity[nearest]
        mean = np.einsum("nk,nki->ni", weight, of_group)
        variance = np.einsum("nk,nki->n", weight, (of_group - mean[:, None]) ** 2)
        reach = distance[:, -1]
        scale = np.divide(size[cells], reach, out=np.zeros_like(reach), where=reach > 0.0)
        sigma[cells] = np.sqrt(variance) * scale
    return sigma


def mach_number(
    sigma: Values,
    sound_speed: Values,
    definition: str = "total_over_thermal",
    sigma_dimension: str = "3d",
) -> tuple[Floats, Booleans]:
    """Mach number of a 3-D turbulent velocity [km/s] and a sound speed [km/s].

    Parameters
    ----------
    sigma, sound_speed : array
        3-D rms turbulent velocity and (isothermal) sound speed [km/s].
    definition : str
        `total_over_thermal` sqrt(sigma^2 + c_s^2)/c_s (default: Vallini+2025 as far as it can be
        meant), `turbulent_over_thermal` sigma/c_s, `linear_sum` (sigma + c_s)/c_s, `literal`
        (sigma + c_s)/sigma as printed there, for comparison only.
    sigma_dimension : {"3d", "1d"}
        `1d` divides sigma by sqrt 3. The b of Federrath+2010 goes with 3d (default).

    Returns
    -------
    mach, clipped
        Within [1e-3, 300], and where it had to be clipped to that.
    """
    sigma = positive("turbulent velocity", sigma, zero_allowed=True)
    thermal = positive("sound speed", sound_speed)
    if choice("sigma_dimension", sigma_dimension, ("3d", "1d")) == "1d":
        sigma = sigma / np.sqrt(3.0)
    choice("mach", definition, MACH_DEFINITIONS)
    if definition == "total_over_thermal":
        mach = np.hypot(sigma, thermal) / thermal
    elif definition == "turbulent_over_thermal":
        mach = sigma / thermal
    elif definition == "linear_sum":
        mach = (sigma + thermal) / thermal
    else:
        with np.errstate(divide="ignore"):
            mach = (sigma + thermal) / sigma
    low, high = MACH_RANGE
    return np.clip(mach, low, high), (mach < low) | (mach > high)
