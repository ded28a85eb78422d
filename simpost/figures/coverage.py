"""Bars of what a galaxy rests on: shares of the gas mass and of the luminosity, side by side."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from simpost.figures.canvas import EMPTY, TEXT_SIZE
from simpost.products.coverage_report import (
    OFF_GRID,
    SMALLEST,
    CoverageLine,
    coverage_lines,
    derived_inputs,
    line_name,
    shown,
)
from simpost.products.product import GalaxyProduct

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

ROW = 0.165  # inch
_FRAME = 0.35  # inch, for headings and the gap above
_SMALL = TEXT_SIZE - 1.0  # pt
_ON_GRID_COLOUR, _OFF_GRID_COLOUR = "#4c6a92", "#d1603d"
_CHARACTERS = 125  # of a line of text under the bars
_PANEL_WIDTH = 1.3  # of a whole bar: room for the number behind it


def coverage_height(product: GalaxyProduct) -> float:
    """Height of the panel [inch]; 0 where there is nothing to tell."""
    lines = _drawn(product)
    return _FRAME + ROW * (len(lines) + len(_caption(product))) if lines else 0.0


def draw_coverage(figure: SubFigure, product: GalaxyProduct) -> None:
    """Draw one row per thing that is true of at least 0.1 % of the mass or of the light."""
    lines = _drawn(product)
    mass, light = figure.subplots(1, 2, sharey=True)
    _draw_bars(mass, lines, [line.share_of_mass for line in lines], "share of the gas mass")
    _draw_bars(
        light, lines, [line.share_of_luminosity for line in lines], f"share of the {line_name(product)} light"
    )
    mass.set_yticks(range(len(lines)), [line.label for line in lines], fontsize=_SMALL)
    mass.set_ylim(len(lines) - 0.4, -0.6)
    figure.supxlabel("\n".join(_caption(product)), fontsize=_SMALL, color="0.3", x=0.01, ha="left")


def _drawn(product: GalaxyProduct) -> list[CoverageLine]:
    return [line for line in coverage_lines(product) if line.largest >= SMALLEST]


def _caption(product: GalaxyProduct) -> list[str]:
    derived = derived_inputs(product)
    return textwrap.wrap(f"Derived, not read: {derived}", _CHARACTERS) if derived else []


def _draw_bars(axis: Axes, lines: list[CoverageLine], shares: list[float], heading: str) -> None:
    colours = [_OFF_GRID_COLOUR if line.name in OFF_GRID else _ON_GRID_COLOUR for line in lines]
    places = range(len(lines))
    axis.barh(places, 1.0, height=0.6, color=EMPTY)
    axis.barh(places, [0.0 if math.isnan(share) else share for share in shares], height=0.6, color=colours)
    for place, share in zip(places, shares, strict=True):
        axis.text(1.03, place, shown(share).replace("-", "–"), fontsize=_SMALL, va="center_baseline")
    axis.set_title(heading, fontsize=_SMALL, loc="left", pad=3)
    axis.set(xlim=(0.0, _PANEL_WIDTH), xticks=[], frame_on=False)
    axis.tick_params(length=0)
