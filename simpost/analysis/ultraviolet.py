"""UV light of star formation: calibration, dust, and how much it varies at fixed halo mass.

Magnitudes are AB at 1500 A: M = -2.5 log10(L_nu / (4 pi (10 pc)^2)) - 48.6 with L_nu in erg/s/Hz.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from simpost.analysis.conventions import imf_factor
from simpost.core import constants as const
from simpost.core.errors import InputError
from simpost.ism.arrays import Floats, choice, finite, positive

_AB_ZERO = -48.6
_SPHERE_10_PC = 4.0 * np.pi * (10.0 * const.PC) ** 2  # cm^2
_MADAU14 = 1.15e-28  # Msun/yr per erg/s/Hz, Salpeter
_NU_1500 = const.C_LIGHT / 1500e-8  # Hz


@dataclass(frozen=True)
class UVCalibration:
    """SFR = kappa L_nu.

    Parameters
    ----------
    kappa : float
        [Msun/yr/(erg/s/Hz)].
    imf : str, optional
        IMF of the SFR; None where unknown.
    source : str
    """

    kappa: float
    imf: str | None = None
    source: str = "user"

    def __post_init__(self) -> None:
        positive("UV calibration, kappa", self.kappa)
        if self.imf is not None:
            imf_factor(self.imf, self.imf)


CALIBRATIONS = {
    "madau14_chabrier": UVCalibration(0.63 * _MADAU14, "chabrier", "Madau & Dickinson 2014 x 0.63"),
    "madau14_kroupa": UVCalibration(0.67 * _MADAU14, "kroupa", "Madau & Dickinson 2014 x 0.67"),
    "madau14_salpeter": UVCalibration(_MADAU14, "salpeter", "Madau & Dickinson 2014"),
    "kennicutt12": UVCalibration(10**-43.35 * _NU_1500, "kroupa", "Kennicutt & Evans 2012, nu L_nu"),
    "kennicutt98": UVCalibration(1.4e-28, "salpeter", "Kennicutt 1998"),
}


def calibration_of(name: str | UVCalibration) -> UVCalibration:
    """One of `CALIBRATIONS` by its name; a calibration is passed through."""
    if isinstance(name, UVCalibration):
        return name
    return CALIBRATIONS[choice("UV calibration", name, tuple(CALIBRATIONS))]


def uv_magnitude(sfr: ArrayLike, calibration: str | UVCalibration = "madau14_chabrier") -> Floats:
    """Magnitude without dust of a star-formation rate [Msun/yr].

    The default calibration is that of Shen+2024b: -18.755 for 1 Msun/yr.
    """
    luminosity = positive("SFR", sfr) / calibration_of(calibration).kappa
    return np.asarray(-2.5 * np.log10(luminosity / _SPHERE_10_PC) + _AB_ZERO)


# --- dust, as in Shen+2023: Meurer+1999 with the UV slopes of Bouwens+2014 and Cullen+2023 ---

DUST_REDSHIFT_LIMIT = 10.0  # none beyond (public code of Shen+2024b)
_MEURER_ZERO, _MEURER_SLOPE = 4.43, 1.99
_SLOPE_PIVOT = -19.5  # mag
_UV_SLOPES = {4: (-0.11, -1.85), 5: (-0.14, -1.91), 6: (-0.20, -2.00), 7: (-0.20, -2.05)}  # Bouwens+2014
_UV_SLOPES_FROM_8 = (-0.17, -2.085)  # Cullen+2023
_FLOOR_SHARPNESS = 10.0  # 1/mag, public code of Shen+2024b


def attenuated_magnitude(magnitude: ArrayLike, redshift: float) -> Floats:
    """Observed magnitude of an intrinsic one, z >= 3.5; no dust above z = 10.

    A_1600 = 4.43 + 1.99 beta with beta = b0 + s (M_observed + 19.5) is solved for the observed
    magnitude, and passes softly into no attenuation where it would be negative (width 0.1 mag). The
    row of (s, b0) is that of the nearest whole redshift below 7.5, else that of z >= 8.

    Raises
    ------
    InputError
        z < 3.5, where there is no UV slope.
    """
    magnitude = finite("magnitude", magnitude)
    if not redshift >= 3.5:
        raise InputError("dust, redshift", f"{redshift:g}", "3.5 or more", "take dust='none'")
    if redshift > DUST_REDSHIFT_LIMIT:
        return magnitude
    slope, zero = _UV_SLOPES.get(int(np.floor(redshift + 0.5)), _UV_SLOPES_FROM_8)
    at_pivot = _MEURER_ZERO + _MEURER_SLOPE * (zero - slope * _SLOPE_PIVOT)
    observed = (magnitude + at_pivot) / (1.0 - _MEURER_SLOPE * slope)
    return np.asarray(
        magnitude + np.logaddexp(0.0, _FLOOR_SHARPNESS * (observed - magnitude)) / _FLOOR_SHARPNESS
    )


# --- scatter of M_UV at fixed halo mass ---

Scatter = Callable[[Floats], Floats]  # log10 halo mass [Msun] to sigma_UV [mag]


@dataclass(frozen=True)
class LinearScatter:
    """sigma_UV = sigma_pivot + slope (log M - log_mass_pivot), held within sigma_min and sigma_max [mag].

    The reading of "sigma_UV ~ M^(-1/3)" of Shen+2025 in which it reproduces their Fig. 14: a line in
    log M, as in Gelli+2024 and the public code of Shen+2024b (slope -0.34 per dex, at most 2 mag);
    0.8 mag at 10^10.5 Msun and at least 0.4 mag are Shen+2025's.
    """

    sigma_pivot: float = 0.8
    log_mass_pivot: float = 10.5
    slope: float = -0.34
    sigma_min: float = 0.4
    sigma_max: float = 2.0

    def __post_init__(self) -> None:
        _check_limits(self.sigma_min, self.sigma_max)

    def __call__(self, log_mass: Floats) -> Floats:
        """sigma_UV [mag] at log10 of halo masses [Msun]."""
        line = self.sigma_pivot + self.slope * (log_mass - self.log_mass_pivot)
        return np.clip(line, self.sigma_min, self.sigma_max)


@dataclass(frozen=True)
class PowerLawScatter:
    """sigma_UV = sigma_pivot (M/M_pivot)^slope, held within sigma_min and sigma_max [mag].

    The literal reading of Shen+2025. It is 5 mag at 1e8 Msun and 12 mag at 1e7, so that the luminosity
    function is made by the smallest haloes and means nothing without `sigma_max` and a smallest mass,
    `log_mass_min` [log10 Msun], below which haloes are left out; neither has a default.
    """

    sigma_max: float | None = None
    log_mass_min: float | None = None
    sigma_pivot: float = 0.8
    log_mass_pivot: float = 10.5
    slope: float = -1.0 / 3.0
    sigma_min: float = 0.4

    def __post_init__(self) -> None:
        for name, value in (("sigma_max", self.sigma_max), ("log_mass_min", self.log_mass_min)):
            if value is None or not np.isfinite(value):
                raise InputError(
                    "power-law sigma_UV",
                    f"no {name}",
                    "sigma_max and log_mass_min",
                    "or take the linear form",
                )
        _check_limits(self.sigma_min, float(self.sigma_max or 0.0))

    def __call__(self, log_mass: Floats) -> Floats:
        """sigma_UV [mag] at log10 of halo masses [Msun]."""
        power = self.sigma_pivot * 10.0 ** (self.slope * (log_mass - self.log_mass_pivot))
        return np.clip(power, self.sigma_min, self.sigma_max)


@dataclass(frozen=True)
class ConstantScatter:
    """The same sigma_UV [mag] for every halo; 0 gives the luminosity function without scatter."""

    sigma: float

    def __post_init__(self) -> None:
        positive("sigma_UV", self.sigma, zero_allowed=True)

    def __call__(self, log_mass: Floats) -> Floats:
        """sigma_UV [mag] at log10 of halo masses [Msun]."""
        return np.full_like(log_mass, self.sigma)


def _check_limits(low: float, high: float) -> None:
    if not 0.0 <= low <= high < np.inf:
        raise InputError("sigma_UV", f"limits {low:g} and {high:g} mag", "0 <= sigma_min <= sigma_max")
