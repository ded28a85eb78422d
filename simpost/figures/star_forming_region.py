"""Gas of the star-forming regions: supply fraction and effective surface density (Shen+2025 Figs 7, 11)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simpost.analysis.decomposition import SUPPLY_RADIUS, relative_surface_density
from simpost.analysis.simulation_sets import GalaxyPixels
from simpost.core.errors import InputError
from simpost.figures.canvas import save_png
from simpost.figures.relation_axes import (
    HALO_MASS,
    MSUN,
    Colour,
    FloatArray,
    corner,
    legend_below,
    log_limits,
    name_colours,
    note,
    nothing_to_draw,
    panels,
    redshift_colours,
    spread,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOG_MASS_EDGES = (10.0, 11.0)  # between the three mass bins of the supply; the paper's are not in its text
MASS_BIN = 0.5  # dex, of the medians of the effective surface density; our choice
FEWEST = 3  # galaxies of a median; fewer are shown one by one
NEUTRAL, TOTAL = "neutral", "total"  # gids
GALAXIES, MEDIANS, EQUATION_13 = "galaxies", "medians", "eq-13"
_MASS_RANGE = (1e9, 1e12)
_SURFACE_RANGE = (10.0, 1000.0)


def draw_supply(
    galaxies: Sequence[GalaxyPixels],
    path: Path | str,
    log_mass_edges: Sequence[float] = LOG_MASS_EDGES,
) -> None:
    """Draw gas within half the maps' width over f_b M_halo against redshift as PNG, by halo mass (Fig. 7).

    Filled symbols are neutral gas, open ones all gas: median and 16-84 % of three galaxies or more at one
    target redshift, else each galaxy. Physics variants have a panel each.

    Parameters
    ----------
    galaxies : sequence of GalaxyPixels
        At any redshifts; those without gas lie at zero.
    path : Path
        The PNG to write; it is whole or untouched.
    log_mass_edges : sequence of float
        Inner edges of the bins of log10 M_200c [Msun], rising; the first and last bin are open.
        Default 10, 11 (our choice).

    Raises
    ------
    InputError
        Galaxies with and without helium together, edges that do not rise, or the file cannot be written.
    """
    save_png(supply_figure(galaxies, log_mass_edges), path)


def supply_figure(
    galaxies: Sequence[GalaxyPixels], log_mass_edges: Sequence[float] = LOG_MASS_EDGES
) -> Figure:
    """Return the figure that `draw_supply` saves."""
    edges = np.asarray(log_mass_edges, dtype=float)
    if np.any(np.diff(edges) <= 0.0):
        raise InputError("edges of the halo mass bins", f"{list(log_mass_edges)}", "rising log masses")
    helium = _helium_text(galaxies)
    variants = list(dict.fromkeys(galaxy.run.variant for galaxy in galaxies))
    label = rf"$M_{{\rm gas}}({_aperture_text(galaxies)}) / (f_{{\rm b}} M_{{\rm halo}})$, {helium}"
    figure, axes = panels(len(variants), "redshift", label, log_x=False, log_y=False)
    if not galaxies:
        nothing_to_draw(axes[0], "no galaxy was mapped")
        return figure
    number = np.searchsorted(edges, [np.log10(galaxy.m_200c) for galaxy in galaxies], side="right")
    names = _bin_names(edges)
    colours = name_colours(names)
    step = 0.025 * (0.5 + np.ptp([galaxy.redshift for galaxy in galaxies]))
    for axis, variant in zip(axes, variants, strict=True):
        for index, name in enumerate(names):
            chosen = [
                g for g, n in zip(galaxies, number, strict=True) if n == index and g.run.variant == variant
            ]
            shift = step * (index - 0.5 * (len(names) - 1))
            if chosen:
                _draw_supplies(axis, chosen, shift, colours[name], name)
        if len(variants) > 1:
            title(axis, variant)
    axes[0].set_ylim(bottom=0.0)
    _pad_redshifts(axes[0], [galaxy.redshift for galaxy in galaxies])
    _explain_supply(axes[0])
    legend_below(figure)
    return figure


def draw_effective_surface_density(galaxies: Sequence[GalaxyPixels], path: Path | str) -> None:
    """Draw the effective surface density of star-forming regions against halo mass as PNG (Fig. 11).

    Medians and 16-84 % in bins of 0.5 dex with three galaxies or more, every galaxy small behind them, and
    M^(1/3) (1+z)^2 (eq. 13), whose amplitude is that of the median galaxy at the redshift with the most
    galaxies. Physics variants have a panel each.

    Parameters
    ----------
    galaxies : sequence of GalaxyPixels
        At any redshifts; those without star formation have no such density and are counted.
    path : Path
        The PNG to write; it is whole or untouched.

    Raises
    ------
    InputError
        Galaxies with and without helium together, or the file cannot be written.
    """
    save_png(effective_surface_density_figure(galaxies), path)


def effective_surface_density_figure(galaxies: Sequence[GalaxyPixels]) -> Figure:
    """Return the figure that `draw_effective_surface_density` saves."""
    helium = _helium_text(galaxies)
    variants = list(dict.fromkeys(galaxy.run.variant for galaxy in galaxies))
    label = rf"$\Sigma_{{\rm eff}}$  [${MSUN}\,$pc$^{{-2}}$], {_phase_text(galaxies)}, {helium}"
    figure, axes = panels(len(variants), HALO_MASS, label)
    if not galaxies:
        nothing_to_draw(axes[0], "no galaxy was mapped")
        return figure
    colours = redshift_colours(galaxy.target for galaxy in galaxies)
    shown = [g for g in galaxies if np.isfinite(g.effective_surface_density)]
    axes[0].set(
        xlim=log_limits([g.m_200c for g in galaxies], _MASS_RANGE),
        ylim=log_limits([g.effective_surface_density for g in shown], _SURFACE_RANGE),
    )
    for axis, variant in zip(axes, variants, strict=True):
        chosen = [g for g in shown if g.run.variant == variant]
        missing = sum(g.run.variant == variant for g in galaxies) - len(chosen)
        for redshift, colour in colours.items():
            _draw_surface_densities(axis, [g for g in chosen if g.target == redshift], colour, redshift)
        if chosen:
            _draw_equation_13(axis, chosen, colours)
        else:
            note(axis, "no galaxy with star-forming pixels")
        if missing:
            corner(axis, f"{missing} without star-forming pixels, not shown", "lower right")
        if len(variants) > 1:
            title(axis, variant)
    axes[0].plot(
        [], [], linestyle="none", marker="s", markersize=5.5, color="0.3",
        label=f"square: median and 16-84 % of {FEWEST} or more",
    )  # fmt: skip
    legend_below(figure)
    return figure


def _helium_text(galaxies: Sequence[GalaxyPixels]) -> str:
    kinds = {galaxy.helium for galaxy in galaxies}
    if len(kinds) > 1:
        raise InputError("gas of the galaxies", "some with and some without helium", "one convention")
    return "with He" if True in kinds else "H only"


def _phase_text(galaxies: Sequence[GalaxyPixels]) -> str:
    return ", ".join(dict.fromkeys(galaxy.phase for galaxy in galaxies)) or "neutral"


def _aperture_text(galaxies: Sequence[GalaxyPixels]) -> str:
    """Radius of the sphere of the supply; a range where galaxies differ, the paper's without any."""
    found = sorted({f"{galaxy.aperture:.2g}" for galaxy in galaxies} or {f"{SUPPLY_RADIUS:g}"}, key=float)
    radius = found[0] if len(found) == 1 else rf"{found[0]}{{\rm -}}{found[-1]}"
    return rf"<{radius}\,R_{{\rm vir}}"


def _bin_names(edges: FloatArray) -> list[str]:
    if edges.size == 0:
        return ["all haloes"]
    mass = r"\log M_{\rm halo}"
    inner = [rf"${a:g} \leq {mass} < {b:g}$" for a, b in pairwise(edges)]
    return [rf"${mass} < {edges[0]:g}$", *inner, rf"${mass} \geq {edges[-1]:g}$"]


def _draw_supplies(
    axis: Axes, galaxies: Sequence[GalaxyPixels], shift: float, colour: Colour, name: str
) -> None:
    """One mass bin: its symbols at every target redshift, moved sideways a little."""
    axis.plot([], [], linestyle="none", marker="o", color=colour, markersize=5, label=name)
    for target in dict.fromkeys(galaxy.target for galaxy in galaxies):
        chosen = [galaxy for galaxy in galaxies if galaxy.target == target]
        x = np.array([galaxy.redshift for galaxy in chosen])
        for (
            gid,
            values,
            face,
            wider,
        ) in (  # all gas in rings around the neutral gas, seen where they are equal
            (TOTAL, np.array([galaxy.supply_total for galaxy in chosen]), "white", 3.0),
            (NEUTRAL, np.array([galaxy.supply for galaxy in chosen]), colour, 0.0),
        ):
            symbol: dict[str, Any] = {"color": colour, "markerfacecolor": face, "linestyle": "none"}
            if len(chosen) < FEWEST:
                axis.plot(x + shift, values, marker="o", markersize=3.0 + wider, gid=gid, **symbol)
                continue
            low, middle, high = spread(values)
            bars = axis.errorbar(
                np.median(x) + shift, middle, yerr=[[middle - low], [high - middle]], elinewidth=0.8,
                marker="s", markersize=4.5 + wider, zorder=4, **symbol,
            )  # fmt: skip
            bars.lines[0].set_gid(gid)


def _explain_supply(axis: Axes) -> None:
    for face, text in (("0.3", "filled: neutral and molecular"), ("white", "open: all gas")):
        axis.plot([], [], linestyle="none", marker="o", color="0.3", markerfacecolor=face, label=text)
    axis.plot(
        [], [], linestyle="none", marker="s", color="0.3",
        label=f"square: median and 16-84 % of {FEWEST} or more",
    )  # fmt: skip


def _pad_redshifts(axis: Axes, redshifts: Sequence[float]) -> None:
    low, high = min(redshifts), max(redshifts)
    room = 0.08 * (high - low) + 0.3
    axis.set_xlim(low - room, high + room)


def _draw_surface_densities(
    axis: Axes, galaxies: Sequence[GalaxyPixels], colour: Colour, redshift: float
) -> None:
    """Galaxies of one target redshift, and their medians in bins of halo mass."""
    if not galaxies:
        return
    mass = np.array([galaxy.m_200c for galaxy in galaxies])
    surface = np.array([galaxy.effective_surface_density for galaxy in galaxies])
    axis.plot(
        mass, surface, linestyle="none", marker="o", markersize=3.0, color=colour, alpha=0.5,
        markeredgewidth=0.0, gid=f"{GALAXIES}:{redshift:g}", zorder=2,
    )  # fmt: skip
    axis.plot([], [], linestyle="none", marker="o", markersize=5.0, color=colour, label=f"z = {redshift:g}")
    index = np.floor(np.log10(mass) / MASS_BIN).astype(int)
    for number in np.unique(index):
        inside = index == number
        if np.count_nonzero(inside) < FEWEST:
            continue
        low, middle, high = spread(surface[inside])
        bars = axis.errorbar(
            np.median(mass[inside]), middle, yerr=[[middle - low], [high - middle]], marker="s",
            markersize=5.5, color=colour, elinewidth=1.0, linestyle="none", zorder=4,
        )  # fmt: skip
        bars.lines[0].set_gid(f"{MEDIANS}:{redshift:g}")


def _draw_equation_13(axis: Axes, galaxies: Sequence[GalaxyPixels], colours: dict[float, Colour]) -> None:
    """M^(1/3) (1+z)^2 through the median galaxy of the redshift with the most galaxies."""
    targets = [galaxy.target for galaxy in galaxies]
    reference = max(dict.fromkeys(targets), key=lambda z: (targets.count(z), -z))
    anchors = [
        galaxy.effective_surface_density / float(relative_surface_density(galaxy.m_200c, galaxy.redshift))
        for galaxy in galaxies
        if galaxy.target == reference
    ]
    mass = np.geomspace(*log_limits([g.m_200c for g in galaxies], _MASS_RANGE), 50)
    for redshift in dict.fromkeys(targets):
        line = float(np.median(anchors)) * relative_surface_density(mass, redshift)
        axis.plot(
            mass, line, linestyle="--", linewidth=1.0, color=colours[redshift], zorder=1,
            gid=f"{EQUATION_13}:{redshift:g}",
        )  # fmt: skip
    axis.plot(
        [], [], linestyle="--", linewidth=1.0, color="0.3",
        label=rf"$\propto M^{{1/3}}(1+z)^2$ (eq. 13), normalised at z = {reference:g}",
    )  # fmt: skip
