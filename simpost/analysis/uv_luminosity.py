"""UV luminosity function from halo abundance, halo growth and halo-scale efficiency.

The framework of Shen+2023 and Shen+2024b as used by Shen+2025, section 5.3:
SFR = eps f_b dM_halo/dt, M_UV from the SFR, dust on the median, and a Gaussian of width sigma_UV(M)
around it: phi(M_UV) = int n(log M) N(M_UV; m(M), sigma(M)) dlog M.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from simpost.analysis.accretion import accretion_rate
from simpost.analysis.double_power_law import DoublePowerLaw
from simpost.analysis.efficiency_models import EfficiencyModel, efficiency_model
from simpost.analysis.halo import baryon_fraction
from simpost.analysis.halo_mass_function import HaloMassFunction
from simpost.analysis.ultraviolet import (
    DUST_REDSHIFT_LIMIT,
    LinearScatter,
    PowerLawScatter,
    Scatter,
    UVCalibration,
    attenuated_magnitude,
    calibration_of,
    uv_magnitude,
)
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.ism.arrays import Booleans, Floats, choice, finite, positive, shaped

LOWEST_MASSES = 0.5  # dex of the mass grid whose share tells whether its lower end matters


@dataclass(frozen=True)
class UVModel:
    """How haloes shine; the defaults are those of Shen+2025 and the public code of Shen+2024b.

    Parameters
    ----------
    efficiency : str, EfficiencyModel, DoublePowerLaw or callable
        See `efficiency_model`; default `shen25`, the row of Table 3 for the redshift. Shen+2025 take
        that of z = 12 at z = 14 too: `shen2025.efficiency_evolution().at(12)` (within 0.08 dex in phi).
    log_mass_cap : float, optional
        log10 of the halo mass [Msun] beyond which the efficiency is constant (never above 1).
        Shen+2025: 10, and 12 for their extrapolation, at z = 12 and 14. Must be given where the
        efficiency was measured up to some mass only; default: no cap.
    accretion : str
        See `accretion_rate`; default `rp16_dyn`.
    calibration : str or UVCalibration
        See `CALIBRATIONS`; default `madau14_chabrier`.
    dust : str
        `shen23` (default; see `attenuated_magnitude`, none above z = 10) or `none`.
    scatter : callable
        log10 halo mass to sigma_UV [mag]: `LinearScatter()` (default), `PowerLawScatter`,
        `ConstantScatter` or any other.
    centre : str
        What the efficiency gives: `median` (default) the median magnitude, so that scatter adds
        light; `mean_luminosity` the mean, which makes the median 0.4605 sigma^2 mag fainter (before dust).
    """

    efficiency: str | EfficiencyModel | DoublePowerLaw | Callable[[Floats], ArrayLike] = "shen25"
    log_mass_cap: float | None = None
    accretion: str = "rp16_dyn"
    calibration: str | UVCalibration = "madau14_chabrier"
    dust: str = "shen23"
    scatter: Scatter = field(default_factory=LinearScatter)
    centre: str = "median"

    def __post_init__(self) -> None:
        choice("dust", self.dust, ("shen23", "none"))
        choice("centre", self.centre, ("median", "mean_luminosity"))
        calibration_of(self.calibration)
        if self.log_mass_cap is not None:
            finite("log_mass_cap", self.log_mass_cap)


@dataclass(frozen=True, eq=False)
class HaloLight:
    """What a `UVModel` gives haloes of one redshift; arrays of shape (n,).

    Attributes
    ----------
    mass : halo mass [Msun]
    efficiency : eps, with cap and limit 1, in the source's own IMF
    extrapolated : whether the mass lies beyond those the efficiency was measured at
    imf_factor : float, from the efficiency's IMF to that of the UV calibration
    sfr : star-formation rate [Msun/yr], in the IMF of the calibration
    magnitude : median M_UV without dust
    observed_magnitude : median M_UV with dust
    sigma : scatter of M_UV [mag]
    dust_applied : bool
    """

    mass: Floats
    efficiency: Floats
    extrapolated: Booleans
    imf_factor: float
    sfr: Floats
    magnitude: Floats
    observed_magnitude: Floats
    sigma: Floats
    dust_applied: bool


@dataclass(frozen=True, eq=False)
class UVLuminosityFunction:
    """Luminosity function with all that went into it.

    Attributes
    ----------
    magnitudes : (m,) array
        M_UV [AB mag].
    phi : (m,) array
        Comoving number density [Mpc^-3 mag^-1].
    share_extrapolated : (m,) array
        Share of phi from haloes heavier than any the efficiency was measured at (NaN where phi is 0).
    share_lowest_masses : (m,) array
        Share of phi from the lowest 0.5 dex of the masses; where it is not small, phi hangs on the
        smallest mass of the grid.
    haloes : HaloLight
        On the grid of masses that was integrated over.
    model : UVModel
    mass_function : HaloMassFunction
    """

    magnitudes: Floats
    phi: Floats
    share_extrapolated: Floats
    share_lowest_masses: Floats
    haloes: HaloLight
    model: UVModel
    mass_function: HaloMassFunction

    @property
    def log_phi(self) -> Floats:
        """log10 phi [Mpc^-3 mag^-1]; -inf where there is nothing."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log10(self.phi))


def halo_light(model: UVModel, mass: ArrayLike, redshift: float, cosmology: Cosmology) -> HaloLight:
    """Star formation and UV light of haloes.

    Parameters
    ----------
    model : UVModel
    mass : (n,) array
        Halo masses [Msun].
    redshift : float
    cosmology : Cosmology
        Must state Omega_b.

    Raises
    ------
    InputError
        Masses beyond those the efficiency was measured at, without `log_mass_cap`; and what the
        parts of the model refuse.
    """
    mass = positive("halo mass", shaped("halo mass", mass, None))
    source = efficiency_model(model.efficiency, redshift, cosmology)
    extrapolated = source.is_extrapolated(mass)
    if model.log_mass_cap is None and np.any(extrapolated):
        raise InputError(
            f"efficiency {source.name}, log_mass_cap",
            "none",
            "a mass from where on the efficiency is constant, as it was measured in lighter haloes only",
            "e.g. 10 (Shen+2025 at z = 12) or 12 (their extrapolation)",
        )
    cap = np.inf if model.log_mass_cap is None else model.log_mass_cap
    efficiency = np.minimum(source(mass, cap), 1.0)
    calibration = calibration_of(model.calibration)
    factor = source.imf_factor_to(calibration.imf)
    growth = accretion_rate(model.accretion, mass, redshift, cosmology)
    sfr = factor * efficiency * baryon_fraction(cosmology) * growth
    sigma = _scatter(model.scatter, np.log10(mass))
    magnitude = uv_magnitude(sfr, calibration)
    if model.centre == "mean_luminosity":  # a log-normal's mean is exp(s^2/2) times its median
        magnitude = magnitude + 0.2 * np.log(10.0) * sigma**2
    dusty = model.dust == "shen23" and redshift <= DUST_REDSHIFT_LIMIT
    observed = attenuated_magnitude(magnitude, redshift) if dusty else magnitude
    return HaloLight(mass, efficiency, extrapolated, factor, sfr, magnitude, observed, sigma, dusty)


def uv_luminosity_function(
    magnitudes: ArrayLike, model: UVModel, mass_function: HaloMassFunction
) -> UVLuminosityFunction:
    """UV luminosity function at the redshift and in the cosmology of the halo mass function.

    Parameters
    ----------
    magnitudes : (m,) array
        M_UV [AB mag].
    model : UVModel
    mass_function : HaloMassFunction
        Its masses are the limits of the integral (default of `halo_mass_function`: 1e8 to 1e14 Msun in
        steps of 0.01 dex). With `PowerLawScatter` they are cut at its `log_mass_min`.

    Raises
    ------
    InputError
        A step in mass too coarse for the scatter, a smallest mass above that of the scatter, and what
        `halo_light` refuses.
    """
    magnitudes = finite("magnitudes", shaped("magnitudes", magnitudes, None))
    log_mass, abundance = _masses_in_use(mass_function, model.scatter)
    haloes = halo_light(model, 10.0**log_mass, mass_function.redshift, mass_function.cosmology)
    make = _contribution_without_scatter if np.all(haloes.sigma == 0.0) else _contribution_of_gaussians
    contribution = make(log_mass, abundance, haloes)
    lowest = log_mass < log_mass[0] + LOWEST_MASSES
    sums = np.empty((3, len(magnitudes)))
    for i, magnitude in enumerate(magnitudes):
        part = contribution(float(magnitude))
        sums[:, i] = part.sum(), part[haloes.extrapolated].sum(), part[lowest].sum()
    phi = sums[0]
    shares = np.divide(sums[1:], phi, out=np.full_like(sums[1:], np.nan), where=phi > 0.0)
    return UVLuminosityFunction(magnitudes, phi, shares[0], shares[1], haloes, model, mass_function)


def _masses_in_use(mass_function: HaloMassFunction, scatter: Scatter) -> tuple[Floats, Floats]:
    """Masses [log10 Msun] and abundances [Mpc^-3 dex^-1] to integrate over."""
    log_mass, abundance = mass_function.log_mass, mass_function.abundance
    if not isinstance(scatter, PowerLawScatter) or scatter.log_mass_min is None:
        return log_mass, abundance
    in_use = log_mass >= scatter.log_mass_min - 1e-9
    if log_mass[0] > scatter.log_mass_min + 1e-9 or np.count_nonzero(in_use) < 2:
        raise InputError(
            "halo mass function",
            f"masses from log10 {log_mass[0]:g} to {log_mass[-1]:g}",
            f"masses from the scatter's log_mass_min = {scatter.log_mass_min:g} on",
        )
    return log_mass[in_use], abundance[in_use]


def _scatter(scatter: Scatter, log_mass: Floats) -> Floats:
    """sigma_UV [mag] of every mass: all positive, or all zero."""
    sigma = positive("sigma_UV", shaped("sigma_UV", scatter(log_mass), len(log_mass)), zero_allowed=True)
    if np.any(sigma == 0.0) and np.any(sigma > 0.0):
        raise InputError("sigma_UV", "zero for some masses only", "positive for all, or zero for all")
    return sigma


_Contribution = Callable[[float], Floats]  # M_UV to what each mass adds to phi [Mpc^-3 mag^-1]


def _contribution_of_gaussians(log_mass: Floats, abundance: Floats, haloes: HaloLight) -> _Contribution:
    """Trapezoids in log M of n N(M_UV; m, sigma), good while the steps in m are below sigma."""
    step = np.diff(log_mass)
    centre, sigma = haloes.observed_magnitude, haloes.sigma
    too_far = np.abs(np.diff(centre)) / np.minimum(sigma[:-1], sigma[1:])
    if np.any(too_far > 1.0):
        raise InputError(
            "halo mass function, step",
            f"{step.max():.3g} dex, over which M_UV changes by up to {too_far.max():.3g} sigma_UV",
            f"at most {0.95 * step.max() / too_far.max():.2g} dex",
            "take smaller steps, or scatter=ConstantScatter(0) for none",
        )
    half = 0.5 * step
    weight = np.append(half, 0.0) + np.insert(half, 0, 0.0)
    amplitude = abundance * weight / (np.sqrt(2.0 * np.pi) * sigma)
    return lambda magnitude: amplitude * np.exp(-0.5 * ((magnitude - centre) / sigma) ** 2)


def _contribution_without_scatter(log_mass: Floats, abundance: Floats, haloes: HaloLight) -> _Contribution:
    """Abundance times |dlog M / dM_UV| where the median passes M_UV, at the heavier end of that step."""
    step, centre = np.diff(log_mass), haloes.observed_magnitude
    change = np.diff(centre)
    low, high = np.minimum(centre[:-1], centre[1:]), np.maximum(centre[:-1], centre[1:])

    def contribution(magnitude: float) -> Floats:
        at = np.flatnonzero((low <= magnitude) & (magnitude < high))
        t = (magnitude - centre[at]) / change[at]
        between = abundance[at] ** (1.0 - t) * abundance[at + 1] ** t
        part = np.zeros_like(log_mass)
        part[at + 1] = between * step[at] / np.abs(change[at])
        return part

    return contribution
