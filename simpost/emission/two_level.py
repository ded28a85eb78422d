"""[CII] 158 um of the two-level ion C+: collision rates, excited fraction, net power with the CMB.

Optically thin. With R = g_u/g_l, x = exp(-T_*/T), photon occupation n_g(T_CMB) and de-excitation rate C,
the balance of up- and downward rates gives f_u = R (A n_g + C x)/[A (1 + n_g) + C + R (A n_g + C x)].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.constants import CII_A_UL, CII_G_RATIO, CII_PHOTON_ERG, CII_T_STAR
from simpost.core.errors import InputError, nearest_name

Array = NDArray[np.float64]
Rates = tuple[Array, Array, Array]

DEFAULT_RATES = "goldsmith2012"


def _goldsmith2012(t: Array) -> Rates:
    """Electrons Wilson & Bell 2002, H Barinovs+2005, both in Goldsmith+2012; H2 Wiesenfeld & Goldsmith 2014.

    The H2 law (ortho:para in LTE) was fitted at 20-400 K and is used at all temperatures.
    """
    electron = 8.7e-8 * (t / 2000.0) ** -0.37
    hydrogen = 7.6e-10 * (t / 100.0) ** 0.14
    molecule = (11.5e-24 + 4.0e-24 * np.exp(-100.0 / t)) / (CII_G_RATIO * CII_PHOTON_ERG)
    return electron, hydrogen, molecule


def _draine2011(t: Array) -> Rates:
    """Draine 2011, tables F.2 and F.6; H2 with ortho:para = 3:1."""
    t2, t4 = t / 100.0, t / 1e4
    ln2 = np.log(t2)
    electron = 8.629e-6 / (4.0 * np.sqrt(t)) * (1.55 + 1.25 * t4) / (1.0 + 0.35 * t4**1.25)
    hydrogen = 7.58e-10 * t2 ** (0.128 + 0.009 * ln2)
    para = 4.25e-10 * t2 ** (0.124 - 0.018 * ln2)
    ortho = 5.14e-10 * t2 ** (0.095 + 0.023 * ln2)
    return electron, hydrogen, 0.25 * para + 0.75 * ortho


RATE_SETS: dict[str, Callable[[Array], Rates]] = {
    "goldsmith2012": _goldsmith2012,
    "draine2011": _draine2011,
}


def deexcitation_rates(temperature: ArrayLike, rates: str = DEFAULT_RATES) -> Rates:
    """De-excitation rate coefficients of C+ by electrons, H and H2 [cm^3/s].

    Parameters
    ----------
    temperature : array
        Gas temperature [K], above zero.
    rates : str
        `goldsmith2012` (default; identical to the rates of Ferrara+2019) or `draine2011`.

    Raises
    ------
    InputError
        Unknown rate set, or a temperature that is not above zero.
    """
    if rates not in RATE_SETS:
        raise InputError("rates", repr(rates), "a rate set", nearest_name(rates, list(RATE_SETS)))
    return RATE_SETS[rates](positive("temperature", temperature, "K"))


def deexcitation_rate(
    temperature: ArrayLike, n_e: ArrayLike, n_HI: ArrayLike, n_H2: ArrayLike, rates: str = DEFAULT_RATES
) -> Array:
    """C = n_e R_e + n_HI R_H + n_H2 R_H2 [1/s]; densities [cm^-3] of at least zero, n_H2 counts molecules."""
    densities = {"n_e": n_e, "n_HI": n_HI, "n_H2": n_H2}
    colliders = [non_negative(name, density, "cm^-3") for name, density in densities.items()]
    coefficients = deexcitation_rates(temperature, rates)
    electrons, atoms, molecules = (n * r for n, r in zip(colliders, coefficients, strict=True))
    return np.asarray(electrons + atoms + molecules)


def photon_occupation(temperature: ArrayLike) -> Array:
    """n_g = 1/(e^(T_*/T) - 1) of a black body at the [CII] frequency; zero at T = 0."""
    temperature = np.asarray(temperature, dtype=float)
    with np.errstate(over="ignore", divide="ignore"):
        return 1.0 / np.expm1(CII_T_STAR / temperature)


def excited_fraction(temperature: ArrayLike, collisions: ArrayLike, t_cmb: ArrayLike = 0.0) -> Array:
    """f_u, the share of C+ in the upper level.

    Parameters
    ----------
    temperature, collisions : array
        Gas temperature [K] and de-excitation rate C [1/s].
    t_cmb : array
        CMB temperature [K]; 0 (default) leaves the CMB out.
    """
    collisions = non_negative("collisions", collisions, "1/s")
    stimulated = CII_A_UL * photon_occupation(t_cmb)
    up = CII_G_RATIO * (stimulated + _upward(temperature, collisions))
    return np.asarray(up / (CII_A_UL + stimulated + collisions + up))


def net_power(temperature: ArrayLike, collisions: ArrayLike, t_cmb: ArrayLike = 0.0) -> Array:
    """P [erg/s per C+ ion]: emission minus absorption of the CMB.

    Arguments as in `excited_fraction`. Negative where the gas is colder than the CMB.
    """
    collisions = non_negative("collisions", collisions, "1/s")
    n_g = photon_occupation(t_cmb)
    upward = _upward(temperature, collisions)
    net = upward * (1.0 + n_g) - collisions * n_g
    total = CII_A_UL * (1.0 + n_g) + collisions + CII_G_RATIO * (CII_A_UL * n_g + upward)
    return np.asarray(CII_PHOTON_ERG * CII_A_UL * CII_G_RATIO * net / total)


def _upward(temperature: ArrayLike, collisions: Array) -> Array:
    """C x [1/s]."""
    return np.asarray(collisions * np.exp(-CII_T_STAR / positive("temperature", temperature, "K")))


def positive(name: str, values: ArrayLike, unit: str) -> Array:
    """`values` as an array of floats, each above zero; else an `InputError` that names and counts them."""
    values = np.asarray(values, dtype=float)
    _refuse(~(values > 0.0), name, unit, "above zero")
    return values


def non_negative(name: str, values: ArrayLike, unit: str) -> Array:
    """`values` as an array of floats, each at least zero; else an `InputError` that names and counts them."""
    values = np.asarray(values, dtype=float)
    _refuse(~(values >= 0.0), name, unit, "of at least zero")
    return values


def _refuse(wrong: NDArray[np.bool_], name: str, unit: str, limit: str) -> None:
    if wrong.any():
        found = f"{np.count_nonzero(wrong)} of {wrong.size} values not {limit}"
        raise InputError(name, found, f"values {limit}, in {unit}")
