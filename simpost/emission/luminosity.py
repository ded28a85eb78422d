"""Line luminosity of every cell, and how much of it rests on values beyond the table.

L = N_H l with l = F/N the averaged emission per hydrogen nucleus: a cell is a slab of its own column,
lit on one side. The cell's own temperature and ion fractions do not enter: the grid has its own balance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.constants import L_SUN
from simpost.core.errors import InputError, nearest_name
from simpost.emission.density_pdf import AveragedTable
from simpost.emission.grid import AXES, VARIANTS

Array = NDArray[np.float64]

ILLUMINATIONS = {"one_sided": 1.0, "two_sided": 0.5}  # share of the column that one face lights

# name of each bit of a cell's flags, lowest first
FLAGS = (
    "density_low",
    "density_high",
    "metallicity_low",
    "metallicity_high",
    "field_low",
    "field_high",
    "column_low",
    "column_high",
    "mach_high",
    "no_density",
    "no_metals",
    "dark",
)
_AXIS_BITS = (1 << FLAGS.index("no_density")) - 1


@dataclass(frozen=True)
class CellLuminosity:
    """What the cells emit in one line; all arrays have the shape of the cells.

    Attributes
    ----------
    luminosity : array
        [Lsun].
    flags : array of int64
        Bit i says `FLAGS[i]`.
    pdf_outside : array
        Share of the luminosity from sub-grid densities beyond the grid, at the nearest node.
    """

    luminosity: Array
    flags: NDArray[np.int64]
    pdf_outside: Array


def line_luminosity(
    table: AveragedTable,
    n_H: ArrayLike,
    z_solar: ArrayLike,
    g0: ArrayLike,
    column: ArrayLike,
    mach: ArrayLike,
    ionising: ArrayLike,
    hydrogen_nuclei: ArrayLike,
    dark: ArrayLike = False,
    illumination: str = "one_sided",
) -> CellLuminosity:
    """Luminosity of every cell in one line.

    Multilinear in log n, log Z, log G0, log N and log M on log10 l; below the first Mach node linear in
    M^2 towards no sub-grid structure; beyond the axes the grid's policy.

    Between the nodes of the packaged `slab` grid, half a dex apart, [CII] differs from slabs solved for the
    cell itself by -2 % on average and 3 % rms (90 % of cells: -8 to +2 %) without ionising photons. With
    them the middle two thirds of cells lie at -8 to +1 %, but 2 % of cells are a factor of 1.4-7 off: those
    where the ionised layer ends between two nodes. (n = 0.1-1e4 cm^-3, Z = 0.03-2, G0 = 0.3-1e4,
    N = 1e19-1e23 cm^-2, uniform in log, no sub-grid structure.)

    Parameters
    ----------
    table : AveragedTable
        From `density_pdf.average_over_pdf`.
    n_H, z_solar, g0, column, mach : array
        Hydrogen nuclei [cm^-3], metallicity [solar, Z/0.0134], field [Habing], hydrogen column of the
        cell [cm^-2], Mach number; one value per cell, or one for all.
    ionising : array of bool
        Whether the cell takes the variant with ionising photons.
    hydrogen_nuclei : array
        Number of hydrogen nuclei in the cell (hydrogen mass [Msun] x `core.units.HYDROGEN_PER_MSUN`).
    dark : array of bool
        Cells that emit nothing (T > 5e4 K). Default none.
    illumination : str
        `one_sided` (default) or `two_sided`: F(N) of one slab, or F(N/2) of two halves.

    Raises
    ------
    InputError
        NaN, infinite or negative values, shapes that disagree, or a variant the table lacks.
    """
    from simpost.emission.luminosity_kernels import interpolate_cells

    if illumination not in ILLUMINATIONS:
        known = list(ILLUMINATIONS)
        raise InputError(
            "illumination", repr(illumination), "an illumination", nearest_name(illumination, known)
        )
    shape = np.shape(n_H)
    density = _column("n_H", n_H, shape, signed=True)
    others = {
        "z_solar": z_solar,
        "g0": g0,
        "column": column,
        "mach": mach,
        "hydrogen_nuclei": hydrogen_nuclei,
    }
    cells = {name: _column(name, values, shape) for name, values in others.items()}
    variant = _variant(table, _column("ionising", ionising, shape) > 0.0)
    is_dark = _column("dark", dark, shape) > 0.0
    log_l, outside = np.empty((2, density.size))
    flags = np.empty(density.size, dtype=np.int64)
    interpolate_cells(
        table.log_l, table.outside, table.log_n, table.log_z, table.log_g0, table.log_column, table.log_mach,
        np.array([table.policy[name] for name in AXES], dtype=float),
        density, cells["z_solar"], cells["g0"], cells["column"] * ILLUMINATIONS[illumination], cells["mach"],
        variant, is_dark, log_l, outside, flags,
    )  # fmt: skip
    luminosity = cells["hydrogen_nuclei"] * (10.0**log_l / L_SUN)
    return CellLuminosity(luminosity.reshape(shape), flags.reshape(shape), outside.reshape(shape))


def table_marks(result: CellLuminosity) -> dict[str, NDArray]:
    """What each cell's luminosity rests on, by name: a flag, or a share between 0 and 1.

    Every name of `FLAGS`; `beyond_table`, beyond any axis; `pdf_outside`, the share of the
    luminosity from sub-grid densities beyond the grid.
    """
    marks: dict[str, NDArray] = {name: (result.flags >> bit & 1) > 0 for bit, name in enumerate(FLAGS)}
    marks["beyond_table"] = (result.flags & _AXIS_BITS) > 0
    marks["pdf_outside"] = result.pdf_outside
    return marks


def _column(name: str, values: ArrayLike, shape: tuple[int, ...], signed: bool = False) -> Array:
    try:
        column = np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype=float), shape)).ravel()
    except (TypeError, ValueError) as error:
        raise InputError(name, f"shape {np.shape(values)}", f"numbers of shape {shape}, as n_H") from error
    if not np.isfinite(column).all():
        count = int(np.count_nonzero(~np.isfinite(column)))
        raise InputError(name, f"{count} of {column.size} values NaN or infinite", "finite values")
    if not signed and (column < 0.0).any():
        raise InputError(name, f"a lowest value of {column.min():g}", "no negative values")
    return column


def _variant(table: AveragedTable, ionising: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of each cell's variant in the table."""
    index = np.empty(2, dtype=np.int64)
    for flag, name in enumerate(VARIANTS):
        if name in table.variants:
            index[flag] = table.variants.index(name)
        elif (ionising == bool(flag)).any():
            raise InputError("grid", f"variants {table.variants}", f"the variant {name} that cells need")
    return index[ionising.astype(np.intp)]
