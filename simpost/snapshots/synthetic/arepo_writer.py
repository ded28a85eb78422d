"""Write an `AnalyticGalaxy` as an Arepo-RT (THESAN-ZOOM-like) or TNG-like snapshot with catalogue."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from simpost.core.errors import InputError
from simpost.core.files import whole_folder
from simpost.snapshots.synthetic.arepo_catalogue import N_TYPES, Members, catalogue, membership
from simpost.snapshots.synthetic.arepo_state import (
    REDUCED_LIGHT_SPEED,
    UNIT_LENGTH,
    UNIT_MASS,
    UNIT_PHOTONS,
    UNIT_VELOCITY,
    ArepoUnits,
    Columns,
    dark_matter,
    gas_cells,
    gas_columns,
    star_columns,
)
from simpost.snapshots.synthetic.galaxy import AnalyticGalaxy, Array
from simpost.snapshots.synthetic.octree import Integers
from simpost.snapshots.synthetic.radiation import THESAN_ZOOM_GROUPS

_FEWEST_CELLS = 2000  # fewer cannot tile the box and follow the disc
# exponents of a, h, length, mass, velocity as Arepo writes them beside every dataset
_SCALING = {
    "Coordinates": (1.0, -1.0, 1.0, 0.0, 0.0),
    "Density": (-3.0, 2.0, -3.0, 1.0, 0.0),
    "GFM_InitialMass": (0.0, -1.0, 0.0, 1.0, 0.0),
    "HighResGasMass": (0.0, -1.0, 0.0, 1.0, 0.0),
    "InternalEnergy": (0.0, 0.0, 0.0, 0.0, 2.0),
    "Masses": (0.0, -1.0, 0.0, 1.0, 0.0),
    "PhotonDensity": (-3.0, 3.0, -3.0, 0.0, 0.0),
    "StarFormationRate": (0.0, 0.0, -1.0, 1.0, 1.0),
    "Velocities": (0.5, 0.0, 0.0, 0.0, 1.0),
    "Volume": (3.0, -3.0, 3.0, 0.0, 0.0),
}
_CONFIG: tuple[str, ...] = (
    "VORONOI",
    "COOLING",
    "USE_SFR",
    "FOF",
    "SUBFIND",
    "REFINEMENT_HIGH_RES_GAS",
    "OUTPUT_VOLUME",
    "GFM",
)


def write_arepo(
    galaxy: AnalyticGalaxy,
    folder: Path,
    *,
    snapshot: int = 1,
    n_cells: int = 20_000,
    n_files: int = 2,
    n_stars: int = 10_000,
    n_winds: int = 5,
    n_dark_matter: int = 20_000,
    thesan_zoom: bool = True,
) -> Path:
    """Write a snapshot set and its FoF/Subfind catalogue into `folder`, whole or not at all.

    Comoving /h code units of Arepo (1 ckpc/h, 1e10 Msun/h with 1.989e43 g, km/s sqrt(a)). Exact: cell
    volumes (true tessellation of the periodic box), gas and stellar masses in sum, star formation
    rates, star ages in mass to one particle. A cell's mass is what the galaxy holds inside it, to a
    few per cent; all that depends on density uses density = mass/volume of the cell, positions are
    those of the generators. `PhotonDensity` is N = F/(c_r) with c_r = 0.01 c in 1e63 photons per code
    volume, in the seven groups of THESAN-ZOOM; bands, energies and c_r stand in `Parameters`.

    Parameters
    ----------
    galaxy, folder
        What to write, and the new or empty folder that will hold it.
    snapshot
        Number in the file names, 0 to 999.
    n_cells, n_stars, n_dark_matter
        Numbers of gas cells, stars and main-halo particles; a companion and a few heavy particles
        in the corners of the box (types 2, 3) come on top.
    n_files
        Files of the set: one gives `snap_NNN.hdf5` and `fof_subhalo_tab_NNN.hdf5`, more give
        `snapdir_NNN/snap_NNN.K.hdf5` and `groups_NNN/fof_subhalo_tab_NNN.K.hdf5`.
    n_winds
        Wind particles appended to PartType4 (GFM_StellarFormationTime <= 0).
    thesan_zoom
        HI_Fraction, H2_Fraction, helium fractions, dust and PhotonDensity; False gives TNG's
        NeutralHydrogenAbundance and no radiation.

    Returns
    -------
    Path
        The (first) snapshot file.

    Raises
    ------
    InputError
        `folder` has content, or a number cannot be honoured.
    """
    if n_cells < _FEWEST_CELLS:
        raise InputError("n_cells", f"{n_cells}", f"at least {_FEWEST_CELLS}")
    if n_files < 1 or not 0 <= snapshot <= 999 or not 0 <= n_winds <= n_stars:
        found = f"{n_files}, {snapshot}, {n_winds}"
        raise InputError(
            "n_files, snapshot, n_winds", found, "1 or more files, snapshot 0-999, 0 to n_stars winds"
        )
    units = ArepoUnits(galaxy.scale_factor, galaxy.cosmology.h0 / 100.0)
    with whole_folder(Path(folder)) as temporary:
        gas = gas_columns(galaxy, gas_cells(galaxy, n_cells), units, thesan_zoom)
        dark = dark_matter(galaxy, n_dark_matter, max(n_dark_matter // 20, 20), units)
        types = {0: gas, **dark.columns, 4: star_columns(galaxy, n_stars, n_winds, units)}
        members = _order_by_group(galaxy, types, dark.mass_table, units)
        header = _header(galaxy, types, dark.mass_table, n_files, units)
        first = _write_snapshot(temporary, snapshot, types, header, n_files, units, thesan_zoom)
        tables = catalogue(galaxy, members, units)
        _write_catalogue(temporary, snapshot, *tables, header, n_files)
    return Path(folder) / first


def _order_by_group(
    galaxy: AnalyticGalaxy, types: dict[int, Columns], mass_table: Array, units: ArepoUnits
) -> Members:
    """Sort every type by group in place, number the particles, and gather what the catalogue needs."""
    parts, identity = [], 1
    for kind, columns in types.items():
        position = columns["Coordinates"] / units.length - 0.5 * galaxy.box_size
        belongs = membership(galaxy, position)
        order = belongs.order()
        count = len(order)
        for name, values in columns.items():
            columns[name] = values[order]
        columns["ParticleIDs"] = np.arange(identity, identity + count, dtype=np.uint32)
        identity += count
        mass = columns.get("Masses", np.full(count, mass_table[kind]))
        parts.append(
            Members(
                kind=np.full(count, kind),
                group=belongs.group[order],
                subhalo=belongs.subhalo[order],
                position=position[order],
                velocity=columns["Velocities"] / units.velocity,
                mass=mass / units.mass,
                sfr=columns.get("StarFormationRate", np.zeros(count)),
                identity=columns["ParticleIDs"],
            )
        )
    return Members(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Members.__dataclass_fields__)
    )


def _header(
    galaxy: AnalyticGalaxy, types: dict[int, Columns], mass_table: Array, n_files: int, units: ArepoUnits
) -> dict[str, object]:
    total = np.array([len(types[k]["ParticleIDs"]) if k in types else 0 for k in range(N_TYPES)])
    return {
        "BoxSize": galaxy.box_size * units.length,
        "Flag_Cooling": np.int32(1),
        "Flag_DoublePrecision": np.int32(0),
        "Flag_Feedback": np.int32(1),
        "Flag_Metals": np.int32(10),
        "Flag_Sfr": np.int32(1),
        "Flag_StellarAge": np.int32(1),
        "HubbleParam": units.h,
        "MassTable": mass_table,
        "NumFilesPerSnapshot": np.int32(n_files),
        "NumPart_ThisFile": total.astype(np.int32),
        "NumPart_Total": total.astype(np.uint32),
        "NumPart_Total_HighWord": np.zeros(N_TYPES, dtype=np.uint32),
        "Omega0": galaxy.cosmology.omega_m,
        "OmegaBaryon": galaxy.cosmology.omega_b,
        "OmegaLambda": galaxy.cosmology.omega_lambda,
        "Redshift": galaxy.redshift,
        "Time": galaxy.scale_factor,
        "UnitLength_in_cm": UNIT_LENGTH,
        "UnitMass_in_g": UNIT_MASS,
        "UnitVelocity_in_cm_per_s": UNIT_VELOCITY,
    }


def _slices(count: int, n_files: int, kind: int) -> list[slice]:
    """Uneven shares of one type over the files; types 2 and 3 stand in the last file alone."""
    power = {0: 1.0, 1: 1.6, 4: 0.7}.get(kind, 40.0)
    edges = np.round(count * (np.arange(n_files + 1) / n_files) ** power).astype(int)
    return [slice(low, high) for low, high in pairwise(edges)]


def _names(snapshot: int, n_files: int, folder: str, base: str) -> list[str]:
    if n_files == 1:
        return [f"{base}_{snapshot:03d}.hdf5"]
    return [f"{folder}_{snapshot:03d}/{base}_{snapshot:03d}.{k}.hdf5" for k in range(n_files)]


def _write_snapshot(
    folder: Path,
    snapshot: int,
    types: dict[int, Columns],
    header: dict[str, object],
    n_files: int,
    units: ArepoUnits,
    thesan_zoom: bool,
) -> str:
    names = _names(snapshot, n_files, "snapdir", "snap")
    shares = {kind: _slices(len(cols["ParticleIDs"]), n_files, kind) for kind, cols in types.items()}
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True)
        counts = np.zeros(N_TYPES, dtype=np.int32)
        with h5py.File(folder / name, "w") as file:
            for kind, columns in types.items():
                share = shares[kind][number]
                counts[kind] = share.stop - share.start
                if counts[kind] == 0:
                    continue
                group = file.create_group(f"PartType{kind}")
                for field, values in sorted(columns.items()):
                    dataset = group.create_dataset(field, data=values[share])
                    dataset.attrs.update(_scaling(field))
            file.create_group("Header").attrs.update(header | {"NumPart_ThisFile": counts})
            _write_run(file, header, units, thesan_zoom)
    return names[0]


def _scaling(field: str) -> dict[str, float | str]:
    a, h, length, mass, velocity = _SCALING.get(field, (0.0,) * 5)
    to_cgs = UNIT_LENGTH**length * UNIT_MASS**mass * UNIT_VELOCITY**velocity if field in _SCALING else 0.0
    attributes: dict[str, float | str] = {
        "a_scaling": a,
        "h_scaling": h,
        "length_scaling": length,
        "mass_scaling": mass,
        "velocity_scaling": velocity,
        "to_cgs": to_cgs,
    }
    if field == "PhotonDensity":
        attributes["to_cgs"] = to_cgs * UNIT_PHOTONS
        attributes["description"] = "photons per comoving code volume, in 1e63; physical flux = c_r x density"
    if field == "StarFormationRate":
        attributes["description"] = "Msun/yr"
    return attributes


def _write_run(file: h5py.File, header: dict[str, object], units: ArepoUnits, thesan_zoom: bool) -> None:
    config = file.create_group("Config").attrs
    for flag in (*_CONFIG, *(("MRT",) if thesan_zoom else ())):
        config[flag] = np.bytes_(b"")
    code_units = {name: header[name] for name in header if str(name).startswith("Unit")}
    file.create_group("Units").attrs.update(code_units)
    shared = ("BoxSize", "HubbleParam", "Omega0", "OmegaBaryon", "OmegaLambda")
    parameters = {name: header[name] for name in shared} | code_units
    parameters |= {"ComovingIntegrationOn": np.int32(1), "CoolingOn": np.int32(1)}
    if thesan_zoom:
        groups = THESAN_ZOOM_GROUPS
        parameters |= {
            "ReducedSpeedOfLight": REDUCED_LIGHT_SPEED,
            "UnitPhotons": UNIT_PHOTONS,
            "PhotonGroupNames": np.array(groups.name, dtype="S8"),
            "PhotonGroupLower_in_eV": np.array(groups.lower),
            "PhotonGroupUpper_in_eV": np.array(groups.upper),
            "PhotonGroupMeanEnergy_in_eV": np.array(groups.mean_energy),
        }
    file.create_group("Parameters").attrs.update(parameters)


def _write_catalogue(
    folder: Path,
    snapshot: int,
    groups: Columns,
    subhaloes: Columns,
    header: dict[str, object],
    n_files: int,
) -> None:
    shares: dict[str, Integers] = {
        "Group": np.round(np.linspace(0, len(groups["GroupLen"]), n_files + 1)).astype(int),
        "Subhalo": np.round(np.linspace(0, len(subhaloes["SubhaloLen"]), n_files + 1)).astype(int),
    }
    shared = ("BoxSize", "HubbleParam", "Omega0", "OmegaLambda", "Redshift", "Time")
    common = {name: header[name] for name in shared} | {"NumFiles": np.int32(n_files)}
    common |= {"FlagDoubleprecision": np.int32(0), "Nids_ThisFile": np.int32(0), "Nids_Total": np.int64(0)}
    tables = {"Group": groups, "Subhalo": subhaloes}
    counters = {"Group": "Ngroups", "Subhalo": "Nsubgroups"}
    for number, name in enumerate(_names(snapshot, n_files, "groups", "fof_subhalo_tab")):
        (folder / name).parent.mkdir(exist_ok=True)
        with h5py.File(folder / name, "w") as file:
            attributes = dict(common)
            for kind, table in tables.items():
                low, high = shares[kind][number], shares[kind][number + 1]
                rows = file.create_group(kind)
                for field, values in table.items():
                    if high > low:
                        rows.create_dataset(field, data=values[low:high])
                attributes[f"{counters[kind]}_ThisFile"] = np.int32(high - low)
                attributes[f"{counters[kind]}_Total"] = np.int32(shares[kind][-1])
            file.create_group("Header").attrs.update(attributes)
            file.create_group("IDs")
            file.create_group("Config")
            file.create_group("Parameters")
