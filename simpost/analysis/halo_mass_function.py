"""Comoving abundance of dark-matter haloes over mass, through colossus.

`behroozi13` is Tinker+2008 (200 times the mean density) with the high-redshift correction of
Behroozi+2013, appendix G, which multiplies the cumulative function; `tinker08` is for M_200c, the mass
of Shen+2025; `sheth99` is Sheth & Tormen (1999), two to five times above both at z = 12. The transfer
function is Eisenstein & Hu (1998). All are used far beyond the redshifts they were measured at.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from scipy.integrate import cumulative_simpson

from simpost.analysis.halo import baryon_fraction
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.ism.arrays import Floats, choice, finite, positive, shaped

# Planck 2016, as in Shen+2025
SIGMA_8 = 0.8159
SPECTRAL_INDEX = 0.9667

# Model: name in colossus, mass definition. Tinker+2008 starts at 200 times the mean density, so colossus
# refuses it for virial masses above z of about 1.
_MODELS = {
    "behroozi13": ("tinker08", "200m"),
    "tinker08": ("tinker08", "200c"),
    "sheth99": ("sheth99", "fof"),
}
MODEL_NAMES = tuple(_MODELS)

_LOG_MASS_LIMITS = (4.0, 16.0)
_REDSHIFT_LIMIT = 30.0
_LOG_HEAVIEST = 18.0  # upper end of the cumulative function; nothing is left there
_CUMULATIVE_STEP = 2e-3  # dex, largest
_colossus_lock = threading.Lock()

_Settings = tuple[Cosmology, float, float, bool]  # sigma_8, spectral index, relativistic species


@dataclass(frozen=True, eq=False)
class HaloMassFunction:
    """Abundance of haloes on a grid of masses at one redshift, with all that it depends on.

    Attributes
    ----------
    log_mass : (n,) array
        log10 of halo mass [Msun], rising; n >= 2.
    abundance : (n,) array
        dn/dlog10 M, comoving [Mpc^-3 dex^-1].
    redshift : float
    cosmology : Cosmology
    model, mass_definition : str
        E.g. `behroozi13`, `200m`; a table of one's own may carry any names.
    sigma_8, spectral_index : float
        Of the matter power spectrum; NaN where unknown.
    relativistic_species : bool
        Whether the growth factor knows radiation and neutrinos.
    library : str
        What computed it, with its version.
    """

    log_mass: Floats
    abundance: Floats
    redshift: float
    cosmology: Cosmology
    model: str = "user"
    mass_definition: str = "unknown"
    sigma_8: float = float("nan")
    spectral_index: float = float("nan")
    relativistic_species: bool = False
    library: str = "none"

    def __post_init__(self) -> None:
        log_mass = finite("halo mass function, log_mass", shaped("log_mass", self.log_mass, None))
        abundance = shaped("halo mass function, abundance", self.abundance, len(log_mass))
        if len(log_mass) < 2 or np.any(np.diff(log_mass) <= 0.0):
            raise InputError("halo mass function", "masses that do not rise", "two or more rising masses")
        object.__setattr__(self, "log_mass", log_mass)
        object.__setattr__(self, "abundance", positive("halo mass function, abundance", abundance, True))


def halo_mass_function(
    redshift: float,
    cosmology: Cosmology,
    *,
    model: str = "behroozi13",
    log_mass_min: float = 8.0,
    log_mass_max: float = 14.0,
    step: float = 0.01,
    sigma_8: float = SIGMA_8,
    spectral_index: float = SPECTRAL_INDEX,
    relativistic_species: bool = True,
) -> HaloMassFunction:
    """Halo mass function on an even grid of log10 mass.

    Parameters
    ----------
    redshift : float
        0 to 30.
    cosmology : Cosmology
        Must state Omega_b (for the transfer function).
    model : str
        `behroozi13` (default, that of Shen+2024b), `tinker08` (M_200c) or `sheth99` (friends of friends).
    log_mass_min, log_mass_max : float
        log10 of halo masses [Msun], within 4 to 16; defaults 8 and 14.
    step : float
        Of the grid [dex]; default 0.01. The last mass is the last whole step.
    sigma_8, spectral_index : float
        Defaults 0.8159 and 0.9667 (Planck 2016, as Shen+2025).
    relativistic_species : bool
        Radiation and neutrinos in the growth factor, taken from Omega_Lambda where the cosmology is
        flat; default True, colossus' own. False lowers n at z = 12 by 1.5 to 8 % (1e9 to 1e12 Msun).

    Raises
    ------
    InputError
        Unknown model, numbers out of range, no Omega_b, or colossus not installed.
    """
    choice("halo mass function", model, MODEL_NAMES)
    _check_range(redshift, log_mass_min, log_mass_max, step)
    baryon_fraction(cosmology)  # refuses a cosmology without Omega_b
    if not (0.0 < sigma_8 < 2.0 and 0.0 < spectral_index < 2.0):
        raise InputError(
            "power spectrum", f"sigma_8 = {sigma_8:g}, n_s = {spectral_index:g}", "both in (0, 2)"
        )
    library = f"colossus {_colossus_version()}"
    name, mass_definition = _MODELS[model]
    n_masses = int(np.floor((log_mass_max - log_mass_min) / step + 1e-9)) + 1
    log_mass = log_mass_min + step * np.arange(n_masses, dtype=np.float64)
    settings: _Settings = (cosmology, sigma_8, spectral_index, relativistic_species)
    if model == "behroozi13":
        abundance = _behroozi13(log_mass, step, redshift, settings)
    else:
        abundance = _colossus_abundance(log_mass, redshift, name, mass_definition, settings)
    return HaloMassFunction(
        log_mass,
        abundance,
        redshift,
        cosmology,
        model,
        mass_definition,
        sigma_8,
        spectral_index,
        relativistic_species,
        library,
    )


def _check_range(redshift: float, log_mass_min: float, log_mass_max: float, step: float) -> None:
    if not 0.0 <= redshift <= _REDSHIFT_LIMIT:
        raise InputError("halo mass function, redshift", f"{redshift:g}", f"0 to {_REDSHIFT_LIMIT:g}")
    low, high = _LOG_MASS_LIMITS
    if not low <= log_mass_min < log_mass_max <= high:
        found = f"log10 from {log_mass_min:g} to {log_mass_max:g}"
        raise InputError("halo mass function, masses", found, f"a range within {low:g} to {high:g}")
    if not 1e-5 <= step <= log_mass_max - log_mass_min:
        raise InputError("halo mass function, step", f"{step:g} dex", "1e-5 to the width of the range")


def _behroozi13(log_mass: Floats, step: float, redshift: float, settings: _Settings) -> Floats:
    """Tinker+2008 with n(>M) multiplied by 10^theta, differentially (Behroozi+2013, eqs G1 to G3)."""
    refine = int(np.ceil(step / _CUMULATIVE_STEP))
    n_fine = refine * int(np.ceil((_LOG_HEAVIEST - log_mass[0]) / step))
    fine = log_mass[0] + step / refine * np.arange(n_fine + 1)
    tinker = _colossus_abundance(fine, redshift, *_MODELS["behroozi13"], settings)
    # summed from the heavy end, where it is smallest
    heavier = cumulative_simpson(tinker[::-1], dx=step / refine, initial=0.0)[::-1]
    here = slice(0, refine * len(log_mass), refine)
    a = 1.0 / (1.0 + redshift)
    power = 0.5 / (1.0 + np.exp(6.5 * a))
    theta = 0.144 / (1.0 + np.exp(14.79 * (a - 0.213))) * 10.0 ** (power * (log_mass - 11.5))
    # d theta / d log10 M = ln10 power theta, d 10^theta = ln10 10^theta d theta
    slope = np.log(10.0) ** 2 * power * theta
    return np.asarray(10.0**theta * (tinker[here] - slope * heavier[here]))


def _colossus_abundance(
    log_mass: Floats,
    redshift: float,
    name: str,
    mass_definition: str,
    settings: _Settings,
) -> Floats:
    """dn/dlog10 M [Mpc^-3 dex^-1]; colossus counts in Msun/h, (Mpc/h)^-3 and ln M."""
    from colossus.lss import mass_function

    h = settings[0].h0 / 100.0
    try:
        with _colossus_set_to(_colossus_cosmology(*settings)):
            per_ln_mass = mass_function.massFunction(
                h * 10.0**log_mass, redshift, mdef=mass_definition, model=name, q_out="dndlnM"
            )
    except Exception as error:  # colossus raises no other kind
        raise InputError("colossus", str(error), "a cosmology and masses it can do") from error
    return np.asarray(per_ln_mass * h**3 * np.log(10.0))


@contextmanager
def _colossus_set_to(ours: Any) -> Iterator[None]:
    """Use our cosmology in colossus, whose choice is global, and put the user's back."""
    from colossus.cosmology import cosmology

    with _colossus_lock:
        before = cosmology.current_cosmo
        cosmology.setCurrent(ours)
        try:
            yield
        finally:
            cosmology.setCurrent(before)


@cache
def _colossus_cosmology(
    cosmology: Cosmology, sigma_8: float, spectral_index: float, relativistic_species: bool
) -> Any:
    from colossus.cosmology.cosmology import Cosmology as ColossusCosmology

    flat = abs(cosmology.omega_k) < 1e-8
    return ColossusCosmology(
        name="simpost",
        flat=flat,
        H0=cosmology.h0,
        Om0=cosmology.omega_m,
        Ode0=None if flat else cosmology.omega_lambda,
        Ob0=cosmology.omega_b,
        sigma8=sigma_8,
        ns=spectral_index,
        relspecies=relativistic_species,
        persistence="",  # else it writes tables to the home directory
    )


def _colossus_version() -> str:
    """Version of the installed colossus; InputError if there is none."""
    try:
        return version("colossus")
    except PackageNotFoundError:
        raise InputError(
            "halo mass function", "no colossus", "a dependency of simpost", "pip install colossus"
        ) from None
