"""Line luminosity of every cell, and how much of it rests on values beyond the table.

L = N_H l with l = F/N the averaged emission per hydrogen nucleus: a cell is a slab of its own column,
lit on one side. The cell's own temperature and ion fractions do not enter: the grid has its own balance.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.constants import L_SUN
from simpost.core.errors import InputError, nearest_name
from simpost.emission.axes import CELL_AXES, REFUSE
from simpost.emission.density_pdf import AVERAGED, EMISSION_UNIT, AveragedTable, slopes_beyond
from simpost.emission.grid import VARIANTS
from simpost.emission.log_normal import DEFAULT_B

Array = NDArray[np.float64]

ILLUMINATIONS = {"one_sided": 1.0, "two_sided": 0.5}  # share of the column that one face lights
CHUNK = 16384  # cells at a time, whose temporaries stay in the cache

# name of each bit of a cell's flags, lowest first; the first eight are `CELL_AXES` below and above
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
    b: float = DEFAULT_B,
    workers: int = 1,
) -> CellLuminosity:
    """Luminosity of every cell in one line.

    Multilinear in log n, log Z, log G0, log N and sigma_s on log l; beyond the axes the grid's policy.

    Between the nodes of the packaged `slab` grid, half a dex apart, [CII] differs from slabs solved for the
    cell itself by -2 % on average and 4 % rms (90 % of cells: -8 to +2 %) without ionising photons. With
    them the middle two thirds of cells lie at -8 to +1 %, but 2 % of cells are off by a factor of 1.4 to,
    at worst, 27: those where the ionised layer ends between two nodes. (n = 0.1-1e4 cm^-3, Z = 0.03-2,
    G0 = 0.3-1e4, N = 1e19-1e23 cm^-2, uniform in log, no sub-grid structure.)

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
    b : float
        Forcing parameter: 1/3 solenoidal (default), 0.4 mixed, 1 compressive (Federrath+2010).
    workers : int
        Threads; the result is the same for any number.

    Raises
    ------
    InputError
        NaN, infinite or negative values, shapes that disagree, b outside 0.01-1, a variant the table lacks,
        or cells beyond an end of an axis whose policy is to refuse them.
    """
    if illumination not in ILLUMINATIONS:
        known = list(ILLUMINATIONS)
        raise InputError(
            "illumination", repr(illumination), "an illumination", nearest_name(illumination, known)
        )
    if not 0.01 <= b <= 1.0:
        raise InputError("b", f"{b:g}", "a forcing parameter of 0.01 to 1")
    shape = np.shape(n_H)
    inputs = {"n_H": n_H, "z_solar": z_solar, "g0": g0, "column": column, "mach": mach}
    cells = {name: _column(name, values, shape) for name, values in inputs.items()}
    nuclei = _column("hydrogen_nuclei", hydrogen_nuclei, shape)
    ionised = _column("ionising", ionising, shape, bool)
    variants = _variants(table, ionised)
    is_dark = _column("dark", dark, shape, bool)
    size = nuclei.size
    luminosity, outside = np.empty((2, size))
    flags = np.empty(size, dtype=np.int64)
    look_up = LookUp(table, b, ILLUMINATIONS[illumination])

    def fill(start: int) -> None:
        part = slice(start, min(start + CHUNK, size))
        chunk = np.stack([values[part] for values in cells.values()])
        some_nuclei, some_dark = np.array(nuclei[part]), np.array(is_dark[part])
        if not look_up.fill(
            chunk,
            some_nuclei,
            some_dark,
            variants[ionised[part].astype(np.intp)],
            luminosity[part],
            flags[part],
            outside[part],
        ):
            for name, values in {**cells, "hydrogen_nuclei": nuclei}.items():
                _refuse(name, values)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, range(0, size, CHUNK)))
    _refuse_beyond(table, flags)
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


class LookUp:
    """A table made ready for the kernels.

    Parameters
    ----------
    table : AveragedTable
        The table.
    b : float
        Forcing parameter.
    face : float
        Share of a cell's column that one face lights.
    """

    def __init__(self, table: AveragedTable, b: float = DEFAULT_B, face: float = 1.0) -> None:
        from simpost.emission.lookup_kernels import LOG, WIDTH

        nodes = [axis.nodes * np.log2(10.0) for axis in table.axes.values()] + [table.widths]
        slopes = np.zeros((len(nodes), 2), np.float32)
        for number, axis in enumerate(table.axes.values()):
            slopes[number] = np.array(slopes_beyond(axis)) * (nodes[number][1] - nodes[number][0])
        per_step = [(x.size - 1) / (x[-1] - x[0]) if x[-1] > x[0] else 0.0 for x in nodes]
        strides = np.array(table.packed.strides[:-2]) // table.packed.itemsize
        self._marks = table.outside.ravel() if table.outside.any() else np.empty(0, np.uint8)
        self._table = table.packed.ravel(), tuple(np.int64(stride) for stride in strides[:-2])
        self._axes = (
            np.array([LOG] * len(table.axes) + [WIDTH]),
            np.full(len(nodes), b, np.float32),
            np.array([x[0] for x in nodes], np.float32),
            np.array(per_step, np.float32),
            np.nextafter(np.array([x.size - 1 for x in nodes], np.float32), np.float32(0.0)),
            slopes,
            np.stack([strides, table.outside.strides[:-1]], axis=1),
        )
        self._rows = [list(CELL_AXES).index(name) for name in table.axes]
        low, high = np.zeros(len(CELL_AXES)), np.full(len(CELL_AXES), np.inf)
        for row, ends in zip(self._rows, table.ends.values(), strict=True):
            low[row], high[row] = 10.0 ** np.array(ends)
        highest_mach = np.sqrt(np.expm1(table.widths[-1] ** 2)) / b if table.pdf in AVERAGED else np.inf
        self._clumps = table.pdf == "meanC"
        self._limits = face, low, high, float(highest_mach), b if self._clumps else 0.0
        self._highest_density = high[0]

    def emission(
        self, columns: tuple[Array, ...], result: NDArray[np.float32], marked: NDArray[np.uint8] | None = None
    ) -> None:
        """Fill the emission of both variants [1e-24 erg/s per H], (cells, 2), and marks of the nearest node.

        columns: linear values of the cells along the table's axes, at least 1e-37, and their Mach numbers, at
        least 0; all finite. Marks, (cells, 2) or none: share from beyond the grid in 1/255.
        """
        from simpost.emission.lookup_kernels import look_up

        if marked is None:
            marked, marks = np.empty((0, 2), np.uint8), np.empty(0, np.uint8)
        else:
            marks = self._marks
        look_up(*self._table, columns, *self._axes, marks, result, marked)

    def fill(
        self,
        cells: Array,
        nuclei: Array,
        dark: NDArray[np.bool_],
        variant: NDArray[np.intp],
        luminosity: Array,
        flags: NDArray[np.int64],
        outside: Array,
    ) -> bool:
        """Fill luminosity, flags and share from beyond the grid; False if a value cannot be used."""
        from simpost.emission.luminosity_kernels import admit, scale

        places = np.empty_like(cells)
        if not admit(cells, nuclei, dark, *self._limits, places, flags):
            return False
        emission = np.empty((flags.size, 2), np.float32)
        marked = np.empty((flags.size if self._marks.size else 0, 2), np.uint8)
        self.emission((*(places[row] for row in self._rows), places[-1]), emission, marked)
        scale(emission, marked, variant, nuclei, EMISSION_UNIT / L_SUN, flags, luminosity, outside)
        if self._clumps:
            outside[:] = (places[0] > self._highest_density) & (luminosity > 0.0)
        return True


def _refuse_beyond(table: AveragedTable, flags: NDArray[np.int64]) -> None:
    """Refuse cells beyond an axis where its policy says so."""
    for number, name in enumerate(CELL_AXES):
        for bit, side in ((2 * number, "below"), (2 * number + 1, "above")):
            policy = getattr(table.axes[name], side) if name in table.axes else 0.0
            beyond = np.count_nonzero(flags >> bit & 1) if policy == REFUSE else 0
            if beyond:
                end = table.ends[name][0 if side == "below" else 1]
                raise InputError(
                    f"grid axis {name}",
                    f"{beyond} of {flags.size} cells {side} {end:g}",
                    "none: the grid refuses them",
                    "use a wider grid, or one with another policy for this axis",
                )


def _column(name: str, values: ArrayLike, shape: tuple[int, ...], kind: type = float) -> NDArray[Any]:
    """The values, one per cell: a view wherever possible."""
    try:
        return np.broadcast_to(np.asarray(values, dtype=kind), shape).reshape(-1)
    except (TypeError, ValueError) as error:
        raise InputError(name, f"shape {np.shape(values)}", f"numbers of shape {shape}, as n_H") from error


def _refuse(name: str, values: Array) -> None:
    if not np.isfinite(values).all():
        count = int(np.count_nonzero(~np.isfinite(values)))
        raise InputError(name, f"{count} of {values.size} values NaN or infinite", "finite values")
    if name != "n_H" and (values < 0.0).any():
        raise InputError(name, f"a lowest value of {values.min():g}", "no negative values")


def _variants(table: AveragedTable, ionising: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Index in the table of the variant of cells without and with ionising photons."""
    index = np.zeros(2, dtype=np.intp)
    for flag, name in enumerate(VARIANTS):
        if name in table.variants:
            index[flag] = table.variants.index(name)
        elif (ionising == bool(flag)).any():
            raise InputError("grid", f"variants {table.variants}", f"the variant {name} that cells need")
    return index
