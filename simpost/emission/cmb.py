"""The cosmic microwave background behind and inside [CII] emitting gas."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.constants import CII_A_UL, CII_G_RATIO, CII_T_STAR, T_CMB0
from simpost.core.errors import InputError
from simpost.emission.two_level import deexcitation_rate, non_negative, photon_occupation, positive

Array = NDArray[np.float64]


def cmb_temperature(redshift: float) -> float:
    """T_CMB(z) = 2.7255 (1 + z) K (Fixsen 2009)."""
    if not 0.0 <= redshift < np.inf:
        raise InputError("redshift", f"{redshift:g}", "a redshift of at least 0")
    return T_CMB0 * (1.0 + redshift)


def cmb_attenuation(
    temperature: ArrayLike, collisions: ArrayLike, redshift: float, t_floor_cmb: bool = True
) -> Array:
    """Eta: observed [CII] over the emission without a CMB, pumping and contrast together.

    eta = [1 - n_g(T_CMB)/n_g(T)] [A + C (1 + R x)]/[A (1 + (1 + R) n_g(T_CMB)) + C (1 + R x)], which is
    `two_level.net_power` with over without the CMB (contrast alone: da Cunha+2013).

    Parameters
    ----------
    temperature, collisions : array
        Gas temperature [K] and de-excitation rate C [1/s] of the emitting gas; of a grid with its own
        T_CII and C_CII, these and n_H times these.
    redshift : float
        Redshift of the gas.
    t_floor_cmb : bool
        Raise T to T_CMB first (default), so that eta >= 0; else colder gas absorbs and eta is negative.
        The heating of gas and dust by the CMB itself is not included.

    Raises
    ------
    InputError
        A temperature that is not above zero, a rate or a redshift below zero, or NaN.
    """
    t_cmb = cmb_temperature(redshift)
    t_gas = positive("temperature", temperature, "K")
    rate = non_negative("collisions", collisions, "1/s")
    if t_floor_cmb:
        t_gas = np.maximum(t_gas, t_cmb)
    n_cmb = float(photon_occupation(t_cmb))
    both_ways = rate * (1.0 + CII_G_RATIO * np.exp(-CII_T_STAR / t_gas))
    contrast = 1.0 - n_cmb / photon_occupation(t_gas)
    pumped = CII_A_UL * (1.0 + (1.0 + CII_G_RATIO) * n_cmb) + both_ways
    return np.asarray(contrast * (CII_A_UL + both_ways) / pumped)


def cell_attenuation(
    temperature: ArrayLike,
    n_e: ArrayLike,
    n_HI: ArrayLike,
    n_H2: ArrayLike,
    redshift: float,
    t_floor_cmb: bool = True,
) -> Array:
    """Eta of a cell from its own state, the fall-back for a grid without T_CII and C_CII.

    The gas that emits is often colder or denser than the mean of its cell: whoever uses this says so.

    Parameters
    ----------
    temperature : array
        Gas temperature of the cell [K].
    n_e, n_HI, n_H2 : array
        Electrons, hydrogen atoms and hydrogen molecules [cm^-3].
    redshift, t_floor_cmb
        As in `cmb_attenuation`.

    Raises
    ------
    InputError
        A temperature that is not above zero, a density or a redshift below zero, or NaN.
    """
    collisions = deexcitation_rate(temperature, n_e, n_HI, n_H2)
    return cmb_attenuation(temperature, collisions, redshift, t_floor_cmb)
