"""An ionised layer in front of slabs that were computed without ionising photons.

The layer is that of the built-in slab model: its column from the ionisation parameter with dust
absorption (Ferrara+2019 eq. 14), gas of 1e4 K with n_e = n, and a one-zone balance of C+ and C++. The
slab behind it sees the far-ultraviolet field that the dust of the layer lets through. Of the lines only
[CII] gets light from the layer; neutral species have none there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.emission.slab_kernels import A_V_PER_COLUMN, IONISED_T, PHOTONS_PER_ERG, ionised_layer
from simpost.emission.two_level import deexcitation_rate

Array = NDArray[np.float64]

GRAIN_HEATING_EXTINCTION = 1.8  # the field that heats grains falls as e^(-1.8 A_V), as in the slab model


class IonisedFront(NamedTuple):
    """The layer.

    Attributes
    ----------
    column : float
        Its column of hydrogen [cm^-2].
    cii_per_nucleus : float
        [CII] 158 um it emits per hydrogen nucleus [erg/s].
    g0_behind : float
        Field at its back, 6-13.6 eV [Habing].
    temperature, c_over_n : float
        Its temperature [K] and de-excitation rate of C+ over density [cm^3/s].
    """

    column: float
    cii_per_nucleus: float
    g0_behind: float
    temperature: float
    c_over_n: float


class CIIProfile(NamedTuple):
    """[CII] from the face to each column: flux [erg/s/cm^2], weighted T [K] and C/n [cm^3/s]; (N,)."""

    flux: Array
    temperature: Array
    c_over_n: Array


def ionised_front(
    n_H: float, z_solar: float, g0: float, carbon: float, q_ion: float = PHOTONS_PER_ERG
) -> IonisedFront:
    """The ionised layer of a slab.

    Parameters
    ----------
    n_H, z_solar, g0 : float
        Density of H nuclei [cm^-3], metallicity [solar], field at the face, 6-13.6 eV [Habing].
    carbon : float
        Carbon nuclei per H nucleus at solar metallicity.
    q_ion : float
        Ionising photons per erg of 6-13.6 eV; default 1e10, continuous star formation over about 10 Myr
        (Ferrara+2019 imply 0.9-1.5e10).
    """
    # the layer knows the field through the ionisation parameter alone, which goes as q_ion G0
    column, cplus_share, power = ionised_layer(n_H, z_solar, g0 * q_ion / PHOTONS_PER_ERG)
    dust = math.exp(-GRAIN_HEATING_EXTINCTION * A_V_PER_COLUMN * z_solar * column)
    rate = float(deexcitation_rate(IONISED_T, n_H, 0.0, 0.0)) / n_H
    return IonisedFront(float(column), carbon * z_solar * cplus_share * power, g0 * dust, IONISED_T, rate)


def behind_front(front: IonisedFront, table: ArrayLike, log_g0: ArrayLike, log_column: ArrayLike) -> Array:
    """A table of slabs looked up behind the layer: in the dimmed field, at the column less the layer's.

    Parameters
    ----------
    front : IonisedFront
        The layer.
    table : array (G, N)
        Values on `log_g0` [Habing] and `log_column` [cm^-2].

    Returns
    -------
    array (N,)
        Linear in the logarithms, constant beyond the ends; of the lowest column within the layer.
    """
    from scipy.interpolate import RegularGridInterpolator

    g0, column = np.asarray(log_g0, dtype=float), np.asarray(log_column, dtype=float)
    rest = np.maximum(10.0**column - front.column, 10.0 ** column[0])
    field = min(math.log10(max(front.g0_behind, 10.0 ** g0[0])), g0[-1])
    points = np.column_stack([np.full(column.size, field), np.log10(rest)])
    return np.asarray(RegularGridInterpolator((g0, column), np.asarray(table, dtype=float))(points))


def flux_behind_front(
    front: IonisedFront, log_per_nucleus: ArrayLike, log_g0: ArrayLike, log_column: ArrayLike
) -> Array:
    """Cumulative flux (N,) [erg/s/cm^2] of the slab behind the layer, from log10(F/N) of shape (G, N)."""
    rest = np.maximum(10.0 ** np.asarray(log_column, dtype=float) - front.column, 0.0)
    return np.asarray(rest * 10.0 ** behind_front(front, log_per_nucleus, log_g0, log_column))


def cii_with_front(front: IonisedFront, behind: CIIProfile, log_column: ArrayLike) -> CIIProfile:
    """[CII] of the layer and of the slab behind it (`behind`, on the columns that include the layer)."""
    of_layer = front.cii_per_nucleus * np.minimum(10.0 ** np.asarray(log_column, dtype=float), front.column)
    flux = of_layer + behind.flux
    return CIIProfile(
        flux,
        (of_layer * front.temperature + behind.flux * behind.temperature) / flux,
        (of_layer * front.c_over_n + behind.flux * behind.c_over_n) / flux,
    )
