"""Halo-scale efficiency as supply x consumption x growth (Shen+2025 eqs 4, 6, 13-15).

eps = [M_neutral/(f_b M_h)] [t_H/t_dep] [M_h/(Mdot_h t_H)]. With t_dep = M_neutral/SFR this is
SFR/(f_b Mdot_h) identically; measured with t_dep of the pixels inside 0.3 R_vir it differs from the
efficiency of the whole galaxy by SFR(<0.3 R_vir)/SFR. Depletion times are Gyr, surface densities any unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from simpost.analysis.accretion import accretion_rate, growth_exponent
from simpost.analysis.halo import baryon_fraction, hubble_time
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.ism.arrays import Floats, positive

SUPPLY_RADIUS = 0.3  # of R_vir: the star-forming region of Shen+2025

_YR_PER_MYR = 1e6
_MYR_PER_GYR = 1e3


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The three factors, arrays of one shape.

    Attributes
    ----------
    supply : array
        M_neutral(< 0.3 R_vir) / (f_b M_h); about 0.2 in Shen+2025.
    consumption : array
        t_H / t_dep.
    growth : array
        M_h / (Mdot_h t_H).
    includes_helium : bool
        Whether the gas of supply and depletion time counts its helium; without it supply is X_H = 0.76
        and consumption 1/0.76 of what they are with it.
    """

    supply: Floats
    consumption: Floats
    growth: Floats
    includes_helium: bool

    @property
    def efficiency(self) -> Floats:
        """The efficiency, supply x consumption x growth."""
        return self.supply * self.consumption * self.growth


def decompose(
    neutral_mass: ArrayLike,
    depletion_time: ArrayLike,
    halo_mass: ArrayLike,
    halo_growth: ArrayLike,
    redshift: ArrayLike,
    cosmology: Cosmology,
    *,
    mass_includes_helium: bool,
    time_includes_helium: bool,
) -> Decomposition:
    """Decompose the efficiency of galaxies.

    Parameters
    ----------
    neutral_mass : array
        Neutral gas within 0.3 R_vir [Msun].
    depletion_time : array
        Of the same gas [Gyr]; infinite without star formation.
    halo_mass, halo_growth : array
        M_h [Msun] and dM_h/dt [Msun/yr].
    mass_includes_helium, time_includes_helium : bool
        Conventions of the gas in `neutral_mass` and in `depletion_time`; the product of supply and
        consumption does not depend on them if they agree.

    Raises
    ------
    InputError
        The two conventions differ, or a mass, time or rate is not above zero.
    """
    if mass_includes_helium != time_includes_helium:
        kinds = ["with" if has else "without" for has in (mass_includes_helium, time_includes_helium)]
        found = f"a gas mass {kinds[0]} helium and a depletion time {kinds[1]}"
        raise InputError("helium convention", found, "the same for both", "convert one of them by X_H")
    mass = positive("neutral gas mass", neutral_mass, zero_allowed=True)
    time = np.asarray(depletion_time, dtype=float)
    if np.any(np.isnan(time)) or np.any(time <= 0.0):
        raise InputError(
            "depletion time", "values that are NaN or <= 0", "values > 0 (infinite if no stars form)"
        )
    halo, growth = positive("halo mass", halo_mass), positive("halo growth", halo_growth)
    hubble = hubble_time(redshift, cosmology)  # Myr
    return Decomposition(
        np.asarray(mass / (baryon_fraction(cosmology) * halo)),
        np.asarray(hubble / (time * _MYR_PER_GYR)),
        np.asarray(halo / (growth * hubble * _YR_PER_MYR)),
        mass_includes_helium,
    )


def effective_surface_density(
    surface_density: ArrayLike, forms_stars: ArrayLike, pixel_area: ArrayLike = 1.0
) -> float:
    """Sigma_eff = <Sigma^2>/<Sigma> over star-forming pixels, in the unit of Sigma; NaN without any.

    If Sigma_SFR = A Sigma^2 in every pixel, SFR/M_gas = A Sigma_eff (Shen+2025, before eq. 13).

    Parameters
    ----------
    surface_density : array
        Sigma of the pixels.
    forms_stars : bool array
        Which pixels count.
    pixel_area : array
        Of each pixel; default equal.
    """
    sigma = positive("surface density", surface_density, zero_allowed=True)
    chosen = np.asarray(forms_stars, dtype=bool)
    mass = np.broadcast_to(sigma * positive("pixel area", pixel_area), sigma.shape)[chosen]
    total = float(mass.sum())
    return float(mass @ sigma[chosen]) / total if total > 0.0 else float("nan")


def relative_surface_density(
    mass: ArrayLike, redshift: ArrayLike, reference_mass: float = 1e10, reference_redshift: float = 6.0
) -> Floats:
    """Sigma_gas ~ M^(1/3) (1+z)^2 relative to its value at a reference (eq. 13).

    From rho^(1/2) sigma with rho ~ (1+z)^3 and sigma ~ V_vir ~ M^(1/3) (1+z)^(1/2). The paper gives no
    amplitude; the reference, 1e10 Msun at z = 6 by default, is our choice.
    """
    redshift = positive("redshift", redshift, zero_allowed=True)
    expansion = (1.0 + redshift) / (1.0 + reference_redshift)
    return np.asarray(np.cbrt(positive("halo mass", mass) / reference_mass) * expansion**2)


def relative_efficiency(
    mass: ArrayLike,
    redshift: ArrayLike,
    gamma: ArrayLike = 0.5,
    reference_mass: float = 1e10,
    reference_redshift: float = 6.0,
) -> Floats:
    """Efficiency ~ M^(1/3) (1+z)^(1/2 - gamma) relative to its value at a reference (eq. 14).

    `gamma` is a number, or the result of `growth_exponent`; default 0.5, the paper's below z = 8, for
    which the efficiency does not depend on redshift.
    """
    redshift = positive("redshift", redshift, zero_allowed=True)
    expansion = (1.0 + redshift) / (1.0 + reference_redshift)
    exponent = 0.5 - np.asarray(gamma, dtype=float)
    return np.asarray(np.cbrt(positive("halo mass", mass) / reference_mass) * expansion**exponent)


def relative_growth(
    gamma: Literal["beta", "full"] | float, redshift: ArrayLike, cosmology: Cosmology
) -> Floats:
    """(1+z)^-gamma, the growth term of eq. 6, with `gamma` as for `growth_exponent`."""
    exponent = growth_exponent(gamma, redshift, cosmology)
    return np.asarray((1.0 + np.asarray(redshift, dtype=float)) ** -exponent)


def specific_rate_of_paper(redshift: ArrayLike) -> Floats:
    """SFR/M_* = 2 Gyr^-1 ((1+z)/5)^2 as printed (eq. 15).

    A line for plots: it lies 11-61 % above what `specific_rate` gives with the fits of accretion.
    """
    return 2.0 * ((1.0 + positive("redshift", redshift, zero_allowed=True)) / 5.0) ** 2


def specific_rate(
    name: str, mass: ArrayLike, redshift: ArrayLike, slope: float, cosmology: Cosmology
) -> Floats:
    """SFR/M_* = (1 + a) Mdot_h/M_h [1/Gyr] for eps ~ M^a, with an accretion rate by name."""
    rate = accretion_rate(name, mass, redshift, cosmology)
    return np.asarray((1.0 + slope) * rate / np.asarray(mass, dtype=float) * 1e9)


def residual(rate_inside: ArrayLike, rate_total: ArrayLike) -> Floats:
    """SFR(< 0.3 R_vir)/SFR: eps of the decomposition over eps of the galaxy; NaN without star formation."""
    inside = positive("SFR inside", rate_inside, zero_allowed=True)
    total = positive("SFR", rate_total, zero_allowed=True)
    return np.divide(inside, total, out=np.full(np.broadcast(inside, total).shape, np.nan), where=total > 0.0)
