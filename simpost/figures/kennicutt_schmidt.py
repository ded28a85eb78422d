"""Star formation over gas in pixels, by redshift or by run (Shen+2025 Figs 8, 10, 12, 15)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simpost.analysis.relations import Relation, relation
from simpost.analysis.simulation_sets import PixelSample
from simpost.analysis.turbulent_equilibrium import (
    FUDGE,
    MOMENTUM_FIDUCIAL,
    MOMENTUM_SUPERNOVAE,
    star_formation_surface_density,
)
from simpost.core.errors import InputError
from simpost.figures.canvas import TEXT_SIZE, new_figure, save_png
from simpost.figures.relation_axes import (
    MSUN,
    Colour,
    FloatArray,
    convention_text,
    convert,
    dress,
    legend_below,
    legend_text,
    line_text,
    log_limits,
    name_colours,
    note,
    nothing_to_draw,
    plain,
    redshift_colours,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEDIAN, UNRESOLVED, RATIO, BAND = "median", "unresolved", "ratio", "band"  # gids
FLOOR, EQUILIBRIUM, RELATION, CONSTANT_TIME = "floor", "equilibrium", "relation", "constant-time"
DISTRIBUTION = "distribution"

MOMENTA = (MOMENTUM_FIDUCIAL, MOMENTUM_SUPERNOVAE)  # km/s, with and without early feedback
RELATIONS = ("k98", "kdr21_ms", "kdr21_sb")  # drawn where all their coefficients are known
DEPLETION_TIMES = (0.1, 1.0, 10.0)  # Gyr
GAS_RANGE = (1.0, 3e3)  # Msun/pc^2, shown at least
_RATE_RANGE = (1e-5, 1e2)
_MOST_GAS = 1e4  # Msun/pc^2: the equilibrium holds to here (radiation pressure above)
_RATE_PER_GAS_AND_TIME = 1e-3  # Msun/yr/kpc^2 of 1 Msun/pc^2 in 1 Gyr
_EQUILIBRIUM_STYLES = ("-.", (0, (1, 1)), (0, (7, 2)), (0, (3, 1, 1, 1, 1, 1)))
_RELATION_STYLES = ("-", (0, (6, 2)), (0, (4, 1, 1, 1)), (0, (1, 1.5)))


def draw_kennicutt_schmidt(
    samples: Sequence[PixelSample],
    path: Path | str,
    *,
    imf: str = "chabrier",
    momentum: Sequence[float] = MOMENTA,
    fudge: float = FUDGE,
    relations: Sequence[Relation] | None = None,
) -> None:
    """Draw Sigma_SFR over Sigma_gas of samples of pixels as PNG (Figs 8 and 10).

    Above, the distribution of gas surface density weighted by star formation. Below, the median over
    star-forming pixels with 16-84 % (solid; open symbols where it is not resolved) and the ratio of sums
    (dashed), the resolution floors shaded, lines of equilibrium (eqs 11, 12) labelled with their P/m,
    published relations in the convention of the data, and constant depletion times.

    Parameters
    ----------
    samples : sequence of PixelSample
        By redshift, or by run at one redshift; all of one phase, tracer and helium convention.
    path : Path
        The PNG to write; it is whole or untouched.
    imf : str
        Of the simulations; default that of Shen+2025. Relations are converted to it.
    momentum : sequence of float
        P/m of the lines of equilibrium [km/s]; default 8000 and 3000 (Shen+2025 section 4.3).
    fudge : float
        f of eq. 12; default 0.3.
    relations : sequence of Relation, optional
        To compare with, those with unknown coefficients left out; default Kennicutt (1998) and
        Kennicutt & de los Reyes (2021).

    Raises
    ------
    InputError
        Samples that differ in phase, tracer or helium, an unknown IMF, or the file cannot be written.
    """
    figure = kennicutt_schmidt_figure(samples, imf=imf, momentum=momentum, fudge=fudge, relations=relations)
    save_png(figure, path)


def kennicutt_schmidt_figure(
    samples: Sequence[PixelSample],
    *,
    imf: str = "chabrier",
    momentum: Sequence[float] = MOMENTA,
    fudge: float = FUDGE,
    relations: Sequence[Relation] | None = None,
) -> Figure:
    """Return the figure that `draw_kennicutt_schmidt` saves."""
    gas_label, rate_label, helium = axis_labels(samples)
    figure = new_figure(4.6, 5.6)
    above, main = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 3.4))
    dress(main)
    dress(above, log_y=False)
    main.set_xlabel(gas_label, fontsize=TEXT_SIZE)
    main.set_ylabel(rate_label, fontsize=TEXT_SIZE)
    above.set_ylabel("SFR-weighted\nd$p$/dlog$\\Sigma$", fontsize=TEXT_SIZE)
    if not samples:
        nothing_to_draw(above, "no pixels")
        nothing_to_draw(main, "no galaxy was mapped")
        return figure
    colours = sample_colours(samples)
    rates = np.concatenate([np.append(s.relation.p16, s.relation.p84) for s in samples])
    main.set(xlim=gas_limits(samples), ylim=log_limits(rates, _RATE_RANGE))
    for sample, colour in zip(samples, colours, strict=True):
        _draw_distribution(above, sample, colour)
        _draw_sample(main, sample, colour, sample_text(sample, samples))
    above.set_ylim(bottom=0.0)
    if not any(np.any(sample.by_rate > 0.0) for sample in samples):
        note(above, "no star formation")
        note(main, "no pixel forms stars")
    _draw_floors(main, samples)
    gas = np.geomspace(*gas_limits(samples), 200)
    _draw_constant_times(main, gas)
    explain_statistics(main)
    draw_equilibrium(main, gas, momentum, fudge, as_time=False)
    draw_relations(main, gas, imf, helium, relations, as_time=False)
    legend_below(figure)
    return figure


def axis_labels(samples: Sequence[PixelSample]) -> tuple[str, str, bool]:
    """Labels of the gas and the rate with phase, helium and tracer, and whether helium counts.

    Raises
    ------
    InputError
        The samples differ in one of them.
    """
    kinds = {(s.pixels.phase, s.pixels.helium, s.pixels.star_formation) for s in samples}
    if len(kinds) > 1:
        found = "; ".join(f"{p}, {'with' if h else 'without'} helium, {t}" for p, h, t in sorted(kinds))
        raise InputError("samples of pixels", found, "one phase, helium convention and tracer")
    phase, helium, tracer = next(iter(kinds), ("neutral", True, "young_stars"))
    symbol = {"neutral": r"HI+H_2", "molecular": r"H_2"}[phase]
    gas = rf"$\Sigma_{{\rm {symbol}}}$  [${MSUN}\,$pc$^{{-2}}$], {'with He' if helium else 'H only'}"
    source = {"young_stars": "stars < 10 Myr", "instantaneous": "gas cells"}[tracer]
    return gas, rf"$\Sigma_{{\rm SFR}}$  [${MSUN}\,$yr$^{{-1}}\,$kpc$^{{-2}}$], {source}", helium


def sample_colours(samples: Sequence[PixelSample]) -> list[Colour]:
    """By redshift where every sample has one of its own, else by label."""
    redshifts = [sample.redshift for sample in samples]
    if len(set(redshifts)) == len(samples) > 1:
        by_redshift = redshift_colours(redshifts)
        return [by_redshift[z] for z in redshifts]
    names = [sample_text(sample, samples) for sample in samples]
    by_name = name_colours(names)
    return [by_name[name] for name in names]


def sample_text(sample: PixelSample, samples: Sequence[PixelSample]) -> str:
    """Label of a sample, with what else tells it from the others."""
    parts = [sample.label]
    if len({s.variant for s in samples}) > 1:
        parts.append(sample.variant)
    if len({s.redshift for s in samples}) > 1 and f"z = {sample.redshift:g}" != sample.label:
        parts.append(f"z = {sample.redshift:g}")
    return plain(", ".join(parts))


def draw_statistic(
    axis: Axes, sample: PixelSample, values: FloatArray, colour: Colour, label: str | None
) -> None:
    """The median statistic over the median gas of each bin: filled where resolved, open elsewhere."""
    x, resolved = 10.0**sample.relation.log_gas_median, sample.relation.is_resolved
    axis.plot(x, values, color=colour, linewidth=1.3, gid=MEDIAN, label=label, zorder=4)
    for chosen, face, gid in ((resolved, colour, MEDIAN), (~resolved, "white", UNRESOLVED)):
        if np.any(chosen & np.isfinite(values)):
            axis.plot(
                x[chosen], values[chosen], linestyle="none", marker="o", markersize=4.0, color=colour,
                markerfacecolor=face, gid=gid, zorder=5,
            )  # fmt: skip


def draw_equilibrium(
    axis: Axes, gas: FloatArray, momentum: Sequence[float], fudge: float, *, as_time: bool
) -> None:
    """Lines of eqs 11 and 12, to 1e4 Msun/pc^2, one for each P/m [km/s]."""
    gas = gas[gas <= _MOST_GAS]
    for value, style in zip(momentum, cycle(_EQUILIBRIUM_STYLES), strict=False):
        rate = star_formation_surface_density(gas, value, fudge)
        axis.plot(
            gas, depletion(gas, rate) if as_time else rate, color="black", linewidth=1.2, linestyle=style,
            label=f"equilibrium, P/m = {value:g} km/s, f = {fudge:g}", gid=f"{EQUILIBRIUM}:{value:g}",
            zorder=3,
        )  # fmt: skip


def draw_relations(
    axis: Axes,
    gas: FloatArray,
    imf: str,
    helium: bool,
    relations: Sequence[Relation] | None,
    *,
    as_time: bool,
) -> None:
    """Published relations in the data's convention, where measured; never one with unknown numbers."""
    chosen = [relation(key) for key in RELATIONS] if relations is None else relations
    known = [entry for entry in chosen if not entry.missing]
    unknown = dict.fromkeys(entry.source.split(",")[0] for entry in chosen if entry.missing)
    for entry, style in zip(known, cycle(_RELATION_STYLES), strict=False):
        converted = convert(entry, imf, helium)
        x = gas[converted.in_range(gas)]
        y = converted(x)
        axis.plot(
            x, depletion(x, y) if as_time else y, color="0.45", linewidth=1.6, linestyle=style, zorder=3,
            label=convention_text(entry, converted), gid=f"{RELATION}:{entry.key}",
        )  # fmt: skip
    if unknown:
        legend_text(axis, f"not drawn, zero point unknown: {', '.join(unknown)}")


def depletion(gas: FloatArray, rate: FloatArray) -> FloatArray:
    """Gas [Msun/pc^2] over rate [Msun/yr/kpc^2] in Gyr; NaN without a rate."""
    return np.divide(_RATE_PER_GAS_AND_TIME * gas, rate, out=np.full_like(rate, np.nan), where=rate > 0.0)


def explain_statistics(axis: Axes) -> None:
    """Legend entries of the two statistics and of unresolved bins."""
    entries: tuple[tuple[str, dict[str, Any]], ...] = (
        ("median of star-forming pixels", {"linestyle": "-", "marker": "o"}),
        ("open: median not resolved", {"linestyle": "-", "marker": "o", "markerfacecolor": "white"}),
        ("ratio of sums", {"linestyle": "--"}),
    )
    for text, style in entries:
        axis.plot([], [], color="0.3", linewidth=1.2, markersize=4.0, label=text, **style)


def gas_limits(samples: Sequence[PixelSample]) -> tuple[float, float]:
    """Limits [Msun/pc^2] that show every bin with star formation."""
    forming = [
        10.0
        ** np.concatenate([found.log_gas[:-1][found.median > 0.0], found.log_gas[1:][found.median > 0.0]])
        for found in (sample.relation for sample in samples)
    ]
    return log_limits(np.concatenate(forming), GAS_RANGE, padding=0.0)


def _draw_distribution(axis: Axes, sample: PixelSample, colour: Colour) -> None:
    if np.any(sample.by_rate > 0.0):
        axis.stairs(sample.by_rate, 10.0**sample.edges, color=colour, linewidth=1.1, gid=DISTRIBUTION)


def _draw_sample(axis: Axes, sample: PixelSample, colour: Colour, label: str) -> None:
    found = sample.relation
    x = 10.0**found.log_gas_median
    axis.fill_between(x, found.p16, found.p84, color=colour, alpha=0.15, linewidth=0, gid=BAND, zorder=1)
    draw_statistic(axis, sample, found.median, colour, label)
    ratio = np.where(found.ratio > 0.0, found.ratio, np.nan)
    axis.plot(found.mean_gas, ratio, color=colour, linewidth=1.0, linestyle="--", gid=RATIO, zorder=4)


def _draw_floors(axis: Axes, samples: Sequence[PixelSample]) -> None:
    """Shade below one young particle a pixel, darker where it is so for several samples."""
    bottom = axis.get_ylim()[0]
    floors = sorted({sample.relation.floor for sample in samples if sample.relation.floor > 0.0})
    for index, floor in enumerate(floors):
        axis.axhspan(
            bottom, max(floor, bottom), color="0.5", alpha=0.18, linewidth=0, gid=FLOOR, zorder=0,
            label="below one young star particle a pixel" if index == 0 else None,
        )  # fmt: skip


def _draw_constant_times(axis: Axes, gas: FloatArray) -> None:
    for time in DEPLETION_TIMES:
        slope = _RATE_PER_GAS_AND_TIME / time
        gid = f"{CONSTANT_TIME}:{time:g}"
        axis.plot(gas, slope * gas, color="0.6", linewidth=0.6, linestyle=":", gid=gid, zorder=0)
        line_text(axis, 1.3 * float(gas[0]), slope, rf"$t_{{\rm dep}}={time:g}$ Gyr", f"{gid}:text")
