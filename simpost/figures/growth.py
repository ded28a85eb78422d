"""Growth histories: halo and stellar mass along main branches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simpost.core.cosmology import Cosmology
from simpost.figures.canvas import TEXT_SIZE, new_figure, save_png
from simpost.figures.relation_axes import (
    HALO_MASS,
    SMALL,
    STELLAR_MASS,
    Colour,
    FloatArray,
    corner,
    down_arrows,
    dress,
    legend_below,
    name_colours,
    note,
    nothing_to_draw,
    plain,
)
from simpost.trees.track import MERGER_JUMP, Track

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BRIDGED = "bridged"  # gids
MASS_JUMP = "mass-jump"
_REDSHIFT_TICKS = (30, 20, 15, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2.5, 2, 1.5, 1, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0)
_CLOSEST_TICKS = 0.055  # of the width of the axis
_MYR_PER_GYR = 1e3


def draw_growth_histories(tracks: Mapping[str, Track], path: Path | str) -> None:
    """Draw M_halo(t) and M_*(t) of main branches as PNG.

    Bridged snapshots have open symbols, changes of the halo mass by more than 25 % between two snapshots
    a triangle; snapshots without stars an arrow at the lower edge.

    Parameters
    ----------
    tracks : mapping of label to Track
        Histories to draw together.
    path : Path
        The PNG to write; it is whole or untouched.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    save_png(growth_histories_figure(tracks), path)


def growth_histories_figure(tracks: Mapping[str, Track]) -> Figure:
    """Return the figure that `draw_growth_histories` saves."""
    figure = new_figure(4.6, 5.2)
    above, below = figure.subplots(2, 1, sharex=True)
    for axis, label in ((above, HALO_MASS), (below, STELLAR_MASS)):
        dress(axis, log_x=False)
        axis.set_ylabel(label, fontsize=TEXT_SIZE)
    below.set_xlabel("age of the universe [Gyr]", fontsize=TEXT_SIZE)
    if not tracks:
        nothing_to_draw(above, "no track")
        nothing_to_draw(below, "no track")
        return figure
    for (name, track), colour in zip(tracks.items(), name_colours(tracks).values(), strict=True):
        _draw(above, track, track.m_halo, colour, name)
        _draw(below, track, track.m_star, colour, "")
        _mark_jumps(above, track)
    _explain(above, tracks)
    _tell_stars(below, tracks)
    _draw_redshifts(above, [track.cosmology for track in tracks.values()])
    legend_below(figure)
    return figure


def _draw(axis: Axes, track: Track, mass: FloatArray, colour: Colour, label: str) -> None:
    time = track.time / _MYR_PER_GYR
    shown = np.where(mass > 0.0, mass, np.nan)
    options: dict[str, Any] = {"color": colour, "markersize": 2.5}
    axis.plot(
        time,
        shown,
        linewidth=0.9,
        label=plain(label) if label else None,
        gid=f"history:{track.name}",
        **options,
    )
    found = ~track.is_bridged
    axis.plot(time[found], shown[found], linestyle="none", marker="o", **options)
    if np.any(track.is_bridged):
        axis.plot(
            time[track.is_bridged], shown[track.is_bridged], linestyle="none", marker="o",
            markerfacecolor="white", color=colour, markersize=4.5, gid=BRIDGED, zorder=4,
        )  # fmt: skip
    down_arrows(axis, time[mass == 0.0], colour)


def _mark_jumps(axis: Axes, track: Track) -> None:
    at = track.mass_jump
    if np.any(at):
        axis.plot(
            track.time[at] / _MYR_PER_GYR, 1.35 * track.m_halo[at], linestyle="none", marker="v",
            markersize=4.0, color="black", markerfacecolor="none", markeredgewidth=0.7, gid=MASS_JUMP,
        )  # fmt: skip


def _explain(axis: Axes, tracks: Mapping[str, Track]) -> None:
    """Legend entries of the symbols that occur, with their numbers."""
    counts = np.sum(
        [
            [np.count_nonzero(marks) for marks in (track.is_bridged, track.mass_jump, track.has_no_stars)]
            for track in tracks.values()
        ],
        axis=0,
    )
    meaning = ("bridged", f"halo mass changes by > {100 * MERGER_JUMP:.0f} %", "no stars")
    for marker, text, count in zip(("o", "v", r"$\downarrow$"), meaning, counts, strict=True):
        if count:
            axis.plot(
                [], [], linestyle="none", marker=marker, color="0.2", markersize=4.5,
                markerfacecolor="0.2" if text == "no stars" else "white", label=f"{text} ({count} snapshots)",
            )  # fmt: skip


def _tell_stars(axis: Axes, tracks: Mapping[str, Track]) -> None:
    unknown = [name for name, track in tracks.items() if not np.any(np.isfinite(track.m_star))]
    if len(unknown) == len(tracks):
        note(axis, "no stellar mass in the catalogues")
    elif not any(np.any(track.m_star > 0.0) for track in tracks.values()):
        note(axis, "no stars at any snapshot")
    elif unknown:
        corner(axis, f"stellar mass unknown: {', '.join(unknown)}")


def _draw_redshifts(axis: Axes, cosmologies: list[Cosmology]) -> None:
    """Redshifts along the top, where all runs have one age at each."""
    first = cosmologies[0]
    background = {(c.h0, c.omega_m, c.omega_lambda) for c in cosmologies}
    if len(background) > 1:
        axis.set_title("no redshift axis: the runs' cosmologies differ", fontsize=SMALL)
        return
    axis.tick_params(top=False)
    ages = first.age(1.0 / (1.0 + np.array(_REDSHIFT_TICKS, dtype=float))) / _MYR_PER_GYR
    low, high = axis.get_xlim()
    chosen: list[int] = []
    for i in np.flatnonzero((ages >= low) & (ages <= high)):
        if not chosen or ages[i] - ages[chosen[-1]] > _CLOSEST_TICKS * (high - low):
            chosen.append(int(i))
    top = axis.secondary_xaxis("top")
    top.set_xticks(ages[chosen], labels=[f"{_REDSHIFT_TICKS[i]:g}" for i in chosen])
    top.minorticks_off()
    top.tick_params(labelsize=SMALL, direction="in")
    top.set_xlabel("redshift", fontsize=TEXT_SIZE)
