"""What a change of convention multiplies: initial mass function and helium."""

from __future__ import annotations

from simpost.core.errors import InputError, nearest_name

# SFR and M_* relative to Salpeter: Madau & Dickinson (2014)
_MASS_PER_SALPETER_MASS = {"salpeter": 1.0, "kroupa": 0.67, "chabrier": 0.63}
HELIUM_FACTOR = 1.36  # gas mass with helium over mass of hydrogen


def imf_factor(found: str, wanted: str) -> float:
    """Factor from an SFR or stellar mass with IMF `found` to one with IMF `wanted`.

    Known are salpeter (1), kroupa (0.67) and chabrier (0.63), of Madau & Dickinson (2014).

    Raises
    ------
    InputError
        For an unknown IMF.
    """
    for name in (found, wanted):
        if name not in _MASS_PER_SALPETER_MASS:
            raise InputError(
                "imf",
                repr(name),
                "an initial mass function simpost knows",
                nearest_name(name, list(_MASS_PER_SALPETER_MASS)),
            )
    return _MASS_PER_SALPETER_MASS[wanted] / _MASS_PER_SALPETER_MASS[found]


def helium_factor(found: bool, wanted: bool) -> float:
    """Factor from a gas mass that includes helium or not (`found`) to one that does or not (`wanted`)."""
    return HELIUM_FACTOR ** (int(wanted) - int(found))
