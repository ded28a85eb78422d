"""Column of a cell as the line grid asks for it, and the dust that goes with it."""

from __future__ import annotations

import numpy as np

from simpost.core import constants as c
from simpost.core.units import G_INTERNAL
from simpost.ism.arrays import Booleans, Floats, Values, choice, fraction, positive, shaped
from simpost.ism.chemistry import sound_speed

COLUMN_METHODS = ("cell", "jeans", "cell_jeans", "sobolev")
DUST_MODELS = ("linear", "rr14")
DUST_TO_GAS_SOLAR = 1.0 / 162.0  # 10^2.21 at solar metallicity (Remy-Ruyer+2014)
OXYGEN_SOLAR_LOG = 8.69  # 12 + log(O/H) of Asplund+2009
_MSUN_PER_PC2 = c.M_SUN / c.PC**2  # g/cm^2


def cell_column(n_H: Values, size: Values) -> Floats:
    """N_H = n_H Dx [cm^-2] with n_H [cm^-3] and Dx [kpc] (leaf size, or V^(1/3) of a Voronoi cell)."""
    return positive("n_H", n_H, zero_allowed=True) * positive("size", size) * c.KPC


def jeans_length(temperature: Values, mu: Values, density: Values) -> Floats:
    """lambda_J = sqrt(pi gamma k T/(mu m_H G rho)) [kpc] with T [K], rho [Msun/kpc^3], gamma = 5/3."""
    speed = sound_speed(temperature, mu, "adiabatic")
    return speed * np.sqrt(np.pi / (G_INTERNAL * positive("density", density)))


def sobolev_length(density: Values, gradient: Values) -> tuple[Floats, Booleans]:
    """rho/|grad rho| [kpc] with rho (n,) [Msun/kpc^3] and grad rho (n, 3) [Msun/kpc^4].

    Returns
    -------
    length, undefined
        NaN, and True, where the gradient is NaN or zero: there is no scale length.
    """
    density = shaped("density", positive("density", density), None)
    slope = np.linalg.norm(shaped("density gradient", gradient, density.size, 3), axis=1)
    undefined = ~(slope > 0.0)
    return np.divide(density, slope, out=np.full(density.size, np.nan), where=~undefined), undefined


def hydrogen_column(
    method: str,
    n_H: Values,
    size: Values,
    *,
    jeans: Values | None = None,
    sobolev: Values | None = None,
) -> tuple[Floats, Booleans]:
    """Column of every cell N_H [cm^-2].

    Parameters
    ----------
    method : {"cell", "jeans", "cell_jeans", "sobolev"}
        n_H times the cell size (the default of the package), the Jeans length, the smaller of the
        two, or the density scale length.
    n_H, size : array (n,)
        [cm^-3], [kpc].
    jeans, sobolev : array (n,)
        Lengths [kpc] of `jeans_length` and `sobolev_length`, where the method needs them.

    Returns
    -------
    column, replaced
        `replaced` marks cells without a density scale length: they take the cell column.
    """
    choice("column", method, COLUMN_METHODS)
    column = cell_column(n_H, size)
    replaced = np.zeros(column.shape, dtype=bool)
    if method == "cell":
        return column, replaced
    if method == "sobolev":
        length = shaped("sobolev length", _needed(method, sobolev), *column.shape)
        replaced = ~np.isfinite(length)
        return np.where(replaced, column, positive("n_H", n_H, zero_allowed=True) * length * c.KPC), replaced
    of_jeans = cell_column(n_H, _needed(method, jeans))
    return (of_jeans if method == "jeans" else np.minimum(column, of_jeans)), replaced


def _needed(method: str, length: Values | None) -> Values:
    if length is None:
        from simpost.core.errors import InputError

        raise InputError(f"column: {method}", "no length", "the length this method multiplies n_H with")
    return length


def neutral_surface_density(column: Values, x_neutral: Values, X: Values = c.X_HYDROGEN) -> Floats:
    """Neutral gas with its helium [Msun/pc^2] in a hydrogen column [cm^-2], `x_neutral` of it neutral."""
    neutral = positive("column", column, zero_allowed=True) * fraction("neutral fraction", x_neutral)
    return neutral * c.M_H / (X * _MSUN_PER_PC2)


def dust_to_gas(z_solar: Values, model: str = "linear") -> Floats:
    """Dust-to-gas mass ratio of a metallicity in solar units.

    `linear`: Z_solar/162 (Vallini+2025 scale it linearly). `rr14`: the broken power law of
    Remy-Ruyer+2014, log G/D = 2.21 + (8.69 - x) above x = 12 + log(O/H) = 8.10 and
    0.96 + 3.10 (8.69 - x) below; the law as printed jumps by 0.01 dex there.
    """
    z_solar = positive("z_solar", z_solar, zero_allowed=True)
    if choice("dust", model, DUST_MODELS) == "linear":
        return DUST_TO_GAS_SOLAR * z_solar
    log_z = np.log10(z_solar, out=np.full(z_solar.shape, -np.inf), where=z_solar > 0.0)
    oxygen = OXYGEN_SOLAR_LOG + log_z
    gas_to_dust = np.where(oxygen > 8.10, 2.21 - log_z, 0.96 - 3.10 * log_z)
    return np.asarray(10.0**-gas_to_dust)
