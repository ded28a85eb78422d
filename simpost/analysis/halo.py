"""A halo of 200 times the critical density: its radius, velocity and dynamical time.

Formulae of Shen et al. 2025, section 3: R_vir = R_200c, V_vir^2 = G M / R_vir, t_dyn = R_vir / V_vir.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simpost.core import constants as c
from simpost.core.cosmology import OVERDENSITY, Cosmology
from simpost.core.errors import InputError
from simpost.core.units import G_INTERNAL
from simpost.ism.arrays import Floats, positive

MYR_OF_KPC_PER_KMS = c.KPC / c.KM / c.MYR  # 1 kpc/(km/s) in Myr


def baryon_fraction(cosmology: Cosmology) -> float:
    """Cosmic baryon fraction Omega_b / Omega_m (Shen+2025: 0.157332, printed as 0.16).

    Raises
    ------
    InputError
        The cosmology does not state Omega_b.
    """
    fraction = cosmology.omega_b / cosmology.omega_m
    if not 0.0 < fraction < 1.0:
        raise InputError(
            "cosmology", f"Omega_b = {cosmology.omega_b:g}", "0 < Omega_b < Omega_m", "state omega_b"
        )
    return float(fraction)


def scale_factor(redshift: ArrayLike) -> Floats:
    """1/(1+z) of finite redshifts >= 0; else InputError."""
    return 1.0 / (1.0 + positive("redshift", redshift, zero_allowed=True))


def hubble_time(redshift: ArrayLike, cosmology: Cosmology) -> Floats:
    """1/H(z) [Myr]."""
    return np.asarray(cosmology.hubble_time / cosmology.expansion(scale_factor(redshift)))


def virial_radius(mass: ArrayLike, redshift: ArrayLike, cosmology: Cosmology) -> Floats:
    """R_200c [kpc, physical] of M_200c [Msun]."""
    return cosmology.radius_within(positive("halo mass", mass), scale_factor(redshift), OVERDENSITY)


def virial_velocity(mass: ArrayLike, redshift: ArrayLike, cosmology: Cosmology) -> Floats:
    """V_200c = sqrt(G M / R_200c) [km/s] of M_200c [Msun]."""
    radius = virial_radius(mass, redshift, cosmology)
    return np.asarray(np.sqrt(G_INTERNAL * np.asarray(mass, dtype=float) / radius))


def dynamical_time(redshift: ArrayLike, cosmology: Cosmology) -> Floats:
    """t_dyn = R_200c / V_200c [Myr]: one tenth of the Hubble time, whatever the mass.

    V^2/R^2 = G M/R^3 = 100 H^2 for 200 times the critical density. Radii of another overdensity
    take `crossing_time`.
    """
    return hubble_time(redshift, cosmology) / np.sqrt(0.5 * OVERDENSITY)


def crossing_time(mass: ArrayLike, radius: ArrayLike) -> Floats:
    """t_dyn = R / sqrt(G M / R) [Myr] of a mass [Msun] within any radius [kpc]."""
    radius, mass = positive("radius", radius), positive("halo mass", mass)
    return np.asarray(np.sqrt(radius**3 / (G_INTERNAL * mass)) * MYR_OF_KPC_PER_KMS)
