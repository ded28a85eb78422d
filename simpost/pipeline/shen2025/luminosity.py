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

MAGNITUDES = np.arange(-24.0, -15.99, 0.25)
HIGHEST_TABLE = 12.0  # S25 section 5.3: the fit of z = 12 stands for z = 14, too


def luminosity_functions(options: UVLuminosityConfig, fits: list[EfficiencyFit]) -> list[UVCurve]:
    """Curves of every redshift: Table 3 of Shen+2025 with each cap, `canonical`, and the set's own fit.

    The cosmology is Shen+2025's, whatever that of the runs.

    Raises
    ------
    InputError
        colossus is not installed, or a redshift has no efficiency.
    """
    curves = []
    for redshift in options.redshifts:
        abundance = halo_mass_function(redshift, cosmology(), model=options.mass_function)
        for label, law, cap in _models(redshift, options, fits):
            model = UVModel(
                efficiency=law,
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
    table = efficiency_evolution()
    place = min(table.redshifts, key=lambda z: abs(z - min(redshift, HIGHEST_TABLE)))
    law = table.at(place)
    caps = dict.fromkeys(max(cap, law.log_m_max) for cap in sorted(options.log_mass_caps))
    for cap in caps:
        yield f"Shen+2025, fit at z = {place:g}, constant above 10^{cap:g} Msun", law, cap
    yield "canonical (Shen+2024b)", "canonical", None
    if not options.own_fit:
        return
    for fit in fits:
        if fit.fit is not None and fit.redshift == redshift:
            limit = fit.fit.law.log_m_max
            yield f"own fit, {fit.variant}, constant above 10^{limit:.4g} Msun", fit.fit.law, limit


def _scatter(options: UVLuminosityConfig) -> Scatter:
    if options.scatter == "power":
        return PowerLawScatter(options.sigma_max, options.log_mass_min)
    if options.scatter == "constant":
        return ConstantScatter(options.sigma or 0.0)
    return LinearScatter()
