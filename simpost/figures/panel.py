"""One page per galaxy: gas, [CII], star formation and the gas-to-[CII] ratio, and what they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simpost.figures.canvas import EMPTY, TEXT_SIZE, new_figure, save_png
from simpost.figures.coverage import coverage_height, draw_coverage
from simpost.products.product import GalaxyProduct, ViewProduct
from simpost.products.schema import LINE_CII

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage

SCALE_BAR = "scale-bar"  # gid of the bar, by which it is found in the figure
DYNAMIC_RANGE = 1e4  # of the colour bars, below the brightest pixels
RATIO_RANGE = 1e3  # of the colour bar of W, above the lowest pixels
FAINTEST = 1e-2  # of the lowest colour: below it lie only the last digits of kernels' edges
WIDTH, HEIGHT = 7.1, 8.1  # inch, of the four maps
SHORT_RANGE_DEX = 2.3

_GAS = r"$\Sigma_{\rm gas}$"
_CII = r"$\Sigma_{\rm [CII]}$"
_RATIO = r"$W_{\rm [CII]}=\Sigma_{\rm gas}/\Sigma_{\rm [CII]}$"
_MSUN = r"\mathrm{M}_\odot"
_LSUN = r"\mathrm{L}_\odot"
_SFR_SOURCES = {"10": "10 Myr", "30": "30 Myr", "100": "100 Myr", "instantaneous": "gas cells, instantaneous"}
_BLOCKS = (1, 2, 3, 4, 5, 6)  # pixels averaged a side where stars are sparse
_LIT_NEIGHBOURS = 5.0  # of eight
_FEWEST_BLOCKS = 30  # a side


@dataclass(frozen=True)
class Picture:
    """What one panel shows: values (ny, nx), NaN or zero where empty; or a note in their place."""

    values: NDArray[np.float64] | None
    label: str
    colours: str = ""
    note: str = ""
    is_ratio: bool = False
    extent: float = 1.0  # side of the image over the width of the view


def galaxy_panel(product: GalaxyProduct, view: str, path: Path | str) -> None:
    """Draw one view of a galaxy as PNG: gas, [CII], star formation rate and W = gas over [CII].

    Parameters
    ----------
    product : GalaxyProduct
        What `read_product` returns.
    view : str
        Name of the view.
    path : Path
        The PNG to write; it is whole or untouched.

    Raises
    ------
    InputError
        There is no such view, or the file cannot be written.
    """
    save_png(galaxy_figure(product, view), path)


def galaxy_figure(product: GalaxyProduct, view: str) -> Figure:
    """Return the figure that `galaxy_panel` saves."""
    seen = product.view(view)
    below = coverage_height(product)
    figure = new_figure(WIDTH, HEIGHT + below)
    maps, bars = _parts(figure, below)
    axes = maps.subplots(2, 2)
    if bars is not None:
        draw_coverage(bars, product)
    half = 0.5 * seen.attributes["width"]
    faintest = FAINTEST if "support_over_r_cell" in seen.attributes else 0.0
    for axis, picture in zip(axes.flat, _pictures(seen), strict=True):
        _draw(figure, axis, picture, half, faintest)
    _draw_scale_bar(axes[0, 0], half, seen.map("surface_density_gas").values)
    galaxy = product.galaxy
    maps.suptitle(
        f"{galaxy['id']},  z = {galaxy['redshift']:.2f},  view {view}",
        fontsize=TEXT_SIZE + 2,
        parse_math=False,
    )
    return figure


def _parts(figure: Figure, below: float) -> tuple[Figure | SubFigure, SubFigure | None]:
    """Where the maps go, and what is left below them."""
    if below == 0.0:
        return figure, None
    maps, bars = figure.subfigures(2, 1, squeeze=False, height_ratios=(HEIGHT, below), hspace=0.0).flat
    return maps, bars


def _pictures(view: ViewProduct) -> list[Picture]:
    gas = view.map("surface_density_gas").values
    gas_picture = Picture(gas, rf"{_GAS}  [${_MSUN}\,$kpc$^{{-2}}$]", "magma")
    line = view.maps.get(f"surface_brightness_{LINE_CII}")
    if line is None:
        note = "[CII] was not computed"
        return [
            gas_picture,
            Picture(None, _CII, note=note),
            _sfr_picture(view),
            Picture(None, _RATIO, note=note),
        ]
    line_picture = Picture(line.values, rf"{_CII}  [${_LSUN}\,$kpc$^{{-2}}$]", "viridis")
    return [gas_picture, line_picture, _sfr_picture(view), _ratio_picture(gas, line.values)]


def _ratio_picture(gas: NDArray[np.float64], line: NDArray[np.float64]) -> Picture:
    """W where [CII] is on its own colour bar: fainter pixels would only show gas that does not shine."""
    lit = line > 0.0
    if lit.any():
        lit = line >= colour_limits(line)[0]
    ratio = np.divide(gas, line, out=np.full_like(gas, np.nan), where=lit)
    return Picture(ratio, rf"{_RATIO}  [${_MSUN}/{_LSUN}$]", "cividis", is_ratio=True)


def _sfr_picture(view: ViewProduct) -> Picture:
    """Star formation in the shortest window in which there are stars, else that of the gas cells."""
    found = [window for window in _SFR_SOURCES if f"surface_density_sfr_{window}" in view.maps]
    for window in found:
        values = view.maps[f"surface_density_sfr_{window}"].values
        if (values > 0.0).any():
            fine, (values, binned) = len(values), _readable(values)
            name = rf"$\Sigma_{{\rm SFR}}$, {_SFR_SOURCES[window]}"
            if binned > 1:
                name += f", {1e3 * binned * view.attributes['pixel']:.0f} pc pixels"
            label = rf"{name}  [${_MSUN}\,$yr$^{{-1}}\,$kpc$^{{-2}}$]"
            return Picture(values, label, "inferno", extent=len(values) * binned / fine)
    note = "no star formation in this view" if found else "star formation was not computed"
    return Picture(None, r"$\Sigma_{\rm SFR}$", note=note)


def _readable(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Average so many pixels a side that a scatter of single stars becomes an image.

    Stars are points: on pixels much finer than their spacing nothing can be seen. Blocks grow until
    half of the blocks around a block with stars have stars, too; the edge is padded with zeros.
    """
    for side in _BLOCKS:
        blocks = _block_mean(values, side)
        lit = np.pad(blocks > 0.0, 1)
        around = sum(np.roll(lit, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) - lit
        if blocks.shape[0] < _FEWEST_BLOCKS or float(around[lit].mean()) >= _LIT_NEIGHBOURS:
            break
    return blocks, side


def _block_mean(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    ny, nx = (-(-n // side) * side for n in values.shape)
    padded = np.zeros((ny, nx))
    padded[: values.shape[0], : values.shape[1]] = values
    return padded.reshape(ny // side, side, nx // side, side).mean(axis=(1, 3))


def _draw(figure: Figure, axis: Axes, picture: Picture, half: float, faintest: float) -> None:
    axis.set(xticks=[], yticks=[], xlim=(-half, half), ylim=(-half, half), aspect="equal", facecolor=EMPTY)
    if picture.values is None or not (picture.values > 0.0).any():
        axis.set_title(picture.label, fontsize=TEXT_SIZE)
        note = picture.note or "nothing in this view"
        axis.text(0.5, 0.5, note, fontsize=TEXT_SIZE, ha="center", transform=axis.transAxes, color="0.3")
        return
    from matplotlib.colors import LogNorm

    low, high = colour_limits(picture.values, picture.is_ratio)
    side = 2.0 * half * picture.extent
    shown = np.ma.masked_where(~(picture.values > low * faintest), picture.values)
    image = axis.imshow(
        shown,
        origin="lower",
        extent=(-half, side - half, -half, side - half),
        norm=LogNorm(low, high),
        cmap=picture.colours,
        interpolation="nearest",
    )
    _draw_colour_bar(figure, axis, image, shown, picture.label)


def colour_limits(values: NDArray[np.float64], is_ratio: bool = False) -> tuple[float, float]:
    """Limits of a log colour bar that lie within the positive pixels.

    From the 99.9th percentile down to 4 dex below. A ratio, whose high values are hot gas that hardly
    shines, goes from the 0.1th percentile up to 3 dex above. A uniform image gets a dex around its value.
    """
    positive = values[values > 0.0]
    low, high = (float(x) for x in np.percentile(positive, (0.1, 99.9)))
    if is_ratio:
        high = min(high, low * RATIO_RANGE)
    else:
        low = max(float(positive.min()), high / DYNAMIC_RANGE)
    if high / low < 1.01:
        return low / 10**0.5, high * 10**0.5
    return low, high


def _draw_colour_bar(
    figure: Figure, axis: Axes, image: AxesImage, shown: np.ma.MaskedArray, label: str
) -> None:
    low, high = image.get_clim()
    below, above = float(shown.min()) < low, float(shown.max()) > high
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")
    frame = axis.inset_axes((0.0, 1.02, 1.0, 0.04))
    bar = figure.colorbar(image, cax=frame, orientation="horizontal", extend=extend, extendfrac=0.03)
    bar.set_label(label, fontsize=TEXT_SIZE, labelpad=4)
    frame.xaxis.set(ticks_position="top", label_position="top")
    frame.tick_params(labelsize=TEXT_SIZE - 1, which="both", direction="in")
    _label_short_range(frame, low, high)


def _label_short_range(frame: Axes, low: float, high: float) -> None:
    """Number 1, 2, 5 where there are too few powers of ten to read a value from."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if high / low > 10**SHORT_RANGE_DEX:
        return
    frame.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    frame.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    frame.xaxis.set_minor_formatter(NullFormatter())


def _short(value: float) -> str:
    """A number of one digit: plain where it is short, else with its power of ten."""
    if 1e-3 <= value < 1e5:
        return f"{value:g}"
    digit, _, power = f"{value:.0e}".partition("e")
    factor = "" if digit == "1" else rf"{digit}\!\times\!"
    return rf"${factor}10^{{{int(power)}}}$"


def _draw_scale_bar(axis: Axes, half: float, gas: NDArray[np.float64]) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import AbstractPathEffect, withStroke

    corner = gas[: gas.shape[0] // 6 + 1, : gas.shape[1] // 3 + 1]
    ink, paper = ("white", "black") if (corner > 0.0).mean() > 0.5 else ("black", EMPTY)
    outline: list[AbstractPathEffect] = [withStroke(linewidth=1.5, foreground=paper)]
    length = round_length(0.5 * half)
    left, bottom = -0.92 * half, -0.90 * half
    bar = Rectangle((left, bottom), length, 0.02 * half, facecolor=ink, linewidth=0, gid=SCALE_BAR)
    bar.set_path_effects(outline)
    axis.add_patch(bar)
    axis.text(
        left + 0.5 * length,
        bottom + 0.04 * half,
        f"{length:g} kpc",
        fontsize=TEXT_SIZE,
        ha="center",
        va="bottom",
        color=ink,
        path_effects=outline,
    )


def round_length(longest: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above `longest`."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * power for step in (1.0, 2.0, 5.0) if step * power <= longest * (1 + 1e-9)))
