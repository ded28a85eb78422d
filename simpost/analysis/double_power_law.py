"""Halo-scale star-formation efficiency as a double power law of halo mass.

Shen+2025 eq. 3: eps(M) = eps0 / ((M/M0)^-alpha + (M/M0)^-beta) with alpha <= beta, so that alpha is the
slope at high mass and eps(M0) = eps0/2; alpha = beta is a single power law of amplitude eps0/2. With
x = M/M0 the stellar mass of eq. 2, f_b int eps dM, is
f_b eps0 M0 x^(1+beta)/(1+beta) 2F1(1, c; 1+c; -x^d), d = beta - alpha, c = (1+beta)/d.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, hyp2f1

from simpost.core.errors import InputError
from simpost.ism.arrays import Booleans, Floats, positive

HYPERGEOMETRIC_LIMIT = 1e6  # largest x^d given to hyp2f1, checked against quadrature
_LOG_HEAVIEST = 20.0  # log Msun: beyond every mass that is asked for
_GAUSS_X, _GAUSS_W = np.polynomial.legendre.leggauss(64)


@dataclass(frozen=True)
class DoublePowerLaw:
    """Efficiency as a function of halo mass.

    Parameters
    ----------
    log_eps0 : float
        log10 of eps0; the efficiency at M0 is eps0/2.
    log_m0 : float
        log10 of M0 [Msun].
    alpha, beta : float
        Slopes at high and at low mass, alpha <= beta.
    log_m_max : float
        log10 of the largest sampled mass [Msun]; no limit by default.
    """

    log_eps0: float
    log_m0: float
    alpha: float
    beta: float
    log_m_max: float = float("inf")

    def __post_init__(self) -> None:
        if not np.all(np.isfinite([self.log_eps0, self.log_m0, self.alpha, self.beta])):
            raise InputError("double power law", str(self), "finite parameters")
        if self.alpha > self.beta:
            found = f"alpha = {self.alpha:g} > beta = {self.beta:g}"
            raise InputError("double power law", found, "alpha <= beta", "alpha is the high-mass slope")

    def __call__(self, mass: ArrayLike, *, extrapolate: bool = False) -> Floats:
        """Efficiency at halo masses [Msun]; beyond `log_m_max` at most 1.

        Raises
        ------
        InputError
            A mass <= 0, or one beyond `log_m_max` without `extrapolate`.
        """
        mass = positive("halo mass", mass)
        beyond = self.is_extrapolated(mass)
        if not extrapolate:
            self._refuse_extrapolation(mass)
        efficiency = 10.0 ** self.log_efficiency(np.log10(mass))
        return np.asarray(np.where(beyond, np.minimum(efficiency, 1.0), efficiency))

    def log_efficiency(self, log_mass: ArrayLike) -> Floats:
        """log10 of eq. 3 at log10 of halo masses [Msun], without limit or cap."""
        u = np.log(10.0) * (np.asarray(log_mass, dtype=float) - self.log_m0)
        return np.asarray(self.log_eps0 - np.logaddexp(-self.alpha * u, -self.beta * u) / np.log(10.0))

    def is_extrapolated(self, mass: ArrayLike) -> Booleans:
        """Whether masses [Msun] lie beyond the sampled range (1e-9 dex of round-off is let pass)."""
        return np.asarray(np.log10(np.asarray(mass, dtype=float)) > self.log_m_max + 1e-9)

    def slope(self, mass: ArrayLike) -> Floats:
        """Local slope dln eps / dln M at halo masses [Msun]; between alpha and beta."""
        u = np.log(positive("halo mass", mass) / 10.0**self.log_m0)
        high_mass_share = expit((self.beta - self.alpha) * u)
        return np.asarray(self.beta + (self.alpha - self.beta) * high_mass_share)

    def stellar_mass(
        self,
        mass: ArrayLike,
        baryon_fraction: float,
        *,
        lower_mass: float = 0.0,
        return_fraction: float = 0.0,
        extrapolate: bool = False,
    ) -> Floats:
        """Stellar mass f_b int eps dM [Msun] of haloes of `mass` [Msun] (Shen+2025 eq. 2).

        Parameters
        ----------
        lower_mass : float
            Lower limit of the integral [Msun]; default 0 as in eq. 2.
        return_fraction : float
            Share R of the formed mass that stars give back; default 0 as in Shen+2025.
        extrapolate : bool
            Go beyond `log_m_max`, with the efficiency held at 1 from where it gets there.

        Raises
        ------
        InputError
            As for a call; also 1 + alpha <= 0, where the integral diverges at its lower end.
        """
        mass = positive("halo mass", mass)
        if not extrapolate:
            self._refuse_extrapolation(mass)
        if self.alpha <= -1.0:
            raise InputError("double power law", f"alpha = {self.alpha:g}", "alpha > -1", "M_* diverges")
        if not 0.0 <= return_fraction < 1.0:
            raise InputError("return fraction", f"{return_fraction:g}", "a number in [0, 1)")
        formed = self._formed(mass)
        if positive("lower mass", lower_mass, zero_allowed=True) > 0.0:
            formed = np.maximum(formed - self._formed(np.asarray(lower_mass, dtype=np.float64)), 0.0)
        return np.asarray(baryon_fraction * (1.0 - return_fraction) * formed)

    def _formed(self, mass: Floats) -> Floats:
        """Int_0^M eps dM' [Msun], with the efficiency held at 1."""
        capped = self._mass_at_unity()
        return self._integral(np.minimum(mass, capped)) + np.maximum(mass - capped, 0.0)

    def _integral(self, mass: Floats) -> Floats:
        """Int_0^M eps dM' [Msun], without cap."""
        x = mass / 10.0**self.log_m0
        d = self.beta - self.alpha
        amplitude = 10.0 ** (self.log_eps0 + self.log_m0)
        if d < 1e-12:
            return np.asarray(0.5 * amplitude * x ** (1.0 + self.alpha) / (1.0 + self.alpha))
        c = (1.0 + self.beta) / d
        safe = np.minimum(x, np.exp(min(np.log(HYPERGEOMETRIC_LIMIT) / d, 700.0)))
        below = safe ** (1.0 + self.beta) / (1.0 + self.beta) * hyp2f1(1.0, c, 1.0 + c, -(safe**d))
        # the rest in ln M, where the integrand is smooth
        half = 0.5 * np.log(x / safe)[..., None]
        t = safe[..., None] * np.exp(half * (_GAUSS_X + 1.0))
        above = (half * t / (t**-self.alpha + t**-self.beta)) @ _GAUSS_W
        return np.asarray(amplitude * (below + above))

    def _mass_at_unity(self) -> float:
        """Mass [Msun] beyond `log_m_max` from which the capped efficiency is 1."""
        start = self.log_m_max
        if start >= _LOG_HEAVIEST or self.log_efficiency(_LOG_HEAVIEST) <= 0.0:
            return float("inf")
        if self.log_efficiency(start) >= 0.0:
            return float(10.0**start)
        return float(10.0 ** brentq(lambda log_m: float(self.log_efficiency(log_m)), start, _LOG_HEAVIEST))

    def _refuse_extrapolation(self, mass: Floats) -> None:
        beyond = self.is_extrapolated(mass)
        if np.any(beyond):
            raise InputError(
                "halo mass",
                f"log M = {np.log10(np.max(mass)):.2f}",
                f"at most log M = {self.log_m_max:.2f}, where this double power law was sampled to",
                "ask for extrapolation to go on",
            )


@dataclass(frozen=True)
class EfficiencyEvolution:
    """Double power laws at a rising sequence of redshifts.

    Parameters are degenerate, so never interpolated: log eps at fixed mass is, linearly in redshift.
    """

    redshifts: tuple[float, ...]
    laws: tuple[DoublePowerLaw, ...]

    def __post_init__(self) -> None:
        if len(self.redshifts) != len(self.laws) or not self.laws:
            found = f"{len(self.redshifts)} redshifts, {len(self.laws)} laws"
            raise InputError("efficiency evolution", found, "one law for every redshift")
        if any(b <= a for a, b in zip(self.redshifts, self.redshifts[1:], strict=False)):
            raise InputError("efficiency evolution", f"redshifts {self.redshifts}", "rising redshifts")

    def at(self, redshift: float) -> DoublePowerLaw:
        """The law of a tabulated redshift; InputError between them."""
        for z, law in zip(self.redshifts, self.laws, strict=True):
            if abs(z - redshift) < 1e-9:
                return law
        known = ", ".join(f"{z:g}" for z in self.redshifts)
        raise InputError("redshift", f"{redshift:g}", f"one of {known}", "call with a mass to interpolate")

    def __call__(self, mass: ArrayLike, redshift: float, *, extrapolate: bool = False) -> Floats:
        """Efficiency at halo masses [Msun] and one redshift.

        Raises
        ------
        InputError
            The redshift lies outside the table, or a mass beyond what a law in use was sampled to
            and `extrapolate` is not asked for.
        """
        terms = self._terms(redshift)
        mass = positive("halo mass", mass)
        return np.asarray(np.exp(sum(w * np.log(law(mass, extrapolate=extrapolate)) for w, law in terms)))

    def is_extrapolated(self, mass: ArrayLike, redshift: float) -> Booleans:
        """Whether masses [Msun] lie beyond the sampled range of a law in use at this redshift."""
        return np.any([law.is_extrapolated(mass) for _, law in self._terms(redshift)], axis=0)

    def _terms(self, redshift: float) -> Sequence[tuple[float, DoublePowerLaw]]:
        """The one or two laws in use, with their weights."""
        z = np.asarray(self.redshifts)
        if not z[0] <= redshift <= z[-1]:
            raise InputError("redshift", f"{redshift:g}", f"{z[0]:g} to {z[-1]:g}, where there are fits")
        weights = [float(np.interp(redshift, z, unit)) for unit in np.eye(len(z))]
        return [(w, law) for w, law in zip(weights, self.laws, strict=True) if w > 0.0]
