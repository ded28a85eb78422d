"""Velocities and widths of lines along a line of sight, and the channels they are sorted into."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core import constants as c
from simpost.core.errors import InputError, nearest_name

FloatArray = NDArray[np.float64]

ATOMIC_MASS_UNIT = 1.66053906660e-24  # g, CODATA 2018
# mass of the emitter [atomic mass units], main isotope
EMITTER_MASS = {"C": 12.0, "N": 14.003, "O": 15.995, "Si": 27.977, "CO": 27.995}
CHANNEL_WIDTH = 10.0  # km/s, and so many channels: a cube like that of a SERRA galaxy (Vallini+2025)
N_CHANNELS = 100
NARROWEST = 1e-3  # channels: dispersion given to a line without any


@dataclass(frozen=True)
class Channels:
    """Equal channels of a velocity band, centred on `centre`.

    Parameters
    ----------
    width : float
        Of a channel [km/s]; default 10.
    number : int
        Of channels; default 100.
    centre : float
        Middle of the band [km/s], relative to the galaxy; default 0.

    Raises
    ------
    InputError
        A value is not finite, not above zero, or the number is not whole.
    """

    width: float = CHANNEL_WIDTH
    number: int = N_CHANNELS
    centre: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.width) and self.width > 0.0):
            raise InputError("channel width", str(self.width), "a positive velocity in km/s")
        if not (isinstance(self.number, int | np.integer) and self.number >= 1):
            raise InputError("number of channels", str(self.number), "a whole number above zero")
        if not math.isfinite(self.centre):
            raise InputError("centre of the velocity band", str(self.centre), "a velocity in km/s")

    @classmethod
    def from_edges(cls, edges: ArrayLike) -> Channels:
        """Return the channels between `edges` (n + 1,) [km/s], which must rise in equal steps.

        Raises
        ------
        InputError
            There are fewer than two edges, or they are not equally spaced and rising.
        """
        edges = np.asarray(edges, dtype=float)
        steps = np.diff(edges) if edges.ndim == 1 else np.empty(0)
        equal = steps.size > 0 and steps[0] > 0.0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0.0)
        if not equal:
            raise InputError("channel edges", str(edges), "two or more velocities rising in equal steps")
        number = steps.size
        return cls(float((edges[-1] - edges[0]) / number), number, float(0.5 * (edges[0] + edges[-1])))

    @property
    def lowest(self) -> float:
        """Lower edge of the band [km/s]."""
        return self.centre - 0.5 * self.number * self.width

    def edges(self) -> FloatArray:
        """Edges [km/s], (number + 1,)."""
        return np.asarray(self.lowest + self.width * np.arange(self.number + 1))

    def centres(self) -> FloatArray:
        """Centres of the channels [km/s], (number,)."""
        return np.asarray(self.lowest + self.width * (np.arange(self.number) + 0.5))


def emitter_mass(line: str) -> float:
    """Mass of the ion or molecule that emits a line [g], from a label such as "CII-158um".

    Raises
    ------
    InputError
        The label does not start with a known species.
    """
    species = line.split("-")[0]
    element = re.sub("[IVX]+$", "", species)
    if element not in EMITTER_MASS:
        remedy = nearest_name(element, list(EMITTER_MASS))
        raise InputError("line", f"'{line}'", "the line of a known species", remedy)
    return EMITTER_MASS[element] * ATOMIC_MASS_UNIT


def radial_velocity(
    velocity: ArrayLike, line_of_sight: ArrayLike, galaxy: ArrayLike = (0, 0, 0)
) -> FloatArray:
    """Velocity along the line of sight relative to the galaxy [km/s], (n,): receding is positive.

    Peculiar velocities leave out the expansion across the window: 2 km/s at 2.5 kpc and z = 7.

    Parameters
    ----------
    velocity : (n, 3)
        Of the cells [km/s].
    line_of_sight : (3,)
        Unit vector from the galaxy to the observer, as in `View`.
    galaxy : (3,)
        Velocity of the galaxy in the same frame [km/s].
    """
    relative = np.asarray(velocity, dtype=float) - np.asarray(galaxy, dtype=float)
    return np.asarray(-(relative @ np.asarray(line_of_sight, dtype=float)))


def line_dispersion(
    temperature: ArrayLike,
    turbulent_velocity: ArrayLike,
    line: str,
    *,
    gradient: ArrayLike | None = None,
    size: ArrayLike | None = None,
    line_of_sight: ArrayLike | None = None,
) -> FloatArray:
    """One-dimensional velocity dispersion of the line of each cell [km/s], (n,).

    sigma^2 = k T/m + sigma_turb^2/3 [+ (|grad v_los| size)^2/12].

    Parameters
    ----------
    temperature : (n,)
        Of the gas [K].
    turbulent_velocity : (n,)
        Three-dimensional rms turbulent velocity [km/s].
    line : str
        Label of the line, which gives the mass of the emitter.
    gradient : (n, 3, 3), optional
        d v_i/d x_j [km/s/kpc]: adds the variance of the resolved velocity over a cell of that `size` (n,)
        [kpc] along the `line_of_sight` (3,). Leave it out where the turbulent velocity was itself estimated
        from the gradient, which already holds it. Default none.

    Raises
    ------
    InputError
        Unknown line, negative or not finite values, or a gradient without `size` and `line_of_sight`.
    """
    temperature = _not_negative("temperature", temperature)
    turbulent = _not_negative("turbulent velocity", turbulent_velocity)
    variance = c.K_B * temperature / emitter_mass(line) / c.KM**2 + turbulent**2 / 3.0
    if gradient is not None:
        if size is None or line_of_sight is None:
            raise InputError("velocity gradient", "no size or line of sight", "both beside the gradient")
        along = np.einsum("i,nij->nj", np.asarray(line_of_sight, float), np.asarray(gradient, float))
        variance = variance + np.einsum("nj,nj->n", along, along) * np.asarray(size, float) ** 2 / 12.0
    return np.asarray(np.sqrt(_not_negative("line variance", variance)))


def _not_negative(name: str, values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=float)
    bad = array.size - np.count_nonzero((array >= 0.0) & np.isfinite(array))
    if bad:
        raise InputError(name, f"{bad} negative, NaN or infinite values", "finite values from zero up")
    return array
