"""Mean and median growth rates of dark-matter haloes, each under the name of its source.

The five fits differ by up to a factor of two (rp16_inst against f10_mean at z = 12); none is "the"
accretion rate. Masses are in Msun without h, rates in Msun/yr, E = H/H0 of a flat universe with the
cosmology's Omega_m.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from simpost.analysis.halo import scale_factor
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.ism.arrays import Floats, choice, positive

RateName = Literal["y24", "rp16_dyn", "rp16_inst", "f10_mean", "f10_median"]
RATE_NAMES: tuple[str, ...] = ("y24", "rp16_dyn", "rp16_inst", "f10_mean", "f10_median")

PIVOT_MASS = 1e12  # Msun, of every fit

# Polynomials in a = 1/(1+z), lowest power first: slope alpha(a) and log10 of the normalisation beta(a).
_ALPHA_Y24, _LOG_BETA_Y24 = (0.858, 1.554, -1.176), (2.578, -0.989, -1.545)
_ALPHA_RP16 = {"rp16_dyn": (1.000, 0.329, -0.206), "rp16_inst": (0.975, 0.300, -0.224)}
_LOG_BETA_RP16 = {"rp16_dyn": (2.730, -1.828, 0.654), "rp16_inst": (2.677, -1.708, 0.661)}
_FAKHOURI10 = {"f10_mean": (46.1, 1.11), "f10_median": (25.3, 1.65)}  # Msun/yr, coefficient of z


def accretion_rate(name: str, mass: ArrayLike, redshift: ArrayLike, cosmology: Cosmology) -> Floats:
    """Growth rate dM_halo/dt [Msun/yr].

    Parameters
    ----------
    name : str
        `y24`: Yung+2024, Shen+2025 eq. 5 with its lost normalisations, H inside the power.
        `rp16_dyn`, `rp16_inst`: Rodriguez-Puebla+2016, averaged over a dynamical time or instantaneous,
        H outside the power. `f10_mean`, `f10_median`: Fakhouri+2010.
    mass : array
        M_halo [Msun].
    redshift : array
        Broadcast against `mass`.
    cosmology : Cosmology
        Only H0 and Omega_m are used.

    Raises
    ------
    InputError
        Unknown name, mass <= 0, negative redshift.
    """
    choice("accretion rate", name, RATE_NAMES)
    return _rate(name, positive("halo mass", mass), scale_factor(redshift), cosmology)


def growth_exponent(
    gamma: Literal["beta", "full"] | float,
    redshift: ArrayLike,
    cosmology: Cosmology,
    *,
    rate: str = "y24",
    mass: float = 1e10,
) -> Floats:
    """Exponent gamma of Mdot_h / (M_h H) ~ (1+z)^gamma, as it enters Shen+2025 eqs 6 and 14.

    Parameters
    ----------
    gamma : "beta", "full" or a number
        `beta` (the paper's): d log beta / d log(1+z) of the fit's normalisation alone, about 0.5
        below z = 8 and 0.2 above. `full`: d ln(Mdot/(M H)) / d ln(1+z) at fixed `mass`, which is what
        eq. 6 needs; it is two to three times larger because the mass slope changes with redshift too.
        A number is returned as it is.
    rate : str
        Name of the accretion rate; default `y24`, which Shen+2025 use. `beta` needs y24 or rp16.
    mass : float
        M_halo [Msun] of `full`; default 1e10.
    """
    a = scale_factor(redshift)
    if not isinstance(gamma, str):
        return np.full_like(a, float(gamma))
    choice("gamma", gamma, ("beta", "full"))
    choice("accretion rate", rate, RATE_NAMES)
    if gamma == "beta":
        if rate in _FAKHOURI10:
            raise InputError("gamma: beta", f"rate {rate}", "y24, rp16_dyn or rp16_inst", "take gamma: full")
        _, linear, quadratic = _LOG_BETA_Y24 if rate == "y24" else _LOG_BETA_RP16[rate]
        return np.asarray(-np.log(10.0) * a * (linear + 2.0 * quadratic * a))
    step = 1e-4  # in ln(1+z); the central difference is good to 1e-8
    halo_mass = positive("halo mass", mass)
    later, earlier = a * np.exp(0.5 * step), a * np.exp(-0.5 * step)
    specific = [_rate(rate, halo_mass, a, cosmology) / _expansion(a, cosmology) for a in (later, earlier)]
    return np.asarray(np.log(specific[1] / specific[0]) / step)


def _rate(name: str, mass: Floats, a: Floats, cosmology: Cosmology) -> Floats:
    expansion = _expansion(a, cosmology)
    relative = mass / PIVOT_MASS
    if name == "y24":
        slope = _polynomial(a, _ALPHA_Y24)
        return np.asarray(10 ** _polynomial(a, _LOG_BETA_Y24) * (relative * expansion) ** slope)
    if name in _FAKHOURI10:
        rate, growth = _FAKHOURI10[name]
        return np.asarray(rate * (1.0 + growth * (1.0 / a - 1.0)) * expansion * relative**1.1)
    h = cosmology.h0 / 100.0
    slope = _polynomial(a, _ALPHA_RP16[name])
    return np.asarray(10 ** _polynomial(a, _LOG_BETA_RP16[name]) * (relative * h) ** slope * expansion / h)


def _expansion(a: Floats, cosmology: Cosmology) -> Floats:
    return Cosmology(cosmology.h0, cosmology.omega_m, 1.0 - cosmology.omega_m).expansion(a)


def _polynomial(a: Floats, coefficients: tuple[float, float, float]) -> Floats:
    constant, linear, quadratic = coefficients
    return constant + (linear + quadratic * a) * a
