"""Formulae of the relations in `simpost/data/relations.yaml`: functions of x and named coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simpost.analysis.turbulent_equilibrium import star_formation_surface_density
from simpost.ism.arrays import Floats


@dataclass(frozen=True)
class Form:
    """A formula y(x, coefficients), the coefficients it needs and those it can do without."""

    evaluate: Callable[[Floats, dict[str, float]], Floats]
    needed: frozenset[str]
    optional: frozenset[str] = frozenset()
    needs_age: bool = False


def _power_law(x: Floats, c: dict[str, float]) -> Floats:
    """Log y = zero + slope (log x - pivot)."""
    return np.asarray(10.0 ** (c["zero"] + c["slope"] * (np.log10(x) - c.get("pivot", 0.0))))


def _broken_power_law(x: Floats, c: dict[str, float]) -> Floats:
    """Two power laws that meet, or jump, at a threshold in x."""
    below = 10.0 ** (c["zero_below"] + c["slope_below"] * np.log10(x))
    above = 10.0 ** (c["zero_above"] + c["slope_above"] * np.log10(x))
    return np.where(x < c["threshold"], below, above)


def _depletion_time(x: Floats, c: dict[str, float]) -> Floats:
    """Sigma_SFR [Msun/yr/kpc^2] of gas [Msun/pc^2] that lasts `depletion_time` [Gyr]."""
    return np.asarray(1e-3 * x / c["depletion_time"])


def _turbulent_equilibrium(x: Floats, c: dict[str, float]) -> Floats:
    """Sigma_SFR = 4 G Sigma^2 / (f P/m): Shen+2025, eqs 11 and 12; P/m in km/s."""
    return star_formation_surface_density(x, c["momentum_per_mass"], c["fudge"])


def _main_sequence(x: Floats, c: dict[str, float]) -> Floats:
    """Log SFR = (slope + slope_per_gyr t) log M_* + zero + zero_per_gyr t."""
    gyr = 1e-3 * c["age"]
    slope = c["slope"] + c["slope_per_gyr"] * gyr
    return np.asarray(10.0 ** (slope * np.log10(x) + c["zero"] + c["zero_per_gyr"] * gyr))


def _constant(x: Floats, c: dict[str, float]) -> Floats:
    return np.full_like(x, c["value"])


def _efficiency_peak(x: Floats, c: dict[str, float]) -> Floats:
    """Norm / ((M/M0)^slope_one + (M/M0)^slope_two)."""
    ratio = x / 10.0 ** c["log_mass"]
    return np.asarray(c["norm"] / (ratio ** c["slope_one"] + ratio ** c["slope_two"]))


def _softened_break(x: Floats, c: dict[str, float]) -> Floats:
    """Two power laws in log-log that pass softly into each other over `width` dex (Feldmann+2024)."""
    distance = np.log10(x) - c["log_mass"]
    bend = c["width"] * (np.logaddexp(0.0, distance / c["width"]) - np.log(2.0))
    log_y = c["zero"] + c["slope_below"] * distance + (c["slope_above"] - c["slope_below"]) * bend
    return np.asarray(10.0**log_y)


FORMS = {
    "power_law": Form(_power_law, frozenset({"slope", "zero"}), frozenset({"pivot"})),
    "broken_power_law": Form(
        _broken_power_law,
        frozenset({"threshold", "slope_below", "slope_above", "zero_below", "zero_above"}),
    ),
    "depletion_time": Form(_depletion_time, frozenset({"depletion_time"})),
    "turbulent_equilibrium": Form(_turbulent_equilibrium, frozenset({"fudge", "momentum_per_mass"})),
    "main_sequence": Form(
        _main_sequence, frozenset({"slope", "slope_per_gyr", "zero", "zero_per_gyr"}), needs_age=True
    ),
    "constant": Form(_constant, frozenset({"value"})),
    "efficiency_peak": Form(_efficiency_peak, frozenset({"norm", "log_mass", "slope_one", "slope_two"})),
    "softened_break": Form(
        _softened_break, frozenset({"zero", "log_mass", "slope_below", "slope_above", "width"})
    ),
}
