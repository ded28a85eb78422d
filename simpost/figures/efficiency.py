"""Halo-scale efficiencies over halo mass, and the double power laws through them (Shen+2025 Figs 4, 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simpost.analysis.double_power_law import DoublePowerLaw
from simpost.analysis.double_power_law_fit import REPORTED_LOG_MASS, DoublePowerLawFit
from simpost.analysis.efficiency_models import efficiency_model
from simpost.analysis.relations import relation
from simpost.analysis.shen2025 import efficiency_evolution
from simpost.analysis.simulation_sets import CENTRAL, TARGET, EfficiencyFit, EfficiencyPoint, RunLabel
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.figures.canvas import save_png
from simpost.figures.relation_axes import (
    CENTRALS,
    GREY,
    HALO_MASS,
    RunStyle,
    corner,
    down_arrows,
    draw_law,
    legend_below,
    legend_text,
    log_limits,
    note,
    nothing_to_draw,
    panels,
    plain,
    run_styles,
    run_text,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EFFICIENCY = r"$\epsilon^*_{\rm halo}$"
OWN_FIT, TABLE_3 = "own-fit", "table-3"  # gids
TABLE_3_COLOUR = "#c0392b"
COMPARED = {"canonical": "-", "harikane22": "--", "tacchella18": "-.", "firebox": (0, (4, 1, 1, 1, 1, 1))}
_VARIANT_STYLES: tuple[Any, ...] = ("-", (0, (7, 1.5)), (0, (5, 1, 1, 1)), (0, (2, 1)))
MASS_RANGE = (1e8, 1e12)  # Msun, shown at least
EFFICIENCY_RANGE = (5e-4, 1.0)
_SAMPLES = 400  # of a line


def draw_efficiencies(
    points: Mapping[float, Sequence[EfficiencyPoint]],
    fits: Sequence[EfficiencyFit],
    cosmology: Cosmology,
    path: Path | str,
    imf: str | None = "chabrier",
) -> None:
    """Draw the efficiencies of galaxies over halo mass as PNG, one panel for each redshift (Fig. 4).

    Targets are coloured, with 16-84 % of efficiency and of halo mass as bars, other centrals grey. Own fits
    are black, with bootstrap errors, and dashed beyond the sample; Table 3 is red, dotted beyond its M_max.
    Galaxies whose efficiency is zero or negative are arrows at the lower edge.

    Parameters
    ----------
    points : mapping of target redshift to points
        One panel each.
    fits : sequence of EfficiencyFit
        Own fits.
    cosmology : Cosmology
        For f_b, in relations that give SFR over dM_halo/dt.
    path : Path
        The PNG to write; it is whole or untouched.
    imf : str, optional
        Of the simulations, to which the relations of other models are converted; default that of
        Shen+2025. None: no conversion.

    Raises
    ------
    InputError
        The cosmology does not state Omega_b, an unknown IMF, a fit without its points, or the file
        cannot be written.
    """
    save_png(efficiencies_figure(points, fits, cosmology, imf), path)


def efficiencies_figure(
    points: Mapping[float, Sequence[EfficiencyPoint]],
    fits: Sequence[EfficiencyFit],
    cosmology: Cosmology,
    imf: str | None = "chabrier",
) -> Figure:
    """Return the figure that `draw_efficiencies` saves."""
    figure, axes = panels(len(points), HALO_MASS, EFFICIENCY)
    if not points:
        nothing_to_draw(axes[0], "no redshift was analysed")
        return figure
    everything = [point for group in points.values() for point in group]
    styles = run_styles(point.run for point in everything)
    limits = log_limits([10.0 ** float(p.result.log_mass.median) for p in everything], MASS_RANGE)
    low = log_limits([float(p.result.efficiency.median) for p in everything], EFFICIENCY_RANGE)
    axes[0].set(xlim=limits, ylim=low)
    mass, lines = np.geomspace(*limits, _SAMPLES), variant_styles(fits)
    for axis, (redshift, group) in zip(axes, points.items(), strict=True):
        _draw_models(axis, mass, redshift, cosmology, imf)
        draw_table_3(axis, mass, redshift)
        _draw_galaxies(axis, group, styles, low[0])
        _draw_fits(axis, mass, group, [fit for fit in fits if fit.redshift == redshift], lines)
        title(axis, f"z = {redshift:g}")
    tell_reasons(axes[0], fits)
    legend_below(figure)
    return figure


def nearest_row(redshift: float) -> tuple[float, DoublePowerLaw]:
    """Redshift and law of the row of Table 3 that is nearest in redshift."""
    table = efficiency_evolution()
    nearest = min(table.redshifts, key=lambda z: abs(z - redshift))
    return nearest, table.at(nearest)


def draw_table_3(axis: Axes, mass: np.ndarray, redshift: float) -> None:
    """Draw the nearest row of Table 3 of Shen+2025, dotted beyond the masses it was fitted to."""
    row, law = nearest_row(redshift)
    draw_law(
        axis, mass, law(mass, extrapolate=True), law.is_extrapolated(mass), colour=TABLE_3_COLOUR,
        label="Shen+2025, Table 3 (dotted: extrapolated)", gid=TABLE_3,
    )  # fmt: skip
    if abs(row - redshift) > 1e-9:
        corner(axis, f"Table 3 of z = {row:g}", "lower right")


def sampled_masses(points: Sequence[EfficiencyPoint], variant: str) -> tuple[float, float]:
    """Smallest and largest halo mass [Msun] of the points a variant's fit rests on."""
    masses = [
        10.0 ** float(p.result.log_mass.median)
        for p in points
        if p.run.variant == variant and float(p.result.efficiency.median) > 0.0
    ]
    if not masses:
        raise InputError(f"points of {variant}", "none with an efficiency", "those its fit rests on")
    return min(masses), max(masses)


def _draw_models(
    axis: Axes, mass: np.ndarray, redshift: float, cosmology: Cosmology, imf: str | None
) -> None:
    for name, style in COMPARED.items():
        model = efficiency_model(name, redshift, cosmology)
        factor = 1.0 if imf is None else model.imf_factor_to(imf)
        source = relation(name).source.split(",")[0]
        own = f"{model.imf.capitalize()} IMF" if model.imf else "IMF unsure, as published"
        label = f"{source} ({own}{f', times {factor:.3g}' if factor != 1.0 else ''})"
        label = label.replace("Shen+2024b", "Shen+2024b canonical")
        axis.plot(
            mass, factor * model(mass), color="0.55", linewidth=0.8, linestyle=style, label=label,
            gid=f"model:{name}", zorder=1,
        )  # fmt: skip


def _draw_galaxies(
    axis: Axes, points: Sequence[EfficiencyPoint], styles: dict[RunLabel, RunStyle], lowest: float
) -> None:
    if not points:
        note(axis, "no galaxy at this redshift")
        return
    efficiency = np.array([float(p.result.efficiency.median) for p in points])
    mass = np.array([10.0 ** float(p.result.log_mass.median) for p in points])
    positive = efficiency > 0.0
    central = np.array([p.group == CENTRAL for p in points])
    axis.plot(
        mass[central & positive], efficiency[central & positive], linestyle="none", marker="o",
        markersize=1.8, color=GREY, label="other centrals" if np.any(central) else None, gid=CENTRALS,
        zorder=2,
    )  # fmt: skip
    down_arrows(axis, mass[central & (efficiency <= 0.0)], GREY)
    for point, value, at in zip(points, efficiency, mass, strict=True):
        if point.group == TARGET and value > 0.0:
            _draw_target(axis, point, styles[point.run], lowest)
        elif point.group == TARGET and value <= 0.0:
            down_arrows(axis, [at], styles[point.run].colour)
    n_not_positive, n_unknown = int(np.sum(efficiency <= 0.0)), int(np.sum(~np.isfinite(efficiency)))
    lines = [f"{n_not_positive} with efficiency <= 0 (arrows)"] if n_not_positive else []
    lines += [f"{n_unknown} without an efficiency"] if n_unknown else []
    if lines:
        corner(axis, "\n".join(lines))
    if not np.any(positive):
        note(axis, f"none of {len(points)} galaxies has an efficiency above zero")


def _draw_target(axis: Axes, point: EfficiencyPoint, style: RunStyle, lowest: float) -> None:
    """Symbol and bars; a bar that reaches zero or below goes to the lower edge."""
    eps, log_mass = point.result.efficiency, point.result.log_mass
    x, y = 10.0 ** float(log_mass.median), float(eps.median)
    left, right = x - 10.0 ** float(log_mass.p16), 10.0 ** float(log_mass.p84) - x
    bottom = y - max(float(eps.p16), 0.1 * lowest)
    bars = axis.errorbar(
        x, y, xerr=[[left], [right]], yerr=[[bottom], [float(eps.p84) - y]], elinewidth=0.7,
        label=run_text(point.run), zorder=4, **style.symbol,
    )  # fmt: skip
    bars.lines[0].set_gid(f"target:{point.track.name}")


def _draw_fits(
    axis: Axes,
    mass: np.ndarray,
    points: Sequence[EfficiencyPoint],
    fits: Sequence[EfficiencyFit],
    styles: dict[str, Any],
) -> None:
    for entry in fits:
        if entry.fit is None:
            continue
        low, high = sampled_masses(points, entry.variant)
        inside = (mass >= low * (1.0 - 1e-9)) & (mass <= high * (1.0 + 1e-9))
        draw_law(
            axis, mass, entry.fit.law(mass, extrapolate=True), ~inside, colour="black",
            style=styles[entry.variant], beyond=(0, (1.5, 1.5)),
            label=plain(f"own fit, {entry.variant} (short dashes: extrapolated)"),
            gid=f"{OWN_FIT}:{entry.variant}", width=1.5,
        )  # fmt: skip
        _draw_errors(axis, entry.fit)


def tell_reasons(axis: Axes, fits: Sequence[EfficiencyFit]) -> None:
    """Say in the legend what could not be fitted and why, and what is wrong with other fits."""
    told: dict[tuple[str, str, str], list[str]] = {}
    for entry in fits:
        if entry.reason:
            kind = "no own fit" if entry.fit is None else "own fit"
            told.setdefault((kind, entry.variant, entry.reason), []).append(f"{entry.redshift:g}")
    for (kind, variant, reason), redshifts in told.items():
        legend_text(axis, f"{kind} of {variant} at z = {', '.join(redshifts)}: {reason}")


def variant_styles(fits: Sequence[EfficiencyFit]) -> dict[str, Any]:
    """Line style of each variant; the first is solid."""
    variants = dict.fromkeys(fit.variant for fit in fits)
    return dict(zip(variants, cycle(_VARIANT_STYLES), strict=False))


def _draw_errors(axis: Axes, fit: DoublePowerLawFit) -> None:
    """Bootstrap 16-84 % at the reported masses that lie in the sample."""
    if fit.bootstrap is None:
        return
    inside = ~fit.is_extrapolated
    x = 10.0 ** np.array(REPORTED_LOG_MASS)[inside]
    found = fit.bootstrap.log_efficiency
    axis.vlines(
        x, 10.0 ** found.p16[inside], 10.0 ** found.p84[inside], color="black", linewidth=3.0, alpha=0.35,
        label="16-84 % of the fit (bootstrap)", zorder=3,
    )  # fmt: skip
