"""UV luminosity functions with published efficiencies and with those of the set."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from simpost.analysis.double_power_law import DoublePowerLaw
from simpost.analysis.halo_mass_function import halo_mass_function
from simpost.analysis.shen2025 import cosmology, efficiency_evolution
from simpost.analysis.simulation_sets import EfficiencyFit, UVCurve
from simpost.analysis.ultraviolet import ConstantScatter, LinearScatter, PowerLawScatter, Scatter
from simpost.analysis.uv_luminosity import UVModel, uv_luminosity_function
from simpost.config.shen2025 import UVLuminosityConfig
from simpost.core.errors import InputError, SimpostError

MAGNITUDES = np.arange(-24.0, -15.99, 0.25)
HIGHEST_TABLE = 12.0  # S25 section 5.3: the fit of z = 12 stands for z = 14, too
LAST_TABLE = 14.0  # redshift of the last row


def luminosity_functions(
    options: UVLuminosityConfig, fits: list[EfficiencyFit], notes: list[str], failures: list[str]
) -> list[UVCurve]:
    """Curves of every redshift: Table 3 of Shen+2025 with each cap, `canonical`, and the set's own fit.

    The cosmology is Shen+2025's, whatever that of the runs. A redshift that fails is a line in `failures`.
    """
    curves: list[UVCurve] = []
    for redshift in options.redshifts:
        try:
            curves += _of_redshift(redshift, options, fits)
        except SimpostError as error:
            failures.append(f"UV luminosity function at z = {redshift:g}: {error}")
        else:
            if redshift > LAST_TABLE:
                beyond = f"beyond the fits of efficiency, which end at z = {LAST_TABLE:g}"
                notes.append(f"UV luminosity function at z = {redshift:g}: {beyond}")
    return curves


def _of_redshift(redshift: float, options: UVLuminosityConfig, fits: list[EfficiencyFit]) -> list[UVCurve]:
    abundance = halo_mass_function(redshift, cosmology(), model=options.mass_function)
    curves = []
    for label, efficiency, cap in _models(redshift, options, fits):
        model = UVModel(
            efficiency=efficiency,
            log_mass_cap=cap,
            accretion=options.accretion,
            dust=options.dust,
            scatter=_scatter(options),
            centre=options.centre,
        )
        curves.append(UVCurve(label, redshift, uv_luminosity_function(MAGNITUDES, model, abundance)))
    return curves


def _models(
    redshift: float, options: UVLuminosityConfig, fits: list[EfficiencyFit]
) -> Iterable[tuple[str, DoublePowerLaw | str, float | None]]:
    """Label, efficiency and cap of each curve."""
    at, efficiency, sampled = _published(redshift)
    for cap in dict.fromkeys(max(cap, sampled) for cap in sorted(options.log_mass_caps)):
        yield f"Shen+2025, Table 3 at z = {at:g}, constant above 10^{cap:g} Msun", efficiency, cap
    yield "canonical (Shen+2024b)", "canonical", None
    if not options.own_fit:
        return
    for fit in fits:
        if fit.fit is not None and fit.redshift == redshift:
            limit = fit.fit.law.log_m_max
            yield f"own fit, {fit.variant}, constant above 10^{limit:.4g} Msun", fit.fit.law, limit


def _published(redshift: float) -> tuple[float, DoublePowerLaw | str, float]:
    """Redshift, efficiency and largest sampled log mass of Table 3; between its rows log eps is interpolated.

    Raises
    ------
    InputError
        A redshift below the first row.
    """
    table = efficiency_evolution()
    at = min(redshift, HIGHEST_TABLE)
    if at < table.redshifts[0]:
        raise InputError(
            "uv_luminosity.redshifts",
            f"{redshift:g}",
            f"at least {table.redshifts[0]:g}, where Table 3 begins",
        )
    if at in table.redshifts:
        law = table.at(at)
        return at, law, law.log_m_max
    below, above = np.searchsorted(table.redshifts, at) - np.array([1, 0])
    return at, "shen25", min(table.laws[below].log_m_max, table.laws[above].log_m_max)


def _scatter(options: UVLuminosityConfig) -> Scatter:
    if options.scatter == "power":
        return PowerLawScatter(options.sigma_max, options.log_mass_min)
    if options.scatter == "constant":
        return ConstantScatter(options.sigma or 0.0)
    return LinearScatter()
