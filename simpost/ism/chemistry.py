"""Composition and temperature of gas: mean molecular weight, electrons, HI, H2, sound speed.

Ion fractions are per nucleus of their own element (x_HII = n_HII/n_H, x_HeII = n_HeII/n_He);
`x_H2` is the fraction of hydrogen nuclei in molecules, 2 n_H2/n_H. Metals are neglected in number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.core.units import MASS_DENSITY_CGS
from simpost.ism.arrays import Booleans, Floats, Values, choice, fraction, positive

GAMMA = 5.0 / 3.0  # monatomic gas, as both codes evolve it
SELF_SHIELDING_CROSS_SECTION = (
    2.49e-18  # cm^2, grey HI cross-section of HM01 at z = 3 (Rahmati+2013, table 2)
)
GAS_FRACTION = 0.17  # Omega_b/Omega_m of Rahmati+2013
CLUMPING_KMT = 1.0  # cells of tens of pc (McKee & Krumholz 2010; about 5 on kpc scales)
MINIMUM_T_OVER_MU = 10.0  # K, what is left below a subtracted pressure floor (our choice)
BISECTIONS = 20  # T lies within a factor of 2.05 of its bracket: 2^-20 of that is below 1e-6


def helium_per_hydrogen(X: Values = c.X_HYDROGEN) -> Floats:
    """n_He/n_H = (1 - X)/(4 X) for a hydrogen mass fraction X (default 0.76)."""
    share = fraction("hydrogen mass fraction", positive("hydrogen mass fraction", X))
    return np.asarray((1.0 - share) / (4.0 * share))


def hydrogen_number_density(density: Values, X: Values = c.X_HYDROGEN) -> Floats:
    """n_H = X rho/m_H [cm^-3] of a mass density [Msun/kpc^3]."""
    return X * MASS_DENSITY_CGS / c.M_H * positive("density", density, zero_allowed=True)


def electron_fraction(
    x_HII: Values,
    x_HeII: Values | None = None,
    x_HeIII: Values = 0.0,
    X: Values = c.X_HYDROGEN,
) -> Floats:
    """n_e/n_H from ion fractions; without helium ions x_HeII = x_HII, x_HeIII = 0."""
    x_HII = fraction("x_HII", x_HII)
    x_HeII = x_HII if x_HeII is None else fraction("x_HeII", x_HeII)
    return x_HII + helium_per_hydrogen(X) * (x_HeII + 2.0 * fraction("x_HeIII", x_HeIII))


def mean_molecular_weight(electrons: Values, x_H2: Values = 0.0, X: Values = c.X_HYDROGEN) -> Floats:
    """Mean mass per particle in units of m_H.

    Parameters
    ----------
    electrons : array
        n_e/n_H: Arepo's `ElectronAbundance` as read, or `electron_fraction` of stored ions.
        Every ion gives one particle per electron, so both routes meet here.
    x_H2 : array
        2 n_H2/n_H, default none.
    X : float or array
        Hydrogen mass fraction, default 0.76.
    """
    electrons = positive("electron fraction", electrons, zero_allowed=True)
    particles = 1.0 - 0.5 * fraction("x_H2", x_H2) + helium_per_hydrogen(X) + electrons
    return 1.0 / (X * particles)


def t_over_mu_from_internal_energy(internal_energy: Values, gamma: float = GAMMA) -> Floats:
    """T/mu = (gamma - 1) u m_H/k [K] of a specific internal energy [(km/s)^2]; T = mu (T/mu)."""
    return (gamma - 1.0) * c.KM**2 * c.M_H / c.K_B * positive("internal energy", internal_energy)


def sound_speed(temperature: Values, mu: Values, kind: str = "isothermal") -> Floats:
    """Sound speed sqrt(k T/(mu m_H)) [km/s]; `adiabatic` multiplies by sqrt(5/3)."""
    index = GAMMA if choice("sound_speed", kind, ("isothermal", "adiabatic")) == "adiabatic" else 1.0
    ratio = positive("temperature", temperature) / positive("mu", mu)
    return np.sqrt(index * c.K_B / c.M_H * ratio) / c.KM


def subtract_pressure_floor(
    t_over_mu: Values,
    n_H: Values,
    *,
    n_star: float,
    t2_star: float,
    g_star: float,
    minimum: float = MINIMUM_T_OVER_MU,
) -> tuple[Floats, Booleans]:
    """Take RAMSES' polytrope T2_star (n_H/n_star)^(g_star - 1) off T/mu [K].

    RAMSES adds the polytrope to every cell, dense or not, so it is taken off every cell.
    `n_star` [cm^-3], `t2_star` [K] and `g_star` are the namelist's; `n_star` must be the density
    the run really used (in cosmological runs the larger of n_star and del_star times the mean).

    Returns
    -------
    t_over_mu, at_minimum
        What is left [K], not below `minimum`, and where that was needed: cells on the floor,
        whose thermal temperature the run does not hold.
    """
    polytrope = t2_star * (positive("n_H", n_H) / n_star) ** (g_star - 1.0)
    thermal = positive("T/mu", t_over_mu) - polytrope
    at_minimum = thermal < minimum
    return np.where(at_minimum, minimum, thermal), at_minimum


def neutral_fraction(
    n_H: Values,
    temperature: Values,
    uvb_rate: float,
    cross_section: float = SELF_SHIELDING_CROSS_SECTION,
    gas_fraction: float = GAS_FRACTION,
) -> Floats:
    """n_HI/n_H in photo- and collisional equilibrium with self-shielding (Rahmati+2013, eqs 13, 14, A1-A8).

    Parameters
    ----------
    n_H, temperature : array
        [cm^-3], [K].
    uvb_rate : float
        HI photo-ionisation rate of the background [1/s]; 0 leaves collisions only.
        There is no default: the redshift decides.
    cross_section, gas_fraction : float
        Grey cross-section [cm^2] and baryon fraction in the self-shielding density.
    """
    n_H, temperature = positive("n_H", n_H), positive("temperature", temperature)
    if not 0.0 <= uvb_rate < np.inf:
        raise InputError("uvb_rate", f"{uvb_rate}", "a rate >= 0 in 1/s")
    rate_per_density = np.zeros(np.broadcast_shapes(n_H.shape, temperature.shape))
    if uvb_rate > 0.0:
        shielding_density = 6.73e-3 * (cross_section / 2.49e-18) ** (-2.0 / 3.0)
        shielding_density *= (uvb_rate / 1e-12) ** (2.0 / 3.0) * (gas_fraction / 0.17) ** (-1.0 / 3.0)
        depth = n_H / (shielding_density * (temperature / 1e4) ** 0.17)
        shielded = 0.98 * (1.0 + depth**1.64) ** -2.28 + 0.02 * (1.0 + depth) ** -0.84
        rate_per_density = uvb_rate * shielded / n_H
    ratio = 315614.0 / temperature
    recombination = 1.269e-13 * ratio**1.503 / (1.0 + (ratio / 0.522) ** 0.47) ** 1.923
    collisions = 1.17e-10 * np.sqrt(temperature) * np.exp(-157809.0 / temperature)
    collisions = collisions / (1.0 + np.sqrt(temperature / 1e5))
    losses = rate_per_density + collisions
    # B^2 - 4AC written without its cancelling terms, and the root that keeps its digits for tiny x_HI
    root = np.sqrt(losses * losses + 4.0 * recombination * rate_per_density)
    return 2.0 * recombination / (2.0 * recombination + losses + root)


class Equilibrium(NamedTuple):
    """Temperature [K], n_HI/n_H and mu of gas in ionisation equilibrium, all (n,)."""

    temperature: Floats
    neutral_fraction: Floats
    mu: Floats


def ionisation_equilibrium(
    t_over_mu: Values, n_H: Values, uvb_rate: float, X: Values = c.X_HYDROGEN
) -> Equilibrium:
    """Solve T = mu(x_HI(T)) (T/mu) for gas whose ions are not stored; T to 1e-6.

    mu falls as T rises, so the root is unique and lies between the fully ionised and the neutral mu;
    it is bisected, because plain iteration swings about it where collisions ionise hydrogen.
    """
    t_over_mu, n_H = np.broadcast_arrays(positive("T/mu", t_over_mu), positive("n_H", n_H))
    ionised = mean_molecular_weight(electron_fraction(1.0, X=X), X=X)
    neutral = mean_molecular_weight(0.0, X=X)
    low, high = t_over_mu * ionised, t_over_mu * neutral
    for _ in range(BISECTIONS):
        middle = np.sqrt(low * high)
        x_HI = neutral_fraction(n_H, middle, uvb_rate)
        too_cold = middle < mean_molecular_weight(electron_fraction(1.0 - x_HI, X=X), X=X) * t_over_mu
        low, high = np.where(too_cold, middle, low), np.where(too_cold, high, middle)
    temperature = np.sqrt(low * high)
    return Equilibrium(temperature, neutral_fraction(n_H, temperature, uvb_rate), temperature / t_over_mu)


def molecular_fraction_kmt(
    surface_density: Values, z_solar: Values, clumping: float = CLUMPING_KMT
) -> Floats:
    """H2 share of the neutral hydrogen (McKee & Krumholz 2010, eqs 91-93).

    Parameters
    ----------
    surface_density : array
        Neutral column of the cell with helium [Msun/pc^2] (`column.neutral_surface_density`).
    z_solar : array
        Metallicity in solar units; none gives no molecules.
    clumping : float
        f_c between the resolved column and that of the atomic-molecular complexes.
    """
    surface_density = positive("surface density", surface_density, zero_allowed=True)
    z_solar = positive("z_solar", z_solar, zero_allowed=True)
    chi = 0.756 * (1.0 + 3.1 * z_solar**0.365)
    optical_depth = 0.066 * clumping * surface_density * z_solar
    with np.errstate(divide="ignore"):
        s = np.log(1.0 + 0.6 * chi + 0.01 * chi**2) / (0.6 * optical_depth)
    s = np.minimum(s, 2.0)  # f_H2 = 0 there and beyond
    return 1.0 - 0.75 * s / (1.0 + 0.25 * s)


def molecular_fraction_gk11(n_H: Values, dust: Values, radiation: Values) -> Floats:
    """H2 share of the neutral hydrogen (Gnedin & Kravtsov 2011, eq 6 and following).

    Parameters
    ----------
    n_H : array
        [cm^-3].
    dust : array
        Dust-to-gas ratio in units of the Milky Way's; none gives no molecules.
    radiation : array
        U_MW = G0/1.71, above zero: the fit means nothing without radiation.
    """
    n_H = positive("n_H", n_H)
    radiation = positive("U_MW", radiation)
    dust = positive("dust", dust, zero_allowed=True)
    dustless = dust == 0.0
    dust = np.where(dustless, 1.0, dust)
    dust_star = 1.5e-3 * np.log(1.0 + (3.0 * radiation) ** 1.7)
    s = 0.04 / (dust_star + dust)
    alpha = 2.5 * radiation / (1.0 + (0.5 * radiation) ** 2)
    g = (1.0 + alpha * s + s * s) / (1.0 + s)
    lam = np.log(1.0 + g * dust ** (3.0 / 7.0) * (radiation / 15.0) ** (4.0 / 7.0))
    x = lam ** (3.0 / 7.0) * np.log(dust * n_H / (25.0 * lam))
    exponent = np.clip(4.0 * x + 3.0 * x**3, -700.0, 700.0)  # exp overflows beyond
    return np.where(dustless, 0.0, 1.0 / (1.0 + np.exp(-exponent)))
