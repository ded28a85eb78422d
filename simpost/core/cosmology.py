"""A flat or curved Lambda-CDM background without radiation.

Radiation is left out because RAMSES and Arepo integrate without it and so must anything that is
compared with their times. Distances for mock observations come from the same class.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core import constants as c

OVERDENSITY = 200.0  # times the critical density: that of M_200c and R_200c
_TABLE_SIZE = 4096
_GAUSS_X, _GAUSS_W = np.polynomial.legendre.leggauss(64)


@dataclass(frozen=True)
class Cosmology:
    """Hubble constant [km/s/Mpc] and density parameters at z = 0.

    Examples
    --------
    >>> planck = Cosmology(67.74, 0.3089, 0.6911)
    >>> round(float(planck.age(1 / 7)), 2)
    933.86
    """

    h0: float
    omega_m: float
    omega_lambda: float
    omega_b: float = float("nan")

    @property
    def omega_k(self) -> float:
        """Curvature parameter 1 - Omega_m - Omega_Lambda."""
        return 1.0 - self.omega_m - self.omega_lambda

    @property
    def hubble_time(self) -> float:
        """1/H0 in Myr."""
        return c.KPC * 1e3 / (self.h0 * c.KM) / c.MYR

    def expansion(self, a: ArrayLike) -> NDArray[np.float64]:
        """E(a) = H(a)/H0."""
        a = np.asarray(a, dtype=float)
        return np.asarray(np.sqrt(self.omega_m / a**3 + self.omega_k / a**2 + self.omega_lambda))

    def hubble(self, a: ArrayLike) -> NDArray[np.float64]:
        """H(a) in km/s/Mpc."""
        return np.asarray(self.h0 * self.expansion(a))

    def critical_density(self, a: float) -> float:
        """Critical density 3 H(a)^2/(8 pi G) in Msun/kpc^3."""
        from simpost.core.units import G_INTERNAL

        hubble_internal = float(self.hubble(a)) / 1e3  # km/s/kpc
        return 3.0 * hubble_internal**2 / (8.0 * np.pi * G_INTERNAL)

    def radius_within(
        self, mass: ArrayLike, a: ArrayLike, overdensity: float = OVERDENSITY
    ) -> NDArray[np.float64]:
        """Radius [kpc, physical] of the sphere of `mass` [Msun] and `overdensity` times the critical density.

        With the default, of 200, R_200c of M_200c.
        """
        from simpost.core.units import G_INTERNAL

        hubble_internal = self.hubble(a) / 1e3  # km/s/kpc
        return np.asarray(np.cbrt(2.0 * G_INTERNAL * np.asarray(mass) / (overdensity * hubble_internal**2)))

    def age(self, a: ArrayLike) -> NDArray[np.float64]:
        """Age of the universe [Myr] at scale factor `a`, by Gauss-Legendre in a^(3/2)."""
        a = np.asarray(a, dtype=float)
        # with u = a^1.5 the integrand 1/(a E) da = 2/3 du / (a^1.5 E) is smooth down to a = 0
        u = 0.5 * a[..., None] ** 1.5 * (_GAUSS_X + 1.0)
        integrand = (2.0 / 3.0) / (u * self.expansion(u ** (2.0 / 3.0)))
        return np.asarray(0.5 * a**1.5 * (integrand @ _GAUSS_W) * self.hubble_time)

    def conformal_time(self, a: ArrayLike) -> NDArray[np.float64]:
        """RAMSES' super-conformal time tau(a) = -int_a^1 da'/(a'^3 E(a')), zero today."""
        a = np.asarray(a, dtype=float)
        # v = a^-0.5: da/(a^3 E) = -2 dv / (a^1.5 E), smooth for matter domination
        width = a**-0.5 - 1.0
        v = 1.0 + 0.5 * width[..., None] * (_GAUSS_X + 1.0)
        nodes = v**-2.0
        integrand = 2.0 / (nodes**1.5 * self.expansion(nodes))
        return np.asarray(-0.5 * width * (integrand @ _GAUSS_W))

    @cached_property
    def _conformal_table(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        ln_a = np.linspace(np.log(1.1), np.log(1e-3), _TABLE_SIZE)
        return self.conformal_time(np.exp(ln_a)), ln_a

    def scale_factor_of_conformal_time(self, tau: ArrayLike) -> NDArray[np.float64]:
        """Invert `conformal_time` (table, then two Newton steps); NaN outside 1e-3 < a < 1.1."""
        tau = np.asarray(tau, dtype=float)
        table_tau, table_ln_a = self._conformal_table
        ln_a = np.interp(tau, table_tau[::-1], table_ln_a[::-1], left=np.nan, right=np.nan)
        for _ in range(2):
            a = np.exp(ln_a)
            slope = 1.0 / (a**2 * self.expansion(a))  # d tau / d ln a
            ln_a = ln_a - (self.conformal_time(a) - tau) / slope
        return np.exp(ln_a)

    def scale_factor_of_age(self, age: ArrayLike) -> NDArray[np.float64]:
        """Scale factor at an age of the universe [Myr]; NaN outside 1e-3 < a < 1.1."""
        age = np.asarray(age, dtype=float)
        ln_a_table = np.linspace(np.log(1e-3), np.log(1.1), _TABLE_SIZE)
        ln_a = np.interp(age, self.age(np.exp(ln_a_table)), ln_a_table, left=np.nan, right=np.nan)
        for _ in range(2):
            a = np.exp(ln_a)
            ln_a = ln_a - (self.age(a) - age) * self.expansion(a) / self.hubble_time
        return np.exp(ln_a)

    def luminosity_distance(self, z: float) -> float:
        """Luminosity distance [kpc]."""
        return self._transverse_distance(z) * (1.0 + z)

    def angular_diameter_distance(self, z: float) -> float:
        """Angular-diameter distance [kpc]."""
        return self._transverse_distance(z) / (1.0 + z)

    def _transverse_distance(self, z: float) -> float:
        hubble_distance = c.C_LIGHT / c.KM / self.h0 * 1e3  # kpc
        nodes = 0.5 * z * (_GAUSS_X + 1.0)
        comoving = 0.5 * z * float((1.0 / self.expansion(1.0 / (1.0 + nodes))) @ _GAUSS_W)
        k = self.omega_k
        if abs(k) > 1e-8:
            root = np.sqrt(abs(k))
            comoving = float(np.sinh(root * comoving) / root if k > 0 else np.sin(root * comoving) / root)
        return hubble_distance * comoving
