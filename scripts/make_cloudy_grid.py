"""Make the packaged grid `cloudy` from 249 depth-resolved slabs of Cloudy 17.02.

    python scripts/make_cloudy_grid.py FOLDER [GRID]

FOLDER holds `cloudy17_slabs.h5`; GRID is `simpost/data/grids/cloudy.h5` by default. Only the complete
block of models is used (`LOG_N` x `METALLICITY` x `LOG_G0`); the others test the grid.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError
from simpost.emission.axes import standard_axis
from simpost.emission.grid import VARIANTS, LineGrid, log_per_nucleus, write_grid
from simpost.emission.ionised_front import (
    CIIProfile,
    behind_front,
    cii_with_front,
    flux_behind_front,
    ionised_front,
)
from simpost.emission.lines import CII
from simpost.emission.resample import on_columns, refine, with_midpoints
from simpost.emission.two_level import deexcitation_rate

Array = NDArray[np.float64]

TARGET = Path(__file__).resolve().parents[1] / "simpost" / "data" / "grids" / "cloudy.h5"
SLABS = "cloudy17_slabs.h5"

# The complete block of models
LOG_N = np.arange(-1.0, 5.0)
METALLICITY = np.array([0.03, 0.1, 0.3, 1.0, 2.0])
LOG_G0 = np.arange(0.0, 5.0)
MODEL_NODES = (LOG_N, np.log10(METALLICITY), LOG_G0)

# The lattice of the grid: once denser in every axis, for the linear look-up to follow the cubic
NODES = tuple(with_midpoints(nodes) for nodes in MODEL_NODES)
LOG_COLUMN = np.linspace(16.0, 22.0, 49)

# Label of the line to its column in `cum_emergent`; [CII] comes from `cum_intrinsic_CII`
EMERGENT = {
    "OI-63um": "OI_63.1679m",
    "OI-145um": "OI_145.495m",
    "CI-609um": "CI_609.590m",
    "CI-370um": "CI_370.269m",
}
LINES = (CII, *EMERGENT)
ABUNDANCES = {"C": 2.51e-4, "O": 3.19e-4}  # per H at Z = 1, Cloudy's set "ISM"
DECIMALS = 4  # of every logarithm stored: 0.02 %, so that rounding of a platform does not change the file

NOTES = (
    "Slabs of Cloudy 17.02: plane-parallel, constant density, lit on one face by a 30000 K black body "
    "without ionising photons; turbulence 1.5 km/s, cosmic rays 2e-16 /s per H, stop at 1e22 cm^-2.",
    "Complete for n = 0.1-1e4 cm^-3, Z = 0.03-2, G0 = 1-1e4, N to 1e22 cm^-2; beyond, the policy of each "
    "axis. Above 1e22 cm^-2 the flux stays constant, though slabs of Z < 0.3 would go on shining.",
    "Z = 1 is Cloudy's gas-phase set ISM: C/H = 2.51e-4, O/H = 3.19e-4; Z scales metals, grains, PAH.",
    "150 models at whole decades of n and G0, resampled on twice as many steps in n, Z and G0 by a monotone "
    "cubic of log10(F/N); models of half decades in n, not used, lie within 0.1 dex in [CII] (median 0.01).",
    "[CII] is all that is emitted (Cloudy's intrinsic line). The other lines are emergent: dust takes "
    "0.015 dex at most.",
    "The 2.7 K background at z = 0 was a radiation field of the models; its effect on [CII] is negligible.",
    "The ionising variant is made, not modelled: the same slabs behind the ionised layer of the slab model "
    "(1e10 ionising photons per erg of 6-13.6 eV), in the field that its dust lets through.",
    "No [SiII], [NII], [OIII], which come from ionised gas, and no CO: the models hold neither reliably.",
)


class Slab(NamedTuple):
    """Cumulative profiles of one model at the outer edges of its zones; all (K,)."""

    column: Array  # cm^-2
    flux: dict[str, Array]  # erg/s/cm^2
    temperature: Array  # K, sum over zones of T dF([CII])
    c_over_n: Array  # cm^3/s, sum of C/n dF([CII])


def read_slab(group: h5py.Group) -> Slab:
    """One model of the file."""
    names = [str(name) for name in group.file.attrs["zone_columns"]]
    lines = [str(name) for name in group.file.attrs["lines"]]
    zones = dict(zip(names, group["zones"][()].T.astype(float), strict=True))
    emergent = dict(zip(lines, group["cum_emergent"][()].T.astype(float), strict=True))
    cii = zones["cum_intrinsic_CII"]
    emitted = np.diff(cii, prepend=0.0)
    rate = deexcitation_rate(zones["T"], zones["ne"], zones["n_HI"], zones["n_H2"])
    return Slab(
        zones["NH"],
        {CII: cii} | {label: emergent[column] for label, column in EMERGENT.items()},
        np.cumsum(zones["T"] * emitted),
        np.cumsum(rate / 10.0 ** float(group.attrs["log_nH"]) * emitted),
    )


def model_groups(file: h5py.File, sed: str) -> dict[tuple[float, float, float], h5py.Group]:
    """Groups of the models at z = 0 with one incident field, by (log n, Z, log G0)."""
    groups = {}
    for group in file.values():
        if group.attrs["sed"] == sed and group.attrs["z_cmb"] == 0:
            log_n, z, log_g0 = (float(group.attrs[key]) for key in ("log_nH", "Z", "log_G0_habing"))
            groups[log_n, z, log_g0] = group
    return groups


def checked(group: h5py.Group) -> h5py.Group:
    """The group of a model that ended as it should."""
    if not group.attrs["exited_ok"] or group.attrs["stop_reason"] != "H column dens reached":
        raise InputError(group.name, str(group.attrs["ending"]), "a model that reached its stop column")
    return group


def model_tables(file: h5py.File) -> dict[str, Array]:
    """log10 of F/N per line, of T and of C/n on (log n, log Z, log G0, log N) of the models."""
    groups = model_groups(file, "fuv")
    shape = (LOG_N.size, METALLICITY.size, LOG_G0.size, LOG_COLUMN.size)
    tables = {name: np.empty(shape) for name in (*LINES, "t_cii", "c_cii")}
    for index in np.ndindex(shape[:3]):
        i, j, k = index
        key = (float(LOG_N[i]), float(METALLICITY[j]), float(LOG_G0[k]))
        slab = read_slab(checked(groups[key]))
        for label, flux in slab.flux.items():
            tables[label][index] = log_per_nucleus(on_columns(slab.column, flux, LOG_COLUMN), LOG_COLUMN)
        means = np.array([slab.temperature, slab.c_over_n]) / slab.flux[CII]
        log_edges = np.log10(slab.column)
        tables["t_cii"][index], tables["c_cii"][index] = (
            np.interp(LOG_COLUMN, log_edges, np.log10(row)) for row in means
        )
    return tables


def non_ionising(models: dict[str, Array]) -> dict[str, Array]:
    """The tables on the denser lattice; what rounds a flux down with depth is taken back."""
    tables = {name: refine(table, MODEL_NODES, NODES) for name, table in models.items()}
    for label in LINES:
        log_flux = np.maximum.accumulate(tables[label] + LOG_COLUMN, axis=-1)
        tables[label] = log_flux - LOG_COLUMN
    return tables


def ionising(tables: dict[str, Array]) -> dict[str, Array]:
    """The tables of the slabs behind an ionised layer."""
    log_n, log_z, log_g0 = NODES
    result = {name: np.empty_like(table) for name, table in tables.items()}
    for i, j, k in np.ndindex(log_n.size, log_z.size, log_g0.size):
        n_H, z, g0 = (10.0 ** float(x) for x in (log_n[i], log_z[j], log_g0[k]))
        front = ionised_front(n_H, z, g0, ABUNDANCES["C"])
        flux = {label: flux_behind_front(front, tables[label][i, j], log_g0, LOG_COLUMN) for label in LINES}
        t, c = (10.0 ** behind_front(front, tables[n][i, j], log_g0, LOG_COLUMN) for n in ("t_cii", "c_cii"))
        cii = cii_with_front(front, CIIProfile(flux[CII], t, c), LOG_COLUMN)
        flux[CII] = cii.flux
        for label in LINES:
            result[label][i, j, k] = log_per_nucleus(flux[label], LOG_COLUMN)
        result["t_cii"][i, j, k] = np.log10(cii.temperature)
        result["c_cii"][i, j, k] = np.log10(cii.c_over_n)
    return result


def build(folder: Path) -> LineGrid:
    """The grid from the models in a folder."""
    with h5py.File(folder / SLABS, "r") as file:
        models, code = model_tables(file), str(file.attrs["code"])
    if "17.02" not in code:
        raise InputError(folder / SLABS, code, "models of Cloudy 17.02")
    neutral = non_ionising(models)
    both = {name: np.stack([neutral[name], table]) for name, table in ionising(neutral).items()}

    def rounded(log_table: Array) -> Array:
        return np.asarray(np.round(log_table, DECIMALS))

    names = ("log_n", "log_z", "log_g0", "log_column")
    return LineGrid(
        axes={n: standard_axis(n, nodes) for n, nodes in zip(names, (*NODES, LOG_COLUMN), strict=True)},
        variants=VARIANTS,
        emission={
            label: (rounded(both[label] + LOG_COLUMN) - LOG_COLUMN).astype(np.float32) for label in LINES
        },
        t_cii=(10.0 ** rounded(both["t_cii"])).astype(np.float32),
        c_cii=(10.0 ** rounded(both["c_cii"])).astype(np.float32),
        code="Cloudy",
        version="17.02",
        made="scripts/make_cloudy_grid.py from 150 slabs, complete in n, Z and G0",
        abundances=ABUNDANCES,
        cmb_in_grid=False,
        notes=NOTES,
    )


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2:
        print(__doc__)
        return 2
    target = Path(arguments[1]) if len(arguments) == 2 else TARGET
    write_grid(build(Path(arguments[0])), target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
