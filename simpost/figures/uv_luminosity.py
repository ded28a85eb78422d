"""UV luminosity functions (Shen+2025 Fig. 14)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simpost.analysis.double_power_law import DoublePowerLaw
from simpost.analysis.relations import Points
from simpost.analysis.relations import points as published_points
from simpost.analysis.shen2025 import efficiency_evolution
from simpost.analysis.simulation_sets import UVCurve
from simpost.figures.canvas import save_png
from simpost.figures.relation_axes import (
    FloatArray,
    corner,
    legend_below,
    note,
    nothing_to_draw,
    panels,
    plain,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXTRAPOLATED, LOWEST_MASSES, OBSERVED = "extrapolated", "lowest-masses", "observed"  # gids
MOST_EXTRAPOLATED = 0.5  # share of phi beyond which a curve is shaded
OBSERVED_KEY, OBSERVED_REDSHIFT, NEAR = "donnan24_z12p5", 12.5, 1.0
_Style = tuple[str, Any]  # colour and line style
_STYLES: dict[str, tuple[_Style, ...]] = {  # those of Shen+2025, as far as they go
    "capped": (("#d62728", "-"), ("#d62728", ":")),
    "table": (("#e377c2", "-."), ("#e377c2", ":")),
    "canonical": (("#2ca02c", "--"),),
    "own": (("black", "-"), ("black", (0, (5, 2))), ("black", (0, (1, 1)))),
    "other": (("#0072b2", "-"), ("#e69f00", "--"), ("#8c564b", "-."), ("#7f3fbf", ":")),
}
_LOWEST = -9.0  # log phi that is shown


def draw_uv_luminosity(curves: Sequence[UVCurve], path: Path | str, observed: Points | None = None) -> None:
    """Draw UV luminosity functions as PNG, one panel for each redshift (Fig. 14).

    Table 3 with the lowest cap is solid red, with higher ones pink and dash-dotted; `canonical` is green and
    dashed, any other double power law, as an own fit, black. A curve is shaded where more than half of phi
    comes from haloes heavier than any its efficiency was measured at, and thin where more than half comes
    from the lowest 0.5 dex of the masses: there it hangs on their limit.

    Parameters
    ----------
    curves : sequence of UVCurve
        Models at any redshifts.
    path : Path
        The PNG to write; it is whole or untouched.
    observed : Points, optional
        Drawn within 1 of z = 12.5; default those of Donnan+2024.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    save_png(uv_luminosity_figure(curves, observed), path)


def uv_luminosity_figure(curves: Sequence[UVCurve], observed: Points | None = None) -> Figure:
    """Return the figure that `draw_uv_luminosity` saves."""
    by_redshift = {
        z: [curve for curve in curves if curve.redshift == z]
        for z in dict.fromkeys(curve.redshift for curve in curves)
    }
    labels = r"$M_{\rm UV}$  [AB mag]", r"$\log_{10}\,\phi$  [cMpc$^{-3}\,$mag$^{-1}$]"
    figure, axes = panels(len(by_redshift), *labels, log_x=False, log_y=False)
    if not by_redshift:
        nothing_to_draw(axes[0], "no luminosity function was computed")
        return figure
    for axis, (redshift, group) in zip(axes, by_redshift.items(), strict=True):
        for curve, style in zip(group, curve_styles(group), strict=True):
            _draw(axis, curve, *style)
        _tell(axis, group)
        if abs(redshift - OBSERVED_REDSHIFT) <= NEAR:
            _draw_observed(axis, observed or published_points(OBSERVED_KEY))
        dusty = any(curve.function.haloes.dust_applied for curve in group)
        title(axis, f"z = {redshift:g}{', with dust' if dusty else ''}")
    _set_limits(axes[0], curves)
    axes[0].plot(
        [], [], color="0.5", linewidth=7.0, alpha=0.3, solid_capstyle="butt",
        label=f"more than {100 * MOST_EXTRAPOLATED:.0f} % of it from haloes\nbeyond the efficiency's sample",
    )  # fmt: skip
    legend_below(figure)
    return figure


def curve_styles(curves: Sequence[UVCurve]) -> list[_Style]:
    """Colour and line style of each curve of one redshift, by the efficiency that its model has."""
    kinds = [_kind(curve.function.model.efficiency) for curve in curves]
    caps = [_cap(curve) for curve, kind in zip(curves, kinds, strict=True) if kind == "table"]
    for index, curve in enumerate(curves):
        if kinds[index] == "table" and _cap(curve) == min(caps):
            kinds[index] = "capped"
    return [_STYLES[kind][kinds[:i].count(kind) % len(_STYLES[kind])] for i, kind in enumerate(kinds)]


def _kind(efficiency: object) -> str:
    if efficiency == "canonical":
        return "canonical"
    if efficiency == "shen25" or efficiency in efficiency_evolution().laws:
        return "table"
    return "own" if isinstance(efficiency, DoublePowerLaw) else "other"


def _cap(curve: UVCurve) -> float:
    cap = curve.function.model.log_mass_cap
    return float("inf") if cap is None else cap


def _draw(axis: Axes, curve: UVCurve, colour: str, style: Any) -> None:
    found = curve.function
    x, y = found.magnitudes, _finite(found.log_phi)
    doubtful = np.nan_to_num(found.share_lowest_masses) > MOST_EXTRAPOLATED
    axis.plot(
        x, np.where(doubtful, np.nan, y), color=colour, linestyle=style, linewidth=1.4,
        label=plain(curve.label), gid=f"curve:{curve.label}", zorder=3,
    )  # fmt: skip
    if np.any(doubtful):
        axis.plot(x, np.where(doubtful, y, np.nan), color=colour, linewidth=0.5, gid=LOWEST_MASSES, zorder=3)
    beyond = np.nan_to_num(found.share_extrapolated) > MOST_EXTRAPOLATED
    if np.any(beyond):
        axis.plot(
            x, np.where(beyond, y, np.nan), color=colour, linewidth=7.0, alpha=0.25, solid_capstyle="butt",
            gid=EXTRAPOLATED, zorder=1,
        )  # fmt: skip


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, np.nan)


def _tell(axis: Axes, curves: Sequence[UVCurve]) -> None:
    if not any(np.any(curve.function.phi > 0.0) for curve in curves):
        note(axis, "no halo shines at these magnitudes")
    doubtful = [
        curve.label
        for curve in curves
        if np.any(np.nan_to_num(curve.function.share_lowest_masses) > MOST_EXTRAPOLATED)
    ]
    if doubtful:
        corner(axis, f"thin: hangs on the smallest halo mass ({', '.join(doubtful)})", "lower right")


def _draw_observed(axis: Axes, observed: Points) -> None:
    """Points with the larger of the stated errors."""
    x, y = observed.table.T
    errors = observed.error_range
    label = observed.source.split(" (")[0]
    if errors is not None:
        label += f" (errors\n{errors[0]:g} to {errors[1]:g} dex, the larger drawn)"
    bars = axis.errorbar(
        x, y, yerr=None if errors is None else errors[1], linestyle="none", marker="o", markersize=4.0,
        color="0.35", markerfacecolor="white", elinewidth=0.6, label=label, zorder=4,
    )  # fmt: skip
    bars.lines[0].set_gid(OBSERVED)


def _set_limits(axis: Axes, curves: Sequence[UVCurve]) -> None:
    magnitudes = np.concatenate([curve.function.magnitudes for curve in curves])
    heights = np.concatenate([_finite(curve.function.log_phi) for curve in curves])
    axis.set_xlim(float(magnitudes.min()) - 0.3, float(magnitudes.max()) + 0.3)
    if np.any(np.isfinite(heights)):
        axis.set_ylim(max(float(np.nanmin(heights)) - 0.3, _LOWEST), float(np.nanmax(heights)) + 0.5)
