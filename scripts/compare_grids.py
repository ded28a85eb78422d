"""Compare the packaged grids with each other and with published PDR models, for the page on grids.

    python scripts/compare_grids.py FOLDER

FOLDER holds `models/cloudy17_slabs.h5` and `pdrt/` (Wolfire-Kaufman maps of the PDR Toolbox). Writes the
figures `docs/images/grids-*.png` and the tables between the marks `<!-- table NAME -->` and `<!-- end -->`
of `docs/explanation/grids.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.emission.grid import LineGrid, load_grid
from simpost.emission.ionised_front import CIIProfile, cii_with_front, flux_behind_front, ionised_front
from simpost.emission.lines import CII
from simpost.emission.resample import on_columns
from simpost.emission.slab import solve_slab
from simpost.emission.two_level import deexcitation_rate, net_power
from simpost.figures.canvas import new_figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

sys.path.insert(0, str(Path(__file__).resolve().parent))

from make_cloudy_grid import (
    ABUNDANCES,
    LINES,
    LOG_COLUMN,
    LOG_G0,
    LOG_N,
    METALLICITY,
    SLABS,
    model_groups,
    model_tables,
    read_slab,
)

Array = NDArray[np.float64]

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "explanation" / "grids.md"

COLUMNS = (19.0, 20.0, 21.0, 22.0)  # at which the grids are compared
PUMPED = 1e3  # G0/n [cm^3] from which the incident continuum pumps the C+ of the face
SLAB_COLUMNS = np.logspace(16.0, 24.0, 1601)
PDR_DEPTH = 7 * 1.87e21  # cm^-2 at solar metallicity: the models of 2020 end at A_V = 7
PDR_CARBON = {1.0: 1.6e-4, 0.5: 0.8e-4}  # their C/H, by metallicity
PDR_FOLDERS = {1.0: "wk2020_z1_los00", 0.5: "wk2020_lmc"}
G0_OF_LOG_FUV = 2.79588  # log G0 less log of the field [erg/s/cm^2], the second axis of their maps
STAR_Q_ION = 3.1e10  # photons above 13.6 eV per erg of the FUV band, of the models' 40000 K black body


class Decomposed(NamedTuple):
    """log10 of slab over Cloudy in [CII], and of the factors it is made of."""

    g0_over_n: float
    log_column: float
    total: float
    abundance_and_ions: float  # C+ columns
    temperature: float  # thin two-level power per C+ ion, each with its own gas
    pumping: float  # Cloudy's line over that power
    opacity: float  # the slab's line over its own


def look_up(grid: LineGrid, table: ArrayLike, *coordinates: ArrayLike) -> Array:
    """Linear in the grid's axes, without ionising photons; columns may lie beyond the last (F constant)."""
    from scipy.interpolate import RegularGridInterpolator

    axes = [grid.nodes(name) for name in grid.axes]
    points = np.stack(np.broadcast_arrays(*coordinates), axis=-1).astype(float)
    inside = np.clip(points, [axis[0] for axis in axes], [axis[-1] for axis in axes])
    return np.asarray(RegularGridInterpolator(axes, np.asarray(table, dtype=float))(inside))


def log_flux(grid: LineGrid, *coordinates: ArrayLike) -> Array:
    """log10 F [erg/s/cm^2] in [CII] at (log n, log Z, log G0, log N); constant beyond the last column."""
    column = np.minimum(coordinates[-1], grid.nodes("log_column")[-1])
    return look_up(grid, grid.line(CII)[0], *coordinates) + column


def temperature(grid: LineGrid, *coordinates: ArrayLike) -> Array:
    """[CII]-weighted temperature [K] from the face to (log n, log Z, log G0, log N)."""
    assert grid.t_cii is not None
    return np.asarray(10.0 ** look_up(grid, np.log10(grid.t_cii[0]), *coordinates))


def pdr_map(path: Path) -> tuple[Array, Array, Array]:
    """Axes (log n, log G0) and log10 of the map of a Wolfire-Kaufman 2020 model set."""
    from astropy.io import fits

    with fits.open(path) as hdus:
        data, header = hdus[0].data.astype(float), hdus[0].header
    axes = [
        header[f"CRVAL{i}"] + header[f"CDELT{i}"] * (np.arange(size) + 1 - header[f"CRPIX{i}"])
        for i, size in ((1, data.shape[1]), (2, data.shape[0]))
    ]
    return axes[0], axes[1] + G0_OF_LOG_FUV, np.log10(np.maximum(data, 1e-30))


def pdr_at(path: Path, log_n: ArrayLike, log_g0: ArrayLike) -> Array:
    """log10 of such a map at (log n, log G0), linear between its nodes."""
    from scipy.interpolate import RegularGridInterpolator

    n, g0, values = pdr_map(path)
    return np.asarray(RegularGridInterpolator((n, g0), values.T)(np.stack([log_n, log_g0], axis=-1)))


def decompose(file: h5py.File) -> list[Decomposed]:
    """What the difference of slab and Cloudy comes from, at every model of the complete block."""
    rows = []
    for (log_n, z, log_g0), group in model_groups(file, "fuv").items():
        if log_n not in LOG_N or z not in METALLICITY or log_g0 not in LOG_G0:
            continue
        n_H = 10.0**log_n
        own, ions, line = cloudy_two_level(group)
        column = group["zones"][:, 1].astype(float)
        slab = solve_slab(n_H, z, 10.0**log_g0, False, SLAB_COLUMNS)
        slab_own = slab.n_cplus * net_power(slab.t_cii, slab.c_cii * n_H)
        for log_column in COLUMNS:
            c_own, c_ions, c_line = np.log10(on_columns(column, [own, ions, line], [log_column]))[:, 0]
            sums = [slab_own, slab.n_cplus, slab.flux[CII]]
            s_own, s_ions, s_line = np.log10(on_columns(SLAB_COLUMNS, sums, [log_column]))[:, 0]
            rows.append(
                Decomposed(
                    10.0 ** (log_g0 - log_n),
                    log_column,
                    s_line - c_line,
                    s_ions - c_ions,
                    (s_own - s_ions) - (c_own - c_ions),
                    c_line - c_own,
                    s_line - s_own,
                )
            )
    return rows


def cloudy_two_level(group: h5py.Group) -> tuple[Array, Array, Array]:
    """Cumulative own two-level [CII], C+ column and Cloudy's [CII] at the zone edges of a model.

    The own line is thin and collisional, from Cloudy's temperature and densities of each zone.
    """
    names = [str(name) for name in group.file.attrs["zone_columns"]]
    zones = dict(zip(names, group["zones"][()].T.astype(float), strict=True))
    rate = deexcitation_rate(zones["T"], zones["ne"], zones["n_HI"], zones["n_H2"])
    ions = np.diff(zones["NH"], prepend=0.0) * zones["n_Cplus"] / 10.0 ** float(group.attrs["log_nH"])
    return np.cumsum(ions * net_power(zones["T"], rate)), np.cumsum(ions), zones["cum_intrinsic_CII"]


def spread(values: ArrayLike) -> str:
    """Median and 10-90 % range."""
    low, middle, high = np.percentile(np.asarray(values), [10, 50, 90])
    return f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def causes_table(rows: list[Decomposed]) -> str:
    header = ["G0/n [cm^3]", "N [cm^-2]", "slab/cloudy", "over 0.3 dex", "C+ column", "temperature"]
    header += ["pumping and opacity in Cloudy", "opacity in the slab"]
    lines = []
    for pumped in (False, True):
        for log_column in COLUMNS:
            part = np.array(
                [r for r in rows if (r.g0_over_n >= PUMPED) == pumped and r.log_column == log_column]
            )
            share = f"{np.mean(np.abs(part[:, 2]) > 0.3):.0%}"
            line = ["≥ 1e3" if pumped else "< 1e3", f"1e{log_column:.0f}", spread(part[:, 2]), share]
            lines.append(line + [spread(part[:, i]) for i in (3, 4, 5, 6)])
    return markdown(header, lines)


def pdr_points() -> tuple[Array, Array]:
    """(log n, log G0) at which grids and PDR models are compared: the nodes they share."""
    return np.meshgrid(np.arange(1.0, 4.01, 0.5), np.arange(0.0, 4.01, 0.5), indexing="ij")


def pdr_difference(grid: LineGrid, folder: Path, metallicity: float) -> Array:
    """log10 of F/(4 pi) of a grid over the face-on intensity of the PDR model, at `pdr_points`."""
    log_n, log_g0 = pdr_points()
    path = folder / "pdrt" / PDR_FOLDERS[metallicity] / "CII158sm.fits"
    depth = np.log10(PDR_DEPTH / metallicity)
    flux = log_flux(grid, log_n, np.log10(metallicity), log_g0, depth)
    return flux - np.log10(4.0 * np.pi) - pdr_at(path, log_n, log_g0)


def pdr_table(grids: dict[str, LineGrid], folder: Path) -> str:
    header = ["Z", "grid", "grid/model", "after scaling to their C/H", "over 0.3 dex"]
    lines = []
    for metallicity, carbon in PDR_CARBON.items():
        for name, grid in grids.items():
            difference = pdr_difference(grid, folder, metallicity)
            scaled = difference - np.log10(grid.abundances["C"] * metallicity / carbon)
            share = f"{np.mean(np.abs(difference) > 0.3):.0%}"
            lines.append([f"{metallicity:g}", f"`{name}`", spread(difference), spread(scaled), share])
    return markdown(header, lines)


def temperature_table(grids: dict[str, LineGrid], folder: Path) -> str:
    """[CII]-weighted temperatures near the face, and the PDR models' at A_V = 0.01."""
    path = folder / "pdrt" / PDR_FOLDERS[1.0] / "TSAV0p01sm.fits"
    lines = []
    for log_n, log_g0 in ((1, 0), (1, 2), (2, 1), (2, 2), (2, 3), (3, 2), (3, 4), (4, 3)):
        values = [temperature(grid, log_n, 0.0, log_g0, np.log10(1.87e19)) for grid in grids.values()]
        values.append(10.0 ** pdr_at(path, log_n, log_g0))
        lines.append([f"1e{log_n}", f"1e{log_g0}", *(f"{value.item():.0f}" for value in values)])
    return markdown(["n", "G0", *(f"`{name}`" for name in grids), "Wolfire-Kaufman"], lines)


def hold_out_table(file: h5py.File, cloudy: LineGrid) -> str:
    """Errors of the grid at models of half decades in density, which were not used to make it."""
    held_out = {key: g for key, g in model_groups(file, "fuv").items() if key[0] % 1.0 == 0.5}
    lines = []
    for label in LINES:
        errors = []
        for (log_n, z, log_g0), group in held_out.items():
            slab = read_slab(group)
            true = np.log10(on_columns(slab.column, slab.flux[label], LOG_COLUMN)) - LOG_COLUMN
            grid = look_up(cloudy, cloudy.line(label)[0], log_n, np.log10(z), log_g0, LOG_COLUMN)
            errors.append(np.abs(grid - true)[LOG_COLUMN >= 18.0])
        low, high, worst = np.median(errors), np.percentile(errors, 90), np.max(errors)
        lines.append([label, f"{low:.3f}", f"{high:.3f}", f"{worst:.3f}"])
    return markdown(["line", "median", "90 %", "worst"], lines)


def beyond_table(file: h5py.File, grids: dict[str, LineGrid]) -> str:
    """Both grids at models outside the complete block, where `cloudy` clamps."""
    columns = np.array(COLUMNS[1:])
    lines = []
    for name, axis, value in (("n = 1e5", 0, 5.0), ("n = 1e6", 0, 6.0), ("G0 = 1e5", 2, 5.0)):
        outside = {key: g for key, g in model_groups(file, "fuv").items() if key[axis] == value}
        cells = [name, str(len(outside))]
        for grid in grids.values():
            differences = []
            for (log_n, z, log_g0), group in outside.items():
                slab = read_slab(group)
                true = np.log10(on_columns(slab.column, slab.flux[CII], columns))
                differences.append(log_flux(grid, log_n, np.log10(z), log_g0, columns) - true)
            cells.append(spread(differences))
        lines.append(cells)
    return markdown(["beyond", "models", *(f"`{name}`/model" for name in grids)], lines)


def star_differences(file: h5py.File) -> dict[str, Array]:
    """Slabs behind the ionised layer over real ones with ionising photons, log10, (models, N) per line."""
    models = model_tables(file)
    differences: dict[str, list[Array]] = {label: [] for label in LINES}
    for (log_n, z, log_g0), group in model_groups(file, "star").items():
        i, j = int(np.flatnonzero(log_n == LOG_N)[0]), int(np.flatnonzero(z == METALLICITY)[0])
        front = ionised_front(10.0**log_n, z, 10.0**log_g0, ABUNDANCES["C"], STAR_Q_ION)
        slab = read_slab(group)
        for label in LINES:
            flux = flux_behind_front(front, models[label][i, j], LOG_G0, LOG_COLUMN)
            if label == CII:
                unused = np.ones_like(flux)
                flux = cii_with_front(front, CIIProfile(flux, unused, unused), LOG_COLUMN).flux
            real = on_columns(slab.column, slab.flux[label], LOG_COLUMN)
            differences[label].append(np.log10(np.maximum(flux, 1e-30) / real))
    return {label: np.array(rows) for label, rows in differences.items()}


def star_table(file: h5py.File) -> str:
    differences = star_differences(file)
    lines = []
    for label, log_column in ((CII, 19.0), (CII, 20.0), (CII, 21.0), *((label, 22.0) for label in LINES)):
        values = differences[label][:, int(np.flatnonzero(log_column == LOG_COLUMN)[0])]
        worst = values[np.argmax(np.abs(values))]
        lines.append([label, f"1e{log_column:.0f}", spread(values), f"{worst:+.2f}"])
    return markdown(["line", "N [cm^-2]", "grid/model", "worst"], lines)


def show(axis: Axes, x: Array, y: Array, values: Array, limit: float) -> QuadMesh:
    """A map of logarithmic ratios, values[x, y], with lines at +-0.3 dex."""
    mesh = axis.pcolormesh(x, y, values.T, cmap="RdBu_r", vmin=-limit, vmax=limit, shading="nearest")
    levels = axis.contour(x, y, values.T, levels=[-0.3, 0.3], colors="k", linewidths=1.0)
    axis.clabel(levels, fmt="%+.1f", fontsize=7)
    return mesh


def draw_grids(slab: LineGrid, cloudy: LineGrid, path: Path) -> None:
    """Slab over Cloudy over density and field, for three metallicities and three columns."""
    log_n, log_g0 = np.arange(-1.0, 4.01, 0.5), np.arange(0.0, 4.01, 0.5)
    n, g0 = np.meshgrid(log_n, log_g0, indexing="ij")
    figure = new_figure(9.5, 6.6)
    axes = figure.subplots(3, 4, sharex=True, sharey=True)
    for row, column in zip(axes, (20.0, 21.0, 22.0), strict=True):
        for axis, z in zip(row, (0.03, 0.1, 0.3, 1.0), strict=True):
            values = log_flux(slab, n, np.log10(z), g0, column) - log_flux(cloudy, n, np.log10(z), g0, column)
            mesh = show(axis, log_n, log_g0, values, 1.0)
            axis.set_title(f"Z = {z:g}, N = $10^{{{column:.0f}}}$ cm$^{{-2}}$", fontsize=9)
    figure.colorbar(mesh, ax=axes, label="log$_{10}$ [CII] of slab / cloudy", extend="both")
    figure.supxlabel("log$_{10}$ n [cm$^{-3}$]", fontsize=10)
    figure.supylabel("log$_{10}$ G$_0$ [Habing]", fontsize=10)
    save_png(figure, path, dots_per_inch=110)


def draw_pdr(grids: dict[str, LineGrid], folder: Path, path: Path) -> None:
    """Each grid over the Wolfire-Kaufman models."""
    log_n, log_g0 = (values[index] for values, index in zip(pdr_points(), ((..., 0), (0,)), strict=True))
    figure = new_figure(6.4, 5.4)
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    for row, z in zip(axes, PDR_FOLDERS, strict=True):
        for axis, (name, grid) in zip(row, grids.items(), strict=True):
            mesh = show(axis, log_n, log_g0, pdr_difference(grid, folder, z), 0.6)
            axis.set_title(f"{name}, Z = {z:g}", fontsize=9)
    figure.colorbar(mesh, ax=axes, label="log$_{10}$ [CII] of grid / Wolfire-Kaufman 2020", extend="both")
    figure.supxlabel("log$_{10}$ n [cm$^{-3}$]", fontsize=10)
    figure.supylabel("log$_{10}$ G$_0$ [Habing]", fontsize=10)
    save_png(figure, path, dots_per_inch=110)


def draw_causes(rows: list[Decomposed], grids: dict[str, LineGrid], path: Path) -> None:
    """Pumping against G0/n, and the temperatures of the two grids."""
    figure = new_figure(8.6, 3.8)
    left, right = figure.subplots(1, 2)
    for log_column, colour in zip(COLUMNS, ("C0", "C1", "C2", "C3"), strict=True):
        part = np.array([row for row in rows if row.log_column == log_column])
        label = f"N = $10^{{{log_column:.0f}}}$ cm$^{{-2}}$"
        left.plot(part[:, 0], part[:, 5], ".", color=colour, label=label)
    left.set(xscale="log", xlabel="G$_0$/n [Habing cm$^3$]")
    left.set_ylabel("log$_{10}$ [CII] of Cloudy / its gas by collisions")
    left.axvline(PUMPED, color="0.6", linewidth=1.0)
    left.legend(fontsize=8)
    nodes = np.meshgrid(LOG_N, np.log10(METALLICITY), LOG_G0, indexing="ij")
    slab, cloudy = (temperature(grid, *nodes, 20.0) for grid in grids.values())
    points = right.scatter(cloudy, slab, s=9, c=nodes[2], cmap="viridis")
    right.axline((100.0, 100.0), (1000.0, 1000.0), color="0.6", linewidth=1.0)
    right.set(xscale="log", yscale="log", xlabel="T of cloudy [K]", ylabel="T of slab [K]")
    right.set_title("[CII]-weighted, N = $10^{20}$ cm$^{-2}$", fontsize=9)
    figure.colorbar(points, ax=right, label="log$_{10}$ G$_0$ [Habing]")
    save_png(figure, path, dots_per_inch=110)


def insert_tables(page: Path, tables: dict[str, str]) -> None:
    """Replace what stands between the marks of each table."""
    text = page.read_text()
    for name, table in tables.items():
        start, end = f"<!-- table {name} -->\n", "<!-- end -->"
        if text.count(start) != 1:
            raise SystemExit(f"{page}: {text.count(start)} places for the table {name}")
        before, rest = text.split(start)
        text = f"{before}{start}\n{table}\n\n{end}{rest.split(end, 1)[1]}"
    page.write_text(text)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__)
        return 2
    folder = Path(arguments[0])
    grids = {name: load_grid(name) for name in ("slab", "cloudy")}
    with h5py.File(folder / "models" / SLABS, "r") as file:
        rows = decompose(file)
        tables = {
            "causes": causes_table(rows),
            "pdr": pdr_table(grids, folder),
            "temperature": temperature_table(grids, folder),
            "beyond": beyond_table(file, grids),
            "hold-out": hold_out_table(file, grids["cloudy"]),
            "ionised": star_table(file),
        }
    draw_grids(grids["slab"], grids["cloudy"], DOCS / "images" / "grids-slab-cloudy.png")
    draw_pdr(grids, folder, DOCS / "images" / "grids-pdr.png")
    draw_causes(rows, grids, DOCS / "images" / "grids-causes.png")
    insert_tables(PAGE, tables)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
