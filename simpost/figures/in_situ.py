"""In-situ fraction of stars over halo mass (Shen+2025 Fig. 13)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simpost.analysis.simulation_sets import TARGET, InSituPoint
from simpost.figures.canvas import save_png
from simpost.figures.relation_axes import (
    HALO_MASS,
    Colour,
    corner,
    legend_below,
    legend_text,
    level_markers,
    log_limits,
    note,
    nothing_to_draw,
    panels,
    plain,
    redshift_colours,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MASS_RANGE = (1e8, 1e12)  # Msun, shown at least


def draw_in_situ(points: Sequence[InSituPoint], path: Path | str) -> None:
    """Draw the in-situ fraction against halo mass as PNG (Fig. 13).

    Colours are redshifts, markers resolution levels; other centrals than the main targets are small and
    open. Bars go from all unknown births counted as ex situ to all counted as in situ; a galaxy of which
    no birth is known is a bar without a symbol.

    Parameters
    ----------
    points : sequence of InSituPoint
        At any target redshifts; those that could not be measured are counted. Variants have a panel each.
    path : Path
        The PNG to write; it is whole or untouched.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    save_png(in_situ_figure(points), path)


def in_situ_figure(points: Sequence[InSituPoint]) -> Figure:
    """Return the figure that `draw_in_situ` saves."""
    variants = list(dict.fromkeys(point.run.variant for point in points))
    figure, axes = panels(len(variants), HALO_MASS, "in-situ fraction of stellar mass", log_y=False)
    axes[0].set(
        xlim=log_limits([point.m_200c for point in points], _MASS_RANGE, padding=0.2), ylim=(-0.02, 1.05)
    )
    if not points:
        nothing_to_draw(axes[0], "no galaxy was analysed")
        return figure
    colours = redshift_colours(point.target for point in points)
    markers = level_markers(point.run.level for point in points)
    for axis, variant in zip(axes, variants, strict=True):
        chosen = [point for point in points if point.run.variant == variant]
        for point in chosen:
            _draw(axis, point, colours[point.target], markers[point.run.level])
        _tell(axis, chosen)
        if len(variants) > 1:
            title(axis, variant)
    for redshift, colour in colours.items():
        axes[0].plot([], [], linestyle="none", marker="o", color=colour, label=f"z = {redshift:g}")
    for level, marker in markers.items():
        axes[0].plot(
            [], [], linestyle="none", marker=marker, color="0.3", label=plain(level) or "level not stated"
        )
    if any(point.group != TARGET for point in points):
        axes[0].plot(
            [], [], linestyle="none", marker="o", markersize=3.0, markerfacecolor="white", color="0.3",
            label="small, open: other centrals",
        )  # fmt: skip
    flags = [point.reason for point in points if np.isfinite(point.fraction) and point.reason]
    for reason in dict.fromkeys(flags):
        legend_text(axes[0], f"{flags.count(reason)} galaxies: {reason}")
    legend_below(figure)
    return figure


def _draw(axis: Axes, point: InSituPoint, colour: Colour, marker: str) -> None:
    is_target = point.group == TARGET
    if np.isfinite(point.low) and np.isfinite(point.high) and point.high > point.low:
        axis.vlines(
            point.m_200c,
            point.low,
            point.high,
            color=colour,
            linewidth=0.9,
            gid=f"bracket:{point.name}",
            zorder=2,
        )
    if np.isfinite(point.fraction):
        axis.plot(
            point.m_200c, point.fraction, linestyle="none", marker=marker, color=colour,
            zorder=4 if is_target else 3, markeredgewidth=0.7,
            markersize=(5.5 if is_target else 3.0) * (1.5 if marker == "*" else 1.0),
            markerfacecolor=colour if is_target else "white", gid=f"galaxy:{point.name}",
        )  # fmt: skip


def _tell(axis: Axes, points: Sequence[InSituPoint]) -> None:
    """Count what has no symbol, with the commonest reason."""
    missing = [point for point in points if not np.isfinite(point.fraction)]
    if not missing:
        return
    reasons = [point.reason or "no birth is known" for point in missing]
    commonest = max(dict.fromkeys(reasons), key=reasons.count)
    text = f"{len(missing)} of {len(points)} not measured: {commonest}"
    if len(missing) < len(points):
        corner(axis, text, "lower left")
    elif not any(np.isfinite(point.low) for point in points):
        note(axis, text)
    else:
        corner(axis, text)
