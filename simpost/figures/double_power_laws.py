"""Double power laws of all redshifts together, over halo mass and virial velocity (Shen+2025 Fig. 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simpost.analysis.halo import virial_velocity
from simpost.analysis.shen2025 import efficiency_evolution
from simpost.analysis.simulation_sets import EfficiencyFit, EfficiencyPoint
from simpost.core.cosmology import Cosmology
from simpost.figures.canvas import TEXT_SIZE, new_figure, save_png
from simpost.figures.efficiency import (
    EFFICIENCY,
    EFFICIENCY_RANGE,
    MASS_RANGE,
    OWN_FIT,
    TABLE_3,
    nearest_row,
    sampled_masses,
    tell_reasons,
    variant_styles,
)
from simpost.figures.relation_axes import (
    HALO_MASS,
    SMALL,
    Colour,
    FloatArray,
    dress,
    legend_below,
    log_limits,
    nothing_to_draw,
    plain,
    redshift_colours,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SLOPE_GUIDE = "slope-guide"  # gid
_SLOPES = ((1.0 / 3.0, "1/3"), (2.0 / 3.0, "2/3"))  # of halo mass; V_vir ~ M^(1/3) makes them 1 and 2
_TABLE_FROM = 1e8  # Msun, the smallest haloes of Shen+2025
_SAMPLES = 300


def draw_double_power_laws(
    points: Mapping[float, Sequence[EfficiencyPoint]],
    fits: Sequence[EfficiencyFit],
    cosmology: Cosmology,
    path: Path | str,
) -> None:
    """Draw the fits of all redshifts over M_halo and over V_vir as PNG (Fig. 5).

    Own fits are solid, other line styles for other variants, over the masses of their samples; the rows of
    Table 3 of the same redshifts are thin dashes, from 1e8 Msun to their M_max.

    Parameters
    ----------
    points : mapping of target redshift to points
        What the fits rest on.
    fits : sequence of EfficiencyFit
        Of any redshifts and variants.
    cosmology : Cosmology
        For V_200c of M_200c.
    path : Path
        The PNG to write; it is whole or untouched.

    Raises
    ------
    InputError
        A fit without its points, or the file cannot be written.
    """
    save_png(double_power_laws_figure(points, fits, cosmology), path)


def double_power_laws_figure(
    points: Mapping[float, Sequence[EfficiencyPoint]], fits: Sequence[EfficiencyFit], cosmology: Cosmology
) -> Figure:
    """Return the figure that `draw_double_power_laws` saves."""
    figure = new_figure(4.6, 6.4)
    axes = figure.subplots(2, 1)
    for axis, label in zip(axes, (HALO_MASS, r"$V_{\rm vir}$  [km/s]"), strict=True):
        dress(axis)
        axis.set_xlabel(label, fontsize=TEXT_SIZE)
        axis.set_ylabel(EFFICIENCY, fontsize=TEXT_SIZE)
    if not fits:
        for axis in axes:
            nothing_to_draw(axis, "no redshift was analysed")
        return figure
    colours = redshift_colours(fit.redshift for fit in fits)
    styles = variant_styles(fits)
    for redshift, colour in colours.items():
        _draw_table_3(axes, redshift, cosmology, colour)
    for entry in fits:
        if entry.fit is None:
            continue
        mass = _grid(*sampled_masses(points.get(entry.redshift, ()), entry.variant))
        kind = "single" if entry.fit.beta_redundant else "double"
        label = plain(f"z = {entry.redshift:g}, {entry.variant}: {kind} power law")
        efficiency = entry.fit.law(mass, extrapolate=True)
        for axis, x in _both(axes, mass, entry.redshift, cosmology):
            axis.plot(
                x, efficiency, linestyle=styles[entry.variant], color=colours[entry.redshift], linewidth=1.7,
                label=label,
                gid=f"{OWN_FIT}:{entry.redshift:g}:{entry.variant}", zorder=3,
            )  # fmt: skip
    _finish(axes, fits)
    legend_below(figure)
    return figure


def _grid(low: float, high: float) -> FloatArray:
    return np.geomspace(low, high, _SAMPLES)


def _both(
    axes: Sequence[Axes], mass: FloatArray, redshift: float, cosmology: Cosmology
) -> list[tuple[Axes, FloatArray]]:
    """The two panels with the halo masses as their abscissae."""
    return [(axes[0], mass), (axes[1], virial_velocity(mass, redshift, cosmology))]


def _draw_table_3(axes: Sequence[Axes], redshift: float, cosmology: Cosmology, colour: Colour) -> None:
    """The row of a redshift; none where it is not tabulated, because the nearest is another's already."""
    if redshift not in efficiency_evolution().redshifts:
        return
    _, law = nearest_row(redshift)
    mass = _grid(_TABLE_FROM, 10.0**law.log_m_max)
    for axis, x in _both(axes, mass, redshift, cosmology):
        axis.plot(
            x, law(mass), linestyle="--", color=colour, linewidth=0.9, gid=f"{TABLE_3}:{redshift:g}", zorder=2
        )


def _finish(axes: Sequence[Axes], fits: Sequence[EfficiencyFit]) -> None:
    """Limits, slopes, and what has no line."""
    for axis, least in zip(axes, (MASS_RANGE, (10.0, 300.0)), strict=True):
        drawn = [line.get_data() for line in axis.get_lines()]
        axis.set_xlim(log_limits(np.concatenate([x for x, _ in drawn] or [[]]), least))
        axis.set_ylim(log_limits(np.concatenate([y for _, y in drawn] or [[]]), EFFICIENCY_RANGE))
    _draw_slopes(axes[0], 1.0, r"M_{\rm halo}")
    _draw_slopes(axes[1], 3.0, r"V_{\rm vir}")
    axes[0].plot([], [], color="0.3", linewidth=0.9, linestyle="--", label="Shen+2025, Table 3, to its M_max")
    tell_reasons(axes[0], fits)


def _draw_slopes(axis: Axes, per_mass: float, name: str) -> None:
    """Short lines of the slopes of Shen+2025, from one point near the lower edge to the right."""
    left, right = (float(np.log10(x)) for x in axis.get_xlim())
    bottom, top = (float(np.log10(y)) for y in axis.get_ylim())
    start, end = left + 0.62 * (right - left), left + 0.82 * (right - left)
    for slope, text in _SLOPES:
        steep = slope * per_mass
        rise = steep * (end - start)
        base = bottom + 0.06 * (top - bottom)
        axis.plot(
            10.0 ** np.array([start, end]), 10.0 ** np.array([base, base + rise]), color="0.45",
            linewidth=0.8, gid=SLOPE_GUIDE, zorder=1,
        )  # fmt: skip
        power = f"^{{{text}}}" if per_mass == 1.0 else "" if steep == 1.0 else f"^{steep:.0f}"
        axis.annotate(
            rf"$\propto {name}{power}$", (10.0**end, 10.0 ** (base + rise)), (3, -2),
            textcoords="offset points", ha="left", fontsize=SMALL, color="0.35",
        )  # fmt: skip
