"""LHaloTree merger trees in the HDF5 layout of Illustris and TNG (`trees_sf1_NNN.K.hdf5`).

Each group `TreeN` holds the columns of one tree; links count from the start of the tree and the first
progenitor is the main one. The files state neither units nor cosmology: Illustris' kpc/h and 1e10 Msun/h
are assumed, the cosmology must be given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.snapshots.arepo_files import open_hdf5
from simpost.snapshots.arepo_haloes import CodeUnits, code_units
from simpost.trees.forest import Forest
from simpost.trees.gadget4 import NodeRows, tree_files

_NEEDS = (
    "Descendant",
    "FirstProgenitor",
    "FirstHaloInFOFGroup",
    "SnapNum",
    "SubhaloNumber",
    "SubhaloMassType",
    "Group_M_Crit200",
    "SubhaloPos",
)
_MAY = ("SubhaloMassInRadType", "SubhaloSFR")
_STARS = 4


def read_lhalotree(path: Path | str, cosmology: Cosmology, box_size: float = float("nan")) -> Forest:
    """All trees of an LHaloTree set.

    Parameters
    ----------
    path : Path
        Any file of the set; the others (`NAME.K.hdf5`) are found beside it.
    cosmology : Cosmology
        Of the run.
    box_size : float
        Side of the box [comoving kpc]; needed only for places interpolated across its border.

    Raises
    ------
    SnapshotError, InputError
        A file is damaged, a column is absent, or links lead out of their tree.
    """
    paths = tree_files(Path(path))
    h = cosmology.h0 / 100.0
    stated = {
        "HubbleParam": h,
        "Omega0": cosmology.omega_m,
        "OmegaLambda": cosmology.omega_lambda,
        "Time": 1.0,
    }
    units = code_units(paths[0], stated)
    columns: dict[str, list[NDArray]] = {}
    lengths: list[int] = []
    redshifts = None
    for member in paths:
        with open_hdf5(member) as file:
            if "Header" not in file or "Redshifts" not in file["Header"]:
                raise InputError(
                    member, "no Header/Redshifts", "an LHaloTree file", "name trees_sf1_NNN.0.hdf5"
                )
            redshifts = np.asarray(file["Header/Redshifts"], dtype=float)
            for tree in range(int(file["Header"].attrs["NtreesPerFile"])):
                lengths.append(_collect(member, file, tree, columns))
    if redshifts is None or not lengths:
        raise InputError(paths[0], "no tree", "one tree or more")
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return _forest(paths[0], joined, np.array(lengths), redshifts, units, cosmology, box_size)


def _collect(path: Path, file: Any, tree: int, columns: dict[str, list[NDArray]]) -> int:
    group = file.get(f"Tree{tree}")
    if group is None:
        raise InputError(
            path, f"no Tree{tree}", f"{file['Header'].attrs['NtreesPerFile']} trees (NtreesPerFile)"
        )
    for name in _NEEDS + _MAY:
        if name in group:
            columns.setdefault(name, []).append(np.asarray(group[name]))
        elif name in _NEEDS:
            raise InputError(path, f"no Tree{tree}/{name}", "a column of LHaloTree")
    return len(group["SnapNum"])


def _forest(
    path: Path,
    columns: dict[str, NDArray],
    lengths: NDArray[np.int64],
    redshifts: NDArray[np.float64],
    units: CodeUnits,
    cosmology: Cosmology,
    box_size: float,
) -> Forest:
    snapshot = columns["SnapNum"].astype(np.int64)
    n = len(snapshot)
    if np.any((snapshot < 0) | (snapshot >= len(redshifts))):
        raise InputError(
            path,
            f"haloes of snapshots {snapshot.min()} to {snapshot.max()}",
            f"snapshots 0 to {len(redshifts) - 1} as in Header/Redshifts",
            "snapshots of the tree are missing",
        )
    scale = 1.0 / (1.0 + redshifts)
    rows = NodeRows(path, np.cumsum(lengths) - lengths, lengths, n)
    central = rows.of(columns["FirstHaloInFOFGroup"], "FirstHaloInFOFGroup") == np.arange(n)
    m_200c = columns["Group_M_Crit200"].astype(float) * units.mass
    stars = columns.get("SubhaloMassInRadType", columns["SubhaloMassType"])
    notes = ["units not stated in the file: kpc/h and 1e10 Msun/h assumed"]
    if "SubhaloMassInRadType" not in columns:
        notes.append("m_star: all bound stars, not those within twice the stellar half-mass radius")
    return Forest(
        source=str(path),
        cosmology=cosmology,
        comoving_box=box_size,
        outputs={number: float(a) for number, a in enumerate(scale)},
        descendant=rows.of(columns["Descendant"], "Descendant"),
        main_progenitor=rows.of(columns["FirstProgenitor"], "FirstProgenitor"),
        snapshot=snapshot,
        identity=columns["SubhaloNumber"].astype(np.int64),
        mass=columns["SubhaloMassType"].astype(float).sum(axis=1) * units.mass,
        m_200c=np.where(central & (m_200c > 0), m_200c, np.nan),
        position=columns["SubhaloPos"].astype(float) * units.length * scale[snapshot, None],
        is_central=central,
        m_star=stars[:, _STARS].astype(float) * units.mass,
        sfr=columns["SubhaloSFR"].astype(float) if "SubhaloSFR" in columns else np.full(n, np.nan),
        notes=tuple(notes),
    )
