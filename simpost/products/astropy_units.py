"""Our unit names in astropy's and FITS' spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simpost.core import units as u

if TYPE_CHECKING:
    from astropy.units import UnitBase


def astropy_unit(unit: str) -> UnitBase:
    """Return the astropy unit of one of our unit names; Habing and no unit are dimensionless."""
    from astropy import units

    if unit in ("", u.DIMENSIONLESS, u.HABING):
        return units.dimensionless_unscaled
    # astropy refuses a name with two slashes, so each piece is parsed alone
    numerator, *denominators = unit.split("/")
    total = units.Unit(numerator)
    for denominator in denominators:
        total = total / units.Unit(denominator)
    return total


def fits_unit(unit: str) -> str:
    """Return the FITS-standard name of one of our units, e.g. `solMass kpc-2`; empty if dimensionless."""
    return str(astropy_unit(unit).to_string("fits"))
