"""A line's cube on two pages: moments, spectrum and position-velocity slice; and its channels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError, nearest_name
from simpost.figures.canvas import EMPTY, TEXT_SIZE, new_figure, save_png
from simpost.figures.panel import DYNAMIC_RANGE, colour_limits
from simpost.maps.moments import (
    Moments,
    coarser_channels,
    moments,
    position_velocity,
    spectrum,
    velocity_gradient_angle,
)
from simpost.products.product import GalaxyProduct

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage

FloatArray = NDArray[np.float64]

WIDTH = 7.1  # inch
MOST_CHANNEL_MAPS = 16
_COLUMNS = 4
_SHOWN_FLUX = 1e-3  # of the luminosity may lie in velocities beyond those that are drawn, on either side
_OUTLIERS = 2.0  # per cent of the pixels at either end of a velocity or dispersion map
_BRIGHTNESS = r"[$\mathrm{L}_\odot\,$kpc$^{-2}$]"
_PER_VELOCITY = r"[$\mathrm{L}_\odot\,$kpc$^{-2}\,$(km/s)$^{-1}$]"
_SPECTRUM = r"$\mathrm{d}L/\mathrm{d}v$ [$\mathrm{L}_\odot\,$(km/s)$^{-1}$]"
_VELOCITY = "velocity [km/s]"


@dataclass(frozen=True, eq=False)
class _Seen:
    """A cube as it is drawn."""

    title: str
    values: FloatArray
    velocity: FloatArray
    pixel: float
    width: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        half = 0.5 * self.width
        return (-half, half, -half, half)

    def drawn_channels(self) -> slice:
        """Channels that hold nearly all of the light."""
        light = self.values.sum(axis=(1, 2))
        if not light.sum() > 0.0:
            return slice(0, len(light))
        below = np.cumsum(light) / light.sum()
        first = int(np.searchsorted(below, _SHOWN_FLUX))
        end = int(np.searchsorted(below, 1.0 - _SHOWN_FLUX)) + 1
        return slice(max(first - 1, 0), min(end + 1, len(light)))


def moment_panel(product: GalaxyProduct, view: str, line: str, path: Path | str) -> None:
    """Draw moments 0, 1, 2, the integrated spectrum and a position-velocity slice of a cube as PNG.

    Velocity and dispersion are drawn where moment 0 is on its colour bar. The slice runs through the
    centre along the steepest rise of the velocity.

    Raises
    ------
    InputError
        There is no such view or cube, or the file cannot be written.
    """
    save_png(moment_figure(product, view, line), path)


def channel_maps(product: GalaxyProduct, view: str, line: str, path: Path | str) -> None:
    """Draw the channels of a cube as PNG, as many averaged as make at most 16 maps of nearly all light.

    Raises
    ------
    InputError
        There is no such view or cube, or the file cannot be written.
    """
    save_png(channel_figure(product, view, line), path)


def moment_figure(product: GalaxyProduct, view: str, line: str) -> Figure:
    """Return the figure that `moment_panel` saves."""
    seen = _look(product, view, line)
    figure = new_figure(WIDTH, 6.1)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.4, 2.7)).flat
    above.suptitle(seen.title, fontsize=TEXT_SIZE + 2, parse_math=False)
    found = moments(seen.values, seen.velocity)
    axes = above.subplots(1, 3)
    limits = _draw_brightness(above, axes[0], seen, found.brightness)
    lit = found.brightness >= limits[0] if limits is not None else np.zeros_like(found.brightness, bool)
    _draw_motion(above, axes[1], seen, np.where(lit, found.velocity, np.nan), f"mean {_VELOCITY}", True)
    _draw_motion(above, axes[2], seen, np.where(lit, found.dispersion, np.nan), "dispersion [km/s]", False)
    left, right = below.subplots(1, 2)
    _draw_spectrum(left, seen)
    _draw_slice(below, right, seen, Moments(found.brightness * lit, found.velocity, found.dispersion))
    return figure


def channel_figure(product: GalaxyProduct, view: str, line: str) -> Figure:
    """Return the figure that `channel_maps` saves."""
    seen = _look(product, view, line)
    drawn = seen.drawn_channels()
    number = drawn.stop - drawn.start
    factor = -(-number // MOST_CHANNEL_MAPS)
    planes, velocity = coarser_channels(seen.values[drawn], seen.velocity[drawn], factor)
    rows = -(-len(planes) // _COLUMNS)
    figure = new_figure(WIDTH, 0.75 + 1.5 * rows)
    width = factor * (seen.velocity[1] - seen.velocity[0])
    figure.suptitle(f"{seen.title},  channels of {width:g} km/s", fontsize=TEXT_SIZE + 2, parse_math=False)
    axes = figure.subplots(rows, _COLUMNS, squeeze=False)
    limits = colour_limits(planes) if (planes > 0.0).any() else None
    image = None
    for axis, plane, at in zip(axes.flat, planes, velocity, strict=False):
        _frame(axis, seen)
        if limits is not None:
            image = _draw_log(axis, plane, limits, seen.extent, "viridis")
        axis.text(
            0.05, 0.95, f"{at:+.0f} km/s", transform=axis.transAxes, fontsize=TEXT_SIZE - 1, va="top",
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5},
        )  # fmt: skip
    for axis in axes.flat[len(planes) :]:
        axis.set_visible(False)
    for axis in axes.flat[: len(planes) - _COLUMNS]:  # the others have no map below them
        axis.tick_params(labelbottom=False)
    for axis in axes[:, 1:].flat:
        axis.tick_params(labelleft=False)
    figure.supxlabel("kpc", fontsize=TEXT_SIZE)
    figure.supylabel("kpc", fontsize=TEXT_SIZE)
    if image is not None:
        bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01, extend="min")
        bar.set_label(_PER_VELOCITY, fontsize=TEXT_SIZE)
        bar.ax.tick_params(labelsize=TEXT_SIZE - 1, which="both", direction="in")
    return figure


def _look(product: GalaxyProduct, view: str, line: str) -> _Seen:
    seen = product.view(view)
    if line not in seen.cubes or seen.velocity is None:
        remedy = nearest_name(line, list(seen.cubes)) if seen.cubes else "it was made without cubes"
        raise InputError(f"view '{view}'", f"no cube '{line}'", "one of its cubes", remedy)
    galaxy = product.galaxy
    title = f"{galaxy['id']},  z = {galaxy['redshift']:.2f},  view {view},  {line}"
    attributes = seen.attributes
    return _Seen(title, seen.cubes[line].values, seen.velocity, attributes["pixel"], attributes["width"])


def _frame(axis: Axes, seen: _Seen) -> None:
    half = 0.5 * seen.width
    axis.set(xlim=(-half, half), ylim=(-half, half), aspect="equal", facecolor=EMPTY)
    axis.tick_params(labelsize=TEXT_SIZE - 1, direction="in")


def _draw_log(
    axis: Axes,
    values: FloatArray,
    limits: tuple[float, float],
    extent: tuple[float, float, float, float],
    colours: str,
) -> AxesImage:
    """Image on a log scale; what is below shows as the lowest colour, what is zero as empty."""
    from matplotlib.colors import LogNorm

    shown = np.ma.masked_where(~(values > 1e-2 * limits[0]), values)
    return axis.imshow(
        shown, origin="lower", extent=extent, aspect="auto" if axis.get_aspect() == "auto" else "equal",
        cmap=colours, norm=LogNorm(*limits), interpolation="nearest",
    )  # fmt: skip


def _bar_above(figure: Figure | SubFigure, axis: Axes, image: AxesImage, label: str, extend: str) -> None:
    frame = axis.inset_axes((0.0, 1.02, 1.0, 0.05))
    bar = figure.colorbar(image, cax=frame, orientation="horizontal", extend=extend, extendfrac=0.03)
    bar.set_label(label, fontsize=TEXT_SIZE, labelpad=4)
    frame.xaxis.set(ticks_position="top", label_position="top")
    frame.tick_params(labelsize=TEXT_SIZE - 1, which="both", direction="in")


def _note(axis: Axes, text: str) -> None:
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=TEXT_SIZE)


def _draw_brightness(
    figure: SubFigure, axis: Axes, seen: _Seen, brightness: FloatArray
) -> tuple[float, float] | None:
    """Moment 0; returns the limits of its colour bar."""
    _frame(axis, seen)
    axis.set_ylabel("kpc", fontsize=TEXT_SIZE)
    axis.set_xlabel("kpc", fontsize=TEXT_SIZE)
    if not (brightness > 0.0).any():
        _note(axis, "no light in this cube")
        return None
    limits = colour_limits(brightness)
    image = _draw_log(axis, brightness, limits, seen.extent, "viridis")
    _bar_above(figure, axis, image, f"moment 0 {_BRIGHTNESS}", "min")
    return limits


def _draw_motion(
    figure: SubFigure, axis: Axes, seen: _Seen, values: FloatArray, label: str, signed: bool
) -> None:
    """Moment 1 around zero, or moment 2."""
    _frame(axis, seen)
    axis.set_xlabel("kpc", fontsize=TEXT_SIZE)
    axis.tick_params(labelleft=False)
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        _note(axis, "no light in this cube")
        return
    if signed:
        high = max(float(np.percentile(np.abs(finite), 100.0 - _OUTLIERS)), 1e-3)
        low, colours = -high, "RdBu_r"
    else:
        low, high = (float(x) for x in np.percentile(finite, (_OUTLIERS, 100.0 - _OUTLIERS)))
        high, colours = max(high, low + 1e-3), "cividis"
    image = axis.imshow(
        np.ma.masked_invalid(values), origin="lower", extent=seen.extent, cmap=colours, vmin=low, vmax=high,
        interpolation="nearest",
    )  # fmt: skip
    _bar_above(figure, axis, image, label, "both")


def _draw_spectrum(axis: Axes, seen: _Seen) -> None:
    step = seen.velocity[1] - seen.velocity[0]
    edges = np.append(seen.velocity - 0.5 * step, seen.velocity[-1] + 0.5 * step)
    drawn = seen.drawn_channels()
    light = spectrum(seen.values, seen.pixel)
    axis.stairs(light, edges, color="black", linewidth=1.0, fill=False)
    axis.axvline(0.0, color="0.6", linewidth=0.6, zorder=0)
    axis.set(xlim=(edges[drawn.start], edges[drawn.stop]), ylim=(0.0, 1.15 * max(float(light.max()), 1e-300)))
    axis.set_xlabel(_VELOCITY, fontsize=TEXT_SIZE)
    axis.set_ylabel(_SPECTRUM, fontsize=TEXT_SIZE)
    axis.tick_params(labelsize=TEXT_SIZE - 1, direction="in")
    axis.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    axis.yaxis.get_offset_text().set_fontsize(TEXT_SIZE - 1)
    total = light.sum() * step
    text = rf"$L = {_power_of_ten(total)}\ \mathrm{{L}}_\odot$"
    axis.text(0.04, 0.95, text, transform=axis.transAxes, fontsize=TEXT_SIZE, va="top")


def _power_of_ten(value: float) -> str:
    mantissa, exponent = f"{value:.2e}".split("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}" if value > 0.0 else "0"


def _draw_slice(figure: SubFigure, axis: Axes, seen: _Seen, found: Moments) -> None:
    angle = velocity_gradient_angle(found)
    drawn = seen.drawn_channels()
    offset, plane = position_velocity(seen.values[drawn], angle)
    step = seen.velocity[1] - seen.velocity[0]
    velocity = seen.velocity[drawn]
    half = 0.5 * seen.pixel
    extent = (
        float(offset[0] * seen.pixel - half),
        float(offset[-1] * seen.pixel + half),
        float(velocity[0] - 0.5 * step),
        float(velocity[-1] + 0.5 * step),
    )
    axis.set(facecolor=EMPTY, aspect="auto")
    axis.set_xlabel(f"offset [kpc], slit at {angle:.0f}° from right to up", fontsize=TEXT_SIZE)
    axis.set_ylabel(_VELOCITY, fontsize=TEXT_SIZE)
    axis.tick_params(labelsize=TEXT_SIZE - 1, direction="in")
    lit = np.nan_to_num(plane)
    if not (lit > 0.0).any():
        _note(axis, "no light in this slice")
        return
    high = float(np.percentile(lit[lit > 0.0], 99.9))
    low = max(float(lit[lit > 0.0].min()), high / DYNAMIC_RANGE**0.75)
    image = _draw_log(axis, lit, (min(low, 0.5 * high), high), extent, "magma")
    bar = figure.colorbar(image, ax=axis, pad=0.02, extend="min")
    bar.set_label(_PER_VELOCITY, fontsize=TEXT_SIZE)
    bar.ax.tick_params(labelsize=TEXT_SIZE - 1, which="both", direction="in")
