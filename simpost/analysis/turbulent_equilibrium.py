"""Star formation of gas whose turbulence is kept up by stellar feedback (Shen+2025 section 4.3).

A marginally stable complex of size R has the turbulent Jeans mass (eqs 7, 8); what turbulence
dissipates (eq. 9) feedback injects (eq. 10). With the surface density Sigma = rho R:
t_dep = f/(4 G) (P/m)/Sigma (eqs 11, 12), so Sigma_SFR ~ Sigma^2.

Surface densities are Msun/pc^2 of neutral gas (with helium if the map has it), rates Msun/yr/kpc^2,
depletion times Gyr: the units of the paper's figures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simpost.analysis.halo import MYR_OF_KPC_PER_KMS
from simpost.core.units import G_INTERNAL
from simpost.ism.arrays import Booleans, Floats, finite, positive

MOMENTUM_SUPERNOVAE = 3000.0  # km/s, momentum per stellar mass formed; the `no_esf` runs have only this
MOMENTUM_EARLY_FEEDBACK = 5000.0  # km/s: 1000 km/s/Myr during 5 Myr
MOMENTUM_FIDUCIAL = MOMENTUM_SUPERNOVAE + MOMENTUM_EARLY_FEEDBACK  # km/s, the fiducial runs
FUDGE = 0.3  # f of eq. 12
MIN_YOUNG_PARTICLES = 3.0  # our choice: fewer particles in the median pixel of a bin are noise
YOUNG_AGE = 10.0  # Myr

_PC2_PER_KPC2 = 1e6
_GYR_OF_KPC_PER_KMS = MYR_OF_KPC_PER_KMS / 1e3


def turbulent_velocity(density: ArrayLike, size: ArrayLike) -> Floats:
    """Velocity sigma = 2 sqrt(G rho) R [km/s] of a marginally stable complex (eq. 8).

    `density` is in Msun/kpc^3, `size` R in kpc.
    """
    return 2.0 * np.sqrt(G_INTERNAL * positive("density", density)) * positive("size", size)


def turbulent_jeans_mass(density: ArrayLike, velocity: ArrayLike) -> Floats:
    """M_J = pi sigma^3 / (6 G^1.5 rho^0.5) [Msun] (eq. 7); density [Msun/kpc^3], sigma [km/s]."""
    density, velocity = positive("density", density), positive("turbulent velocity", velocity)
    return np.pi * velocity**3 / (6.0 * G_INTERNAL**1.5 * np.sqrt(density))


def dissipation_rate(density: ArrayLike, size: ArrayLike, velocity: ArrayLike) -> Floats:
    """(2 pi/3) rho R^2 sigma^3 [Msun (km/s)^3/kpc], turbulent energy lost in R/sigma (eq. 9)."""
    density, size = positive("density", density), positive("size", size)
    return 2.0 * np.pi / 3.0 * density * size**2 * positive("turbulent velocity", velocity) ** 3


def injection_rate(
    star_formation_rate: ArrayLike,
    feedback_velocity: ArrayLike,
    momentum_per_mass: ArrayLike = MOMENTUM_FIDUCIAL,
) -> Floats:
    """Mdot_* (P/m) v_fb / 2 (eq. 10), in the unit of the rate times (km/s)^2.

    With the rate in Msun per kpc/(km/s) it is the unit of `dissipation_rate`.
    """
    rate = positive("star-formation rate", star_formation_rate, zero_allowed=True)
    momentum = positive("momentum per stellar mass", momentum_per_mass)
    return 0.5 * rate * momentum * positive("feedback velocity", feedback_velocity)


def depletion_time(
    surface_density: ArrayLike, momentum_per_mass: ArrayLike = MOMENTUM_FIDUCIAL, fudge: float = FUDGE
) -> Floats:
    """t_dep = f/(4 G) (P/m)/Sigma [Gyr] (eq. 12).

    Parameters
    ----------
    surface_density : array
        Sigma of neutral gas [Msun/pc^2].
    momentum_per_mass : array
        P/m [km/s]. Default 8000, the fiducial runs: supernovae and early feedback. The 0.5 Gyr printed
        at 100 Msun/pc^2 (0.5115) is that of 3000, the runs without early feedback. An array in
        proportion to `surface_density` is the regime of infrared radiation pressure above 1e4 Msun/pc^2.
    fudge : float
        f; default 0.3 as printed.
    """
    surface_density = positive("surface density", surface_density)
    momentum = positive("momentum per stellar mass", momentum_per_mass)
    velocity = (
        0.25 * positive("fudge factor", fudge) * momentum / G_INTERNAL / (surface_density * _PC2_PER_KPC2)
    )
    return np.asarray(velocity * _GYR_OF_KPC_PER_KMS)  # (km/s)/(G Sigma) is kpc/(km/s)


def star_formation_surface_density(
    surface_density: ArrayLike, momentum_per_mass: ArrayLike = MOMENTUM_FIDUCIAL, fudge: float = FUDGE
) -> Floats:
    """Sigma_SFR = Sigma/t_dep = 4 G/(f P/m) Sigma^2 [Msun/yr/kpc^2]; parameters of `depletion_time`."""
    time = depletion_time(surface_density, momentum_per_mass, fudge)
    return np.asarray(surface_density, dtype=float) * _PC2_PER_KPC2 / (time * 1e9)


def resolution_floor(particle_mass: float, pixel_area: float = 1.0, young_age: float = YOUNG_AGE) -> float:
    """Sigma_SFR of one young star particle in a pixel [Msun/yr/kpc^2].

    Parameters
    ----------
    particle_mass : float
        Initial mass of star particles [Msun]; the baryonic resolution where they share it.
    pixel_area : float
        [kpc^2]; default 1, the paper's pixels.
    young_age : float
        Largest age of the stars that make the rate [Myr]; default 10 (Shen+2025).
    """
    mass, area = positive("particle mass", particle_mass), positive("pixel area", pixel_area)
    return float(mass / area / (positive("age of young stars", young_age) * 1e6))


def is_resolved(
    median_rate: ArrayLike, floor: float, min_young_particles: float = MIN_YOUNG_PARTICLES
) -> Booleans:
    """Whether bins of gas surface density stand above the floor, by their median Sigma_SFR.

    For bins only: a cut pixel by pixel in Sigma_SFR biases the slope. NaN medians (empty bins) are not
    resolved.
    """
    return np.asarray(median_rate, dtype=float) > min_young_particles * floor


def cloud_depletion_time(lifetime: ArrayLike, cloud_fraction: ArrayLike, efficiency: ArrayLike) -> Floats:
    """t_dep = t_life / (f_GMC eps_int), in the unit of the lifetime (eq. 16).

    Parameters
    ----------
    lifetime : array
        Of giant molecular clouds.
    cloud_fraction : array
        Share of the neutral gas in them.
    efficiency : array
        Share of a cloud's gas that becomes stars in its life.
    """
    share = positive("cloud fraction", cloud_fraction) * positive("cloud efficiency", efficiency)
    return np.asarray(finite("cloud lifetime", lifetime) / share)
