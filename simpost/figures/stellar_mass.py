"""Stellar mass over halo mass (Shen+2025 Fig. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simpost.analysis.halo import baryon_fraction
from simpost.analysis.simulation_sets import CENTRAL, EfficiencyPoint, RunLabel
from simpost.core.cosmology import Cosmology
from simpost.figures.canvas import save_png
from simpost.figures.efficiency import MASS_RANGE, TABLE_3, TABLE_3_COLOUR, nearest_row
from simpost.figures.relation_axes import (
    CENTRALS,
    GREY,
    HALO_MASS,
    STELLAR_MASS,
    RunStyle,
    corner,
    down_arrows,
    draw_law,
    legend_below,
    line_text,
    log_limits,
    note,
    nothing_to_draw,
    panels,
    run_styles,
    run_text,
    title,
)
from simpost.trees.track import Track

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HALF_WIDTH = 0.5  # in redshift, of the window of the medians: Shen+2025 Fig. 2
BARYON_SHARES = (1.0, 0.1, 0.01)  # of f_b M_halo
_STELLAR_RANGE = (1e4, 3e11)  # Msun, shown at least
_SAMPLES = 400
_NOWHERE = (float("nan"), float("nan"))


def draw_stellar_halo_mass(
    points: Mapping[float, Sequence[EfficiencyPoint]], cosmology: Cosmology, path: Path | str
) -> None:
    """Draw M_* over M_halo as PNG, medians within 0.5 of each redshift, one panel each (Fig. 2).

    Lines: 1, 0.1 and 0.01 of the baryons f_b M_halo, and the integral of the nearest row of Table 3
    (eq. 2), dotted beyond the masses it was fitted to.

    Parameters
    ----------
    points : mapping of target redshift to points
        One panel each; only the tracks are used.
    cosmology : Cosmology
        For f_b; it must state Omega_b.
    path : Path
        The PNG to write; it is whole or untouched.

    Raises
    ------
    InputError
        The cosmology does not state Omega_b, or the file cannot be written.
    """
    save_png(stellar_halo_mass_figure(points, cosmology), path)


def stellar_halo_mass_figure(
    points: Mapping[float, Sequence[EfficiencyPoint]], cosmology: Cosmology
) -> Figure:
    """Return the figure that `draw_stellar_halo_mass` saves."""
    fraction = baryon_fraction(cosmology)
    figure, axes = panels(len(points), HALO_MASS, STELLAR_MASS)
    if not points:
        nothing_to_draw(axes[0], "no redshift was analysed")
        return figure
    styles = run_styles(point.run for group in points.values() for point in group)
    medians = {
        z: np.array([median_masses(p.track, z) for p in group]).reshape(-1, 2) for z, group in points.items()
    }
    everything = np.concatenate(list(medians.values()))
    limits = log_limits(everything[:, 0], MASS_RANGE)
    axes[0].set(xlim=limits, ylim=log_limits(everything[:, 1], _STELLAR_RANGE))
    mass = np.geomspace(*limits, _SAMPLES)
    for axis, (redshift, group) in zip(axes, points.items(), strict=True):
        _draw_baryons(axis, mass, fraction)
        row, law = nearest_row(redshift)
        draw_law(
            axis, mass, law.stellar_mass(mass, fraction, extrapolate=True), law.is_extrapolated(mass),
            colour=TABLE_3_COLOUR, gid=TABLE_3, label="Shen+2025, eq. 2 with Table 3 (dotted: extrapolated)",
        )  # fmt: skip
        if abs(row - redshift) > 1e-9:
            corner(axis, f"Table 3 of z = {row:g}", "lower right")
        _draw_galaxies(axis, group, medians[redshift], styles)
        _tell(axis, group, medians[redshift][:, 1], redshift)
        title(axis, f"z = {redshift:g} ± {HALF_WIDTH:g}")
    legend_below(figure)
    return figure


def median_masses(track: Track, redshift: float) -> tuple[float, float]:
    """Median M_halo and M_* [Msun] of the snapshots within 0.5 of a redshift; NaN without any.

    Shen+2025, caption of Fig. 2. Snapshots whose stellar mass is unknown count for neither.
    """
    near = _near(track, redshift) & np.isfinite(track.m_star)
    if not np.any(near):
        return _NOWHERE
    return float(np.median(track.m_halo[near])), float(np.median(track.m_star[near]))


def _near(track: Track, redshift: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(track.redshift - redshift) <= HALF_WIDTH)


def _draw_baryons(axis: Axes, mass: np.ndarray, fraction: float) -> None:
    """M_* = eps f_b M_halo, with the efficiency written at the left end of each line."""
    for share in BARYON_SHARES:
        line = share * fraction * mass
        axis.plot(mass, line, color="0.6", linewidth=0.7, linestyle="--", gid=f"baryons:{share:g}", zorder=0)
        line_text(axis, 1.5 * float(mass[0]), share * fraction, rf"$\epsilon={share:g}$")


def _draw_galaxies(
    axis: Axes, points: Sequence[EfficiencyPoint], medians: np.ndarray, styles: dict[RunLabel, RunStyle]
) -> None:
    halo, stars = medians.T
    central = np.array([p.group == CENTRAL for p in points], dtype=bool)
    shown = central & (stars > 0.0)
    axis.plot(
        halo[shown], stars[shown], linestyle="none", marker="o", markersize=1.8, color=GREY, gid=CENTRALS,
        label="other centrals" if np.any(shown) else None, zorder=2,
    )  # fmt: skip
    down_arrows(axis, halo[central & (stars == 0.0)], GREY)
    for point, x, y, is_central in zip(points, halo, stars, central, strict=True):
        if is_central:
            continue
        style = styles[point.run]
        if y > 0.0:
            axis.plot(
                x, y, label=run_text(point.run), gid=f"target:{point.track.name}", zorder=4, **style.symbol
            )
        elif y == 0.0:
            down_arrows(axis, [x], style.colour)


def _tell(axis: Axes, points: Sequence[EfficiencyPoint], stars: np.ndarray, redshift: float) -> None:
    """Count the galaxies that have no symbol, by reason."""
    away = np.array([not np.any(_near(point.track, redshift)) for point in points], dtype=bool)
    reasons = {
        "without stars (arrows)": stars == 0.0,
        f"without a snapshot within ± {HALF_WIDTH:g}": away,
        "without a stellar mass": ~np.isfinite(stars) & ~away,
    }
    counts = {text: int(np.count_nonzero(found)) for text, found in reasons.items()}
    lines = [f"{count} {text}" for text, count in counts.items() if count]
    if not points:
        note(axis, "no galaxy at this redshift")
    elif not np.any(stars > 0.0):
        note(axis, "\n".join(lines))
    elif lines:
        corner(axis, "\n".join(lines))
