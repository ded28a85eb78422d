"""Smoothed maps of the Arepo sample galaxy against the columns through its true Voronoi cells.

    python scripts/compare_kernels.py

Writes `docs/images/voronoi.png` and the tables between the marks of `docs/explanation/voronoi.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simpost.figures.canvas import new_figure, save_png
from simpost.maps.deposit import Depositor
from simpost.maps.smoothing import KERNELS
from simpost.maps.view import View
from simpost.maps.voronoi import deposit_voronoi
from simpost.snapshots.columns import Columns, concatenate
from simpost.snapshots.galaxies import find_galaxies
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import Cube

if TYPE_CHECKING:
    from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare_grids import DOCS, insert_tables, markdown

Array = NDArray[np.float64]
Maps = dict[str, Array]  # (views, ny, nx), by kernel; quantity per pixel

PAGE = DOCS / "explanation" / "voronoi.md"
SAMPLE = "sample:arepo-zoom"
WIDTH, N_PIXELS = 5.0, 160  # kpc
REGION = 4.0  # half-width of what is read, over the width: no kernel and no neighbour is missed
VIEWS = ("x", "y", "z")
QUANTITIES = {"mass": "gas mass", "star_formation_rate": "star-formation rate"}
TRUE = "voronoi"
SHOWN = ("s25", "support")  # in tables and maps; the others differ little from s25
BLOCKS = (1, 4, 16, 32)  # pixels averaged a side
RADII = (0.25, 0.5, 1.0, 2.0)  # kpc


def read_cells() -> Columns:
    snapshot = open_snapshot(SAMPLE)
    galaxy = find_galaxies(snapshot)[0]
    names = ("position", "volume", *QUANTITIES)
    return concatenate(snapshot.gas_chunks(Cube(galaxy.centre, REGION * WIDTH), names))


def all_maps(gas: Columns) -> dict[str, Maps]:
    """Maps of every quantity; prints what the mesh is like."""
    columns = np.stack([gas[name] for name in QUANTITIES], axis=1)
    r_cell = np.cbrt(gas["volume"] * (0.75 / np.pi))
    images: dict[str, list[Array]] = {name: [] for name in (TRUE, *KERNELS)}
    for name in VIEWS:
        view = View.named(name, WIDTH, WIDTH, WIDTH / N_PIXELS)
        image, account = deposit_voronoi(*view.project(gas["position"]), gas["volume"], columns, view)
        images[TRUE].append(image)
        print(
            f"{name}: {account.n_cells} cells, rms rescaling {account.rms_rescaling:.1e}, largest"
            f" {account.largest_rescaling:.1e}, {account.n_cut_down} cut down,"
            f" {account.n_failed_cuts} failed cuts, median r_cell"
            f" {1e3 * np.median(r_cell[account.in_view > 0.0]):.0f} pc"
        )
        for kernel in KERNELS:
            depositor = Depositor(view, list(QUANTITIES), kernel)
            depositor.add_cells(gas["position"], r_cell, {name: gas[name] for name in QUANTITIES})
            results = depositor.finish()
            images[kernel].append(
                np.stack([results[quantity].values * view.pixel**2 for quantity in QUANTITIES])
            )
    stacked = {kernel: np.stack(maps) for kernel, maps in images.items()}
    return {
        quantity: {kernel: maps[:, k] for kernel, maps in stacked.items()}
        for k, quantity in enumerate(QUANTITIES)
    }


def coarser(maps: Array, block: int) -> Array:
    """Sums over blocks of pixels."""
    n = maps.shape[-1] // block
    return maps.reshape(-1, n, block, n, block).sum(axis=(2, 4))


def within(radius: float) -> Array:
    """Which pixels have their centre within `radius` [kpc] of the galaxy's centre."""
    centre = (np.arange(N_PIXELS) + 0.5) * (WIDTH / N_PIXELS) - 0.5 * WIDTH
    return np.asarray(np.hypot(centre[:, None], centre[None, :]) < radius)


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def pixel_table(maps: Maps) -> str:
    header = ["pixel", "kernel", "median [dex]", "10-90 % [dex]", "rms [dex]", "rms, brighter half"]
    header.append("brightest pixel")
    lines = []
    for block in BLOCKS:
        true = coarser(maps[TRUE], block)
        for kernel in SHOWN:
            smoothed = coarser(maps[kernel], block)
            both = (true > 0.0) & (smoothed > 0.0)
            dex = np.log10(smoothed[both] / true[both])
            low, middle, high = np.percentile(dex, [10, 50, 90])
            peak = np.mean(smoothed.max(axis=(1, 2)) / true.max(axis=(1, 2))) - 1.0
            bright = dex[true[both] >= np.median(true[both])]
            row = [
                f"{middle:+.3f}",
                f"{low:+.2f} to {high:+.2f}",
                *(f"{rms(part):.3f}" for part in (dex, bright)),
            ]
            pixel = f"{1e3 * WIDTH / N_PIXELS * block:.0f} pc" if kernel == SHOWN[0] else ""
            lines.append([pixel, f"`{kernel}`", *row, f"{peak:+.1%}"])
    return markdown(header, lines)


def aperture_errors(maps: Maps, kernel: str, radius: float) -> Array:
    """Relative error of what lies within `radius`, per view."""
    inside = within(radius)
    return maps[kernel][:, inside].sum(axis=1) / maps[TRUE][:, inside].sum(axis=1) - 1.0


def aperture_table(maps: dict[str, Maps]) -> str:
    header = ["within", *(f"{what}, `{kernel}`" for what in QUANTITIES.values() for kernel in SHOWN)]
    lines = []
    for radius in (*RADII, WIDTH):
        cells = [f"{1e3 * radius:.0f} pc" if radius < WIDTH else "the window"]
        for quantity in QUANTITIES:
            for kernel in SHOWN:
                errors = aperture_errors(maps[quantity], kernel, radius)
                cells.append(f"{errors.mean():+.1%} ({errors.min():+.1%} to {errors.max():+.1%})")
        lines.append(cells)
    return markdown(header, lines)


def draw(maps: Maps, path: Path) -> None:
    """Gas of one view in its true cells and smoothed, the ratios, and the errors by aperture."""
    half, area = 0.5 * WIDTH, (WIDTH / N_PIXELS * 1e3) ** 2
    extent = (-half, half, -half, half)
    figure = new_figure(9.4, 5.8)
    axes = figure.subplots(2, 3)
    true = maps[TRUE][-1]
    limits = np.log10(np.percentile(true, [1.0, 100.0]) / area)
    for axis, kernel in zip(axes[0], (TRUE, *SHOWN), strict=True):
        shown = np.log10(maps[kernel][-1] / area)
        image = axis.imshow(
            shown, origin="lower", extent=extent, cmap="viridis", vmin=limits[0], vmax=limits[1]
        )
        axis.set_title("true cells" if kernel == TRUE else kernel, fontsize=9)
    label = r"log$_{10}$ $\Sigma_{\rm gas}$ [M$_\odot$ pc$^{-2}$]"
    figure.colorbar(image, ax=axes[0], label=label)
    for axis, kernel in zip(axes[1, 1:], SHOWN, strict=True):
        ratio = np.log10(maps[kernel][-1] / true)
        image = axis.imshow(ratio, origin="lower", extent=extent, cmap="RdBu_r", vmin=-0.5, vmax=0.5)
        axis.set_title(f"{kernel} / true cells", fontsize=9)
    figure.colorbar(image, ax=axes[1, 1:], label="log$_{10}$ ratio", extend="both")
    draw_apertures(axes[1, 0], maps)
    for axis in (*axes[0], *axes[1, 1:]):
        axis.set(xlabel="x [kpc]", ylabel="y [kpc]")
        axis.label_outer()
    save_png(figure, path, dots_per_inch=110)


def draw_apertures(axis: Axes, maps: Maps) -> None:
    """Error of the gas mass within a radius, mean of the views and their range."""
    radii = np.linspace(0.1, 0.5 * WIDTH, 49)
    for kernel in KERNELS:
        errors = 100.0 * np.array([aperture_errors(maps, kernel, radius) for radius in radii])
        (line,) = axis.plot(radii, errors.mean(axis=1), label=kernel)
        axis.fill_between(
            radii, errors.min(axis=1), errors.max(axis=1), color=line.get_color(), alpha=0.2, linewidth=0.0
        )
    axis.axhline(0.0, color="0.6", linewidth=0.8)
    axis.set(xlabel="aperture radius [kpc]", ylabel="error of the gas mass [%]")
    axis.legend(fontsize=7)


def main(arguments: list[str]) -> int:
    if arguments:
        print(__doc__)
        return 2
    maps = all_maps(read_cells())
    draw(maps["mass"], DOCS / "images" / "voronoi.png")
    tables = {
        "pixels": pixel_table(maps["mass"]),
        "apertures": aperture_table(maps),
    }
    insert_tables(PAGE, tables)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
