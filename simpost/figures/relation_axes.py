"""What the figures of relations share: panels, logarithmic axes, colours, markers, notes and legends."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.analysis.relations import ConvertedRelation, Relation
from simpost.analysis.simulation_sets import RunLabel
from simpost.figures.canvas import TEXT_SIZE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colour = str | tuple[float, ...]
FloatArray = NDArray[np.float64]

CENTRALS = "centrals"  # gids, by which artists are found in the figures
NOT_ON_AXIS = "not-on-axis"
NOTE = "note"

GREY = "0.72"  # of what stands in the background
SMALL = TEXT_SIZE - 1.0
MSUN = r"\mathrm{M}_\odot"
HALO_MASS = rf"$M_{{\rm halo}}$  [${MSUN}$]"
STELLAR_MASS = rf"$M_*$  [${MSUN}$]"

_LEVEL_MARKERS = {"L4": "o", "L8": "s", "L16": "*"}  # Shen+2025
_OTHER_MARKERS = "D^vPXhpd<>"
_RUN_COLOURS = (
    "#0072b2", "#009e73", "#cc79a7", "#a50026", "#56b4e9", "#7f3fbf", "#8c564b", "#d55e00",
    "#556b2f", "#17becf", "#ff69b4", "#1f3a93", "#e69f00", "#b8860b",
)  # fmt: skip
_PAPER = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.0}  # behind text on lines
_MOST_PANELS = 3  # side by side
_PANEL_WIDTH, _PANEL_HEIGHT = 2.35, 2.3  # inch
_SINGLE_PANEL = (4.2, 3.4)  # inch
_MOST_COLUMNS = 4  # of the legend
_LETTERS_PER_INCH = 19.0  # of the small text
_LONGEST_TEXT = 44  # letters of a line of the legend


@dataclass(frozen=True)
class RunStyle:
    """How the galaxies of a run are drawn: open symbols are physics variants."""

    colour: Colour
    marker: str
    is_filled: bool

    @property
    def symbol(self) -> dict[str, Any]:
        """Keywords for a line of symbols."""
        return {
            "marker": self.marker,
            "color": self.colour,
            "markersize": 7.0 if self.marker == "*" else 4.5,
            "markerfacecolor": self.colour if self.is_filled else "white",
            "linestyle": "none",
        }


def level_markers(levels: Iterable[str]) -> dict[str, str]:
    """Marker of each resolution level: those of Shen+2025 for theirs, others for any other name."""
    found = dict.fromkeys(levels)
    others = (level for level in found if level not in _LEVEL_MARKERS)
    own = {level: _OTHER_MARKERS[i % len(_OTHER_MARKERS)] for i, level in enumerate(others)}
    return {level: _LEVEL_MARKERS.get(level) or own[level] for level in found}


def run_styles(runs: Iterable[RunLabel]) -> dict[RunLabel, RunStyle]:
    """Style of each run: a colour for the run, a marker for its level, open unless of the first variant."""
    found = list(dict.fromkeys(runs))
    markers = level_markers(run.level for run in found)
    colours = name_colours(run.name for run in found)
    return {
        run: RunStyle(colours[run.name], markers[run.level], run.variant == found[0].variant) for run in found
    }


def plain(text: str) -> str:
    """A user's words as a label: no mathematics, and shown though they begin with an underscore."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def run_text(run: RunLabel) -> str:
    """Name, level and variant of a run, for a legend."""
    return plain(", ".join(part for part in (run.name, run.level, run.variant) if part))


def name_colours(names: Iterable[str]) -> dict[str, Colour]:
    """A colour of its own for each of up to 14 names."""
    found = dict.fromkeys(names)
    return {name: _RUN_COLOURS[i % len(_RUN_COLOURS)] for i, name in enumerate(found)}


def redshift_colours(redshifts: Iterable[float]) -> dict[float, Colour]:
    """From violet (late) to orange (early), in order; call it after `new_figure`."""
    from matplotlib import colormaps

    found = sorted(set(redshifts))
    shades = np.linspace(0.08, 0.82, len(found)) if len(found) > 1 else np.array([0.08])
    return {z: tuple(colormaps["plasma"](shade)) for z, shade in zip(found, shades, strict=True)}


def panels(
    count: int, x_label: str, y_label: str, *, log_x: bool = True, log_y: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels (at least one) with shared axes, labelled at the left and below."""
    count = max(count, 1)
    columns = 2 if count == 4 else min(count, _MOST_PANELS)
    rows = -(-count // columns)
    if count == 1:
        figure = new_figure(*_SINGLE_PANEL)
    else:
        figure = new_figure(_PANEL_WIDTH * columns, _PANEL_HEIGHT * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    axes = list(grid.flat)[:count]
    for axis in grid.flat[count:]:
        axis.set_visible(False)
    for index, axis in enumerate(axes):
        dress(axis, log_x=log_x, log_y=log_y)
        if index % columns == 0:
            axis.set_ylabel(y_label, fontsize=TEXT_SIZE)
        if index >= count - columns:  # no panel below it
            axis.set_xlabel(x_label, fontsize=TEXT_SIZE)
            axis.tick_params(labelbottom=True)
    return figure, axes


def title(axis: Axes, text: str) -> None:
    """What stands above a panel."""
    axis.set_title(text, fontsize=TEXT_SIZE + 1.0, parse_math=False)


def line_text(axis: Axes, x: float, slope: float, text: str, gid: str | None = None) -> None:
    """Text along the line y = slope x of logarithmic axes, just above it, where that is in the panel."""
    bottom, top = axis.get_ylim()
    if bottom < slope * x < top:
        axis.text(
            x, 1.1 * slope * x, text, fontsize=SMALL - 1.0, color="0.4", ha="left", va="bottom",
            rotation=float(np.degrees(np.arctan(slope))), rotation_mode="anchor",
            transform_rotates_text=True, clip_on=True, gid=gid,
        )  # fmt: skip


def dress(axis: Axes, *, log_x: bool = True, log_y: bool = True) -> None:
    """Scales and ticks of the house."""
    axis.set(xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
    axis.tick_params(labelsize=SMALL, direction="in", which="both", top=True, right=True)


def log_limits(values: ArrayLike, at_least: tuple[float, float], padding: float = 0.1) -> tuple[float, float]:
    """Limits of a log axis: `at_least`, or further where values lie beyond; `padding` in dex."""
    found = np.asarray(values, dtype=float).ravel()
    found = found[np.isfinite(found) & (found > 0.0)]
    low, high = at_least
    if found.size:
        low = min(low, float(found.min()) * 10.0**-padding)
        high = max(high, float(found.max()) * 10.0**padding)
    return low, high


def note(axis: Axes, text: str) -> None:
    """Say in the middle of an empty panel why it is empty."""
    axis.text(
        0.5, 0.5, wrapped(axis, text), transform=axis.transAxes, ha="center", va="center",
        fontsize=TEXT_SIZE, color="0.3", gid=NOTE, parse_math=False, zorder=6, bbox=_PAPER,
    )  # fmt: skip


def nothing_to_draw(axis: Axes, text: str) -> None:
    """An axis without scales that says why it is empty."""
    axis.set(xticks=[], yticks=[])
    axis.minorticks_off()
    note(axis, text)


def corner(axis: Axes, text: str, place: str = "upper left", *, math_text: bool = False) -> None:
    """Small text in a corner of a panel."""
    vertical, horizontal = place.split()
    axis.text(
        0.04 if horizontal == "left" else 0.96,
        0.96 if vertical == "upper" else 0.04,
        text if math_text else wrapped(axis, text),
        transform=axis.transAxes, ha=horizontal, va="top" if vertical == "upper" else "bottom",
        fontsize=SMALL, gid=NOTE, parse_math=math_text, zorder=6,
        bbox=_PAPER,
    )  # fmt: skip


def wrapped(axis: Axes, text: str) -> str:
    """Text in lines that are no longer than the panel is wide."""
    inches = axis.get_window_extent().width / axis.figure.dpi
    letters = max(int(0.85 * _LETTERS_PER_INCH * inches), 16)
    return "\n".join(line for part in text.split("\n") for line in textwrap.wrap(part, letters) or [""])


def down_arrows(axis: Axes, x: ArrayLike, colour: Colour) -> None:
    """Arrows at the lower edge where a value is zero or negative and cannot be on a log axis."""
    x = np.asarray(x, dtype=float)
    if x.size:
        axis.plot(
            x, np.full(x.shape, 0.03), linestyle="none", marker=r"$\downarrow$", markersize=6.0,
            color=colour, transform=axis.get_xaxis_transform(), gid=NOT_ON_AXIS, zorder=5,
        )  # fmt: skip


def draw_law(
    axis: Axes,
    x: FloatArray,
    y: FloatArray,
    is_extrapolated: NDArray[np.bool_],
    *,
    colour: Colour,
    label: str,
    gid: str,
    style: Any = "-",
    beyond: Any = ":",
    width: float = 1.2,
) -> None:
    """Draw a line in one style where it was measured, and in another where it is extrapolated."""
    options: dict[str, Any] = {"color": colour, "linewidth": width, "zorder": 3}
    axis.plot(x, np.where(is_extrapolated, np.nan, y), linestyle=style, label=label, gid=gid, **options)
    if is_extrapolated.any():
        outside = np.where(is_extrapolated, y, np.nan)
        axis.plot(x, outside, linestyle=beyond, gid=f"{gid}:extrapolated", **options)


def convention_text(relation: Relation, converted: ConvertedRelation) -> str:
    """Legend of a relation: source, own convention, and in a second line the factors of its conversion."""
    helium = {True: "with He", False: "without He", None: "He unsure"}
    parts = [] if relation.imf == "any" else [f"{(relation.imf or 'unsure').capitalize()} IMF"]
    parts += [] if relation.helium == "any" else [helium[relation.helium]]
    text = f"{relation.source.split(',')[0]} ({', '.join(parts)})" if parts else relation.source
    factors = (("gas", converted.x_factor), ("rate", converted.y_factor))
    converted_by = [f"{name} x {factor:.3g}" for name, factor in factors if factor != 1.0]
    return f"{text},\n{', '.join(converted_by)}" if converted_by else text


def convert(relation: Relation, imf: str | None, helium: bool | None) -> ConvertedRelation:
    """A relation in the convention of the data, as far as its own is known."""
    return relation.in_convention(
        imf=None if relation.imf is None else imf, helium=None if relation.helium is None else helium
    )


def legend_text(axis: Axes, text: str) -> None:
    """A line of the legend that stands for no symbol."""
    axis.plot([], [], linestyle="none", gid=NOTE, label="\n".join(textwrap.wrap(plain(text), _LONGEST_TEXT)))


def legend_below(figure: Figure) -> None:
    """One legend of everything labelled below the panels, in the columns that fit; the figure grows by it."""
    handles: dict[str, Any] = {}
    texts = figure.findobj(lambda artist: artist.get_gid() == NOTE)
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if not handles:
        return
    handles = dict(sorted(handles.items(), key=lambda entry: entry[1] in texts))
    for columns in range(min(_MOST_COLUMNS, len(handles)), 0, -1):
        legend = figure.legend(
            list(handles.values()), list(handles), loc="outside lower center", ncols=columns, fontsize=SMALL,
            frameon=False, handlelength=2.6, columnspacing=1.2, labelspacing=0.3,
        )  # fmt: skip
        size = legend.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        if columns == 1 or size.width <= figure.get_figwidth():
            figure.set_figheight(figure.get_figheight() + size.height)
            return
        legend.remove()


def spread(values: FloatArray) -> tuple[float, float, float]:
    """16th, 50th and 84th percentile."""
    low, middle, high = (float(x) for x in np.percentile(values, (16.0, 50.0, 84.0)))
    return low, middle, high
