"""The built-in slab model: [CII] 158 um and [OI] 63 um of a one-dimensional photodissociation region.

A slab of constant density n (H nuclei), lit on one face by a far-ultraviolet field G0, in static
thermal, ionisation and chemical equilibrium at each depth. Optionally an ionised layer lies in front
of it. Photons that leave backwards escape like those that leave forwards, so the cumulative line flux
F(N) is int 4 pi j dz with the escape probability of the front included.

Sources: dust heating Bakes & Tielens 1994 as in Wolfire+2003 (phi_PAH = 0.5); cosmic rays
zeta = 2e-16 /s and their heating, [OI] collisions Draine 2011; H2 shielding Draine & Bertoldi 1996
(b = 3 km/s); CO scheme Nelson & Langer 1997; C+ recombination Badnell 2003, 2006; grain recombination
Weingartner & Draine 2001b; [CII] Goldsmith+2012, Wiesenfeld & Goldsmith 2014; abundances Asplund+2009
times Z without depletion; ionised column Ferrara+2019.

Where it is weak: H2, CO and [CI] cooling, H2 pumping and line heating are left out. Against the
Wolfire-Kaufman 2020 models at Z = 1 the [CII] intensity agrees within 0.2 dex for n = 10-1e5 cm^-3 and
G0 = 1-1e4, except at n >= 1e5 with G0 <= 10, where it is up to 2 dex high while the line is negligible.
Face temperatures are 3-40 % low for G0/n <= 10 at n <= 1e4 and factors of 2-9 low for G0/n >= 100 at
n = 1e2-1e3 and for n >= 1e5 with G0 >= 1e3. [OI] 63 um is within 0.4 dex for G0 >= 10 and unusable
at G0 = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simpost.core.constants import C_LIGHT, HABING_FLUX
from simpost.core.errors import InputError
from simpost.emission.lines import CII, OI_63

Array = NDArray[np.float64]

LOG_COLUMN_RANGE = (16.0, 24.0)
DEFAULT_COLUMNS = 401  # fluxes within 1.1 % of the converged ones


@dataclass(frozen=True)
class SlabModel:
    """Depth profile of one slab; all arrays have the shape of `column`.

    Attributes
    ----------
    n_H, z_solar, g0, ionising
        Input: cm^-3, solar, Habing, whether an ionised layer lies in front.
    column : array
        Hydrogen column from the face [cm^-2], ascending.
    flux : dict of array
        Cumulative line emission F(N) [erg/s/cm^2] by line label.
    n_cplus : array
        Cumulative C+ column [cm^-2].
    temperature, x2 : array
        Gas temperature [K] and H2 molecules per H nucleus of the depth cell that ends at `column`.
    t_cii, c_cii : array
        [CII]-weighted means from the face to `column`: temperature [K] and de-excitation rate over
        density, C/n [cm^3/s].
    """

    n_H: float  # noqa: N815
    z_solar: float
    g0: float
    ionising: bool
    column: Array
    flux: dict[str, Array]
    n_cplus: Array
    temperature: Array
    x2: Array
    t_cii: Array
    c_cii: Array


def slab_model(
    n_H: float, z_solar: float, g0: float, ionising: bool, n_columns: int = DEFAULT_COLUMNS
) -> SlabModel:
    """Solve one slab on `n_columns` depths equally spaced in log N from 1e16 to 1e24 cm^-2.

    Parameters
    ----------
    n_H : float
        Density of hydrogen nuclei [cm^-3], 1e-6 to 1e9.
    z_solar : float
        Metallicity [solar, Z/0.0134], above zero and at most 20.
    g0 : float
        Field at the face, 6-13.6 eV [Habing], at least zero.
    ionising : bool
        Whether the field has photons beyond 13.6 eV, which make an ionised layer in front.
    n_columns : int
        At least 400; 401 gives fluxes to 1.1 %, temperatures at log N = 22 to 5 %; 1601 to 0.15 and 0.8 %.

    Raises
    ------
    InputError
        A number is outside the range given above.
    """
    if n_columns < 400:
        raise InputError("n_columns", str(n_columns), "at least 400 depths")
    return solve_slab(n_H, z_solar, g0, ionising, np.logspace(*LOG_COLUMN_RANGE, n_columns))


def solve_slab(n_H: float, z_solar: float, g0: float, ionising: bool, column: Array) -> SlabModel:
    """Solve one slab at the given ascending columns [cm^-2]; see `slab_model`."""
    from simpost.emission.slab_kernels import slab_profile

    _check("n_H", n_H, 1e-6, 1e9, "cm^-3")
    _check("z_solar", z_solar, 1e-8, 20.0, "solar")
    _check("g0", g0, 0.0, 1e9, "Habing")
    column = np.ascontiguousarray(column, dtype=float)
    profiles = np.empty((7, column.size))
    slab_profile(float(n_H), float(z_solar), float(g0), bool(ionising), column, *profiles)
    f_cii, f_oi, n_cplus, temperature, x2, t_cii, c_cii = profiles
    flux = {CII: f_cii, OI_63: f_oi}
    return SlabModel(n_H, z_solar, g0, ionising, column, flux, n_cplus, temperature, x2, t_cii, c_cii)


def ionisation_parameter(n_H: float, g0: float) -> float:
    """U = F_ion/(n c) of a field with 1e10 ionising photons per erg of 6-13.6 eV.

    The ratio is that of continuous star formation over about 10 Myr (Ferrara+2019 imply 0.9-1.5e10).
    """
    from simpost.emission.slab_kernels import PHOTONS_PER_ERG

    return HABING_FLUX * g0 * PHOTONS_PER_ERG / (n_H * C_LIGHT)


def ionised_column(n_H: float, z_solar: float, g0: float) -> float:
    """Column of the ionised layer N_i [cm^-2], dust absorption included (Ferrara+2019 eq. 14)."""
    from simpost.emission.slab_kernels import ionised_layer

    return float(ionised_layer(n_H, z_solar, g0)[0])


def _check(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise InputError(name, f"{value:g} {unit}", f"{low:g} to {high:g} {unit}")
