"""The cosmic microwave background behind and inside [CII] emitting gas."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.constants import CII_A_UL, CII_G_RATIO, CII_T_STAR, T_CMB0
from simpost.core.errors import InputError
from simpost.emission.two_level import photon_occupation


def cmb_temperature(redshift: float) -> float:
    """T_CMB(z) = 2.7255 (1 + z) K (Fixsen 2009)."""
    if not redshift >= 0.0:
        raise InputError("redshift", f"{redshift:g}", "a redshift of at least 0")
    return T_CMB0 * (1.0 + redshift)


def cmb_attenuation(
    temperature: ArrayLike, collisions: ArrayLike, redshift: float, t_floor_cmb: bool = True
) -> NDArray[np.float64]:
    """Eta: observed [CII] over the emission without a CMB, pumping and contrast together.

    eta = [1 - n_g(T_CMB)/n_g(T)] [A + C (1 + R x)]/[A (1 + (1 + R) n_g(T_CMB)) + C (1 + R x)], which is
    `two_level.net_power` with over without the CMB (contrast alone: da Cunha+2013).

    Parameters
    ----------
    temperature, collisions : array
        Gas temperature [K] and de-excitation rate C [1/s] of the emitting gas.
    redshift : float
        Redshift of the gas.
    t_floor_cmb : bool
        Raise T to T_CMB first (default), so that eta >= 0; else colder gas absorbs and eta is negative.
        The heating of gas and dust by the CMB itself is not included.
    """
    t_cmb = cmb_temperature(redshift)
    t_gas = np.asarray(temperature, dtype=float)
    if t_floor_cmb:
        t_gas = np.maximum(t_gas, t_cmb)
    n_cmb = float(photon_occupation(t_cmb))
    both_ways = np.asarray(collisions, dtype=float) * (1.0 + CII_G_RATIO * np.exp(-CII_T_STAR / t_gas))
    contrast = 1.0 - n_cmb / photon_occupation(t_gas)
    pumped = CII_A_UL * (1.0 + (1.0 + CII_G_RATIO) * n_cmb) + both_ways
    return np.asarray(contrast * (CII_A_UL + both_ways) / pumped)
