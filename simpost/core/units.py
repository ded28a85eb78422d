"""The one internal unit system and its conversion factors to CGS.

Inside simpost every array is a plain float64 array in these units:

    length kpc, mass Msun, velocity km/s, time Myr, temperature K, number density cm^-3,
    column cm^-2, luminosity Lsun, FUV field Habing (G0), photon flux 1/s/cm^2.

`quantity` attaches a unit at a public door.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from simpost.core import constants as c

if TYPE_CHECKING:
    import unyt
    from numpy.typing import ArrayLike

LENGTH = "kpc"
MASS = "Msun"
VELOCITY = "km/s"
TIME = "Myr"
TEMPERATURE = "K"
NUMBER_DENSITY = "cm**-3"
COLUMN_DENSITY = "cm**-2"
LUMINOSITY = "Lsun"
SURFACE_DENSITY = "Msun/kpc**2"
SURFACE_BRIGHTNESS = "Lsun/kpc**2"
SFR = "Msun/yr"
SFR_SURFACE_DENSITY = "Msun/yr/kpc**2"
HABING = "habing"  # G0; dimensionless for unyt
DIMENSIONLESS = "dimensionless"

MASS_DENSITY_CGS = c.M_SUN / c.KPC**3  # g/cm^3 in 1 Msun/kpc^3
HYDROGEN_PER_MSUN = c.M_SUN / c.M_H  # hydrogen atoms in 1 Msun of pure hydrogen
G_INTERNAL = c.G_NEWTON * c.M_SUN / c.KPC / c.KM**2  # kpc (km/s)^2 / Msun

# Our own registry: the constants of `core.constants`, whatever a library's registry holds.
_UNIT_CGS = {
    "pc": c.PC,
    "kpc": c.KPC,
    "Mpc": 1e3 * c.KPC,
    "Msun": c.M_SUN,
    "km/s": c.KM,
    "yr": c.YEAR,
    "kyr": 1e3 * c.YEAR,
    "Myr": c.MYR,
    "Gyr": 1e3 * c.MYR,
    "Lsun": c.L_SUN,
}
UNITS_OF = {
    "length": {u: _UNIT_CGS[u] / c.KPC for u in ("pc", "kpc", "Mpc")},
    "mass": {"Msun": 1.0, "g": 1.0 / c.M_SUN},
    "velocity": {"km/s": 1.0, "cm/s": 1e-5, "m/s": 1e-3},
    "time": {u: _UNIT_CGS[u] / c.MYR for u in ("yr", "kyr", "Myr", "Gyr")},
    "temperature": {"K": 1.0},
    "number_density": {"cm^-3": 1.0, "cm**-3": 1.0, "1/cm^3": 1.0},
    "energy_ev": {"eV": 1.0},
}
INTERNAL_UNIT = {
    "length": LENGTH,
    "mass": MASS,
    "velocity": VELOCITY,
    "time": TIME,
    "temperature": TEMPERATURE,
    "number_density": "cm^-3",
    "energy_ev": "eV",
}


@cache
def _registry() -> Any:
    """Registry of unyt with our constants (its own solar luminosity is 2.6e-4 lower, for one)."""
    import unyt

    registry = unyt.UnitRegistry()
    for name, cgs in (
        ("pc", 1e-2 * c.PC),
        ("Msun", 1e-3 * c.M_SUN),
        ("Lsun", 1e-7 * c.L_SUN),
        ("yr", c.YEAR),
    ):
        registry.modify(name, cgs)  # unyt's base units are SI
    return registry


def quantity(values: ArrayLike, unit: str) -> unyt.unyt_array:
    """Attach `unit` to plain `values`; our `habing` is dimensionless for unyt."""
    import unyt

    return unyt.unyt_array(values, DIMENSIONLESS if unit == HABING else unit, registry=_registry())
