"""Depletion time over gas surface density in pixels (Shen+2025 Fig. 9)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simpost.analysis.halo import hubble_time
from simpost.analysis.relations import Relation
from simpost.analysis.simulation_sets import PixelSample
from simpost.analysis.turbulent_equilibrium import FUDGE
from simpost.core.cosmology import Cosmology
from simpost.figures.canvas import TEXT_SIZE, new_figure, save_png
from simpost.figures.kennicutt_schmidt import (
    FLOOR,
    MOMENTA,
    RATIO,
    axis_labels,
    depletion,
    draw_equilibrium,
    draw_relations,
    draw_statistic,
    explain_statistics,
    gas_limits,
    sample_colours,
    sample_text,
)
from simpost.figures.relation_axes import (
    Colour,
    dress,
    legend_below,
    log_limits,
    note,
    nothing_to_draw,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HUBBLE_TIME = "hubble-time"  # gid
_TIME_RANGE = (1e-2, 20.0)  # Gyr, shown at least
_HUBBLE_FROM = 0.88  # of the width of the axis


def draw_depletion_time(
    samples: Sequence[PixelSample],
    cosmology: Cosmology,
    path: Path | str,
    *,
    imf: str = "chabrier",
    momentum: Sequence[float] = MOMENTA,
    fudge: float = FUDGE,
    relations: Sequence[Relation] | None = None,
) -> None:
    """Draw the depletion time over Sigma_gas of samples of pixels as PNG (Fig. 9).

    Medians over star-forming pixels are solid, open where not resolved; the ratio of sums is dashed. Short
    dotted lines at the right edge are the Hubble times 1/H(z).

    Parameters
    ----------
    samples : sequence of PixelSample
        All of one phase, tracer and helium convention.
    cosmology : Cosmology
        For the Hubble times.
    path : Path
        The PNG to write; it is whole or untouched.
    imf, momentum, fudge, relations
        As for `draw_kennicutt_schmidt`.

    Raises
    ------
    InputError
        Samples that differ in phase, tracer or helium, an unknown IMF, or the file cannot be written.
    """
    figure = depletion_time_figure(
        samples, cosmology, imf=imf, momentum=momentum, fudge=fudge, relations=relations
    )
    save_png(figure, path)


def depletion_time_figure(
    samples: Sequence[PixelSample],
    cosmology: Cosmology,
    *,
    imf: str = "chabrier",
    momentum: Sequence[float] = MOMENTA,
    fudge: float = FUDGE,
    relations: Sequence[Relation] | None = None,
) -> Figure:
    """Return the figure that `draw_depletion_time` saves."""
    gas_label, rate_label, helium = axis_labels(samples)
    figure = new_figure(4.6, 4.2)
    axis = figure.subplots()
    dress(axis)
    axis.set_xlabel(gas_label, fontsize=TEXT_SIZE)
    axis.set_ylabel(rf"$t_{{\rm dep}}$  [Gyr], {rate_label.rsplit(', ', 1)[-1]}", fontsize=TEXT_SIZE)
    if not samples:
        nothing_to_draw(axis, "no galaxy was mapped")
        return figure
    times = np.concatenate([sample.relation.depletion_time for sample in samples])
    axis.set(xlim=gas_limits(samples), ylim=log_limits(times, _TIME_RANGE))
    gas = np.geomspace(*gas_limits(samples), 200)
    colours = sample_colours(samples)
    for sample, colour in zip(samples, colours, strict=True):
        label = sample_text(sample, samples)
        draw_statistic(axis, sample, sample.relation.depletion_time, colour, label)
        gas_of_ratio = sample.relation.mean_gas
        ratio = depletion(gas_of_ratio, np.nan_to_num(sample.relation.ratio))
        axis.plot(gas_of_ratio, ratio, color=colour, linewidth=1.0, linestyle="--", gid=RATIO, zorder=4)
    if not np.any(np.isfinite(times)):
        note(axis, "no pixel forms stars")
    _shade_unresolved(axis, samples, gas)
    explain_statistics(axis)
    draw_equilibrium(axis, gas, momentum, fudge, as_time=True)
    draw_relations(axis, gas, imf, helium, relations, as_time=True)
    _draw_hubble_times(axis, samples, colours, cosmology)
    legend_below(figure)
    return figure


def _shade_unresolved(axis: Axes, samples: Sequence[PixelSample], gas: np.ndarray) -> None:
    """Shade the times longer than that of one young particle in a pixel."""
    top = axis.get_ylim()[1]
    floors = sorted({sample.relation.floor for sample in samples if sample.relation.floor > 0.0})
    for index, floor in enumerate(floors):
        longest = np.minimum(depletion(gas, np.full_like(gas, floor)), top)
        axis.fill_between(
            gas, longest, top, color="0.5", alpha=0.18, linewidth=0, gid=FLOOR, zorder=0,
            label="below one young star particle a pixel" if index == 0 else None,
        )  # fmt: skip


def _draw_hubble_times(
    axis: Axes, samples: Sequence[PixelSample], colours: Sequence[Colour], cosmology: Cosmology
) -> None:
    """Short lines at the right edge, one for each redshift, in its colour if only one sample has it."""
    redshifts = [sample.redshift for sample in samples]
    found = list(dict.fromkeys(redshifts))
    for redshift in found:
        time = float(hubble_time(redshift, cosmology)) / 1e3
        colour = colours[redshifts.index(redshift)] if redshifts.count(redshift) == 1 else "0.3"
        axis.axhline(time, xmin=_HUBBLE_FROM, color=colour, linewidth=1.6, linestyle=":", gid=HUBBLE_TIME)
    label = f"Hubble times (right edge), z = {', '.join(f'{z:g}' for z in found)}"
    axis.plot([], [], color="0.3", linewidth=1.6, linestyle=":", label=label)
