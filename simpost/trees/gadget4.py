"""Merger trees of GADGET-4, also with SUBFIND-HBT (`trees.hdf5`, `treedata/trees.N.hdf5`).

Every subhalo is a row of `TreeHalos`; links count from the start of its tree, which `TreeTable` gives over
all files. `TreeMainProgenitor` is the main branch (ytree follows `TreeFirstProgenitor`, another list, and
takes lengths for Mpc/h whatever the run's units are). Group_M_Crit200 is zero for satellites. The format
holds no stars: join catalogues for them (`simpost.trees.forest.tracks_of`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError
from simpost.snapshots.arepo_files import open_hdf5
from simpost.snapshots.arepo_haloes import CodeUnits, code_units
from simpost.trees.forest import NOBODY, Forest, Rows

_HALOS = (
    "TreeMainProgenitor",
    "TreeDescendant",
    "TreeFirstHaloInFOFgroup",
    "SnapNum",
    "SubhaloNr",
    "SubhaloMass",
    "Group_M_Crit200",
    "SubhaloPos",
)
_RESTORE = "restore the trees from their source"


def read_gadget4_trees(path: Path | str) -> Forest:
    """All trees of a GADGET-4 run.

    Parameters
    ----------
    path : Path
        `trees.hdf5`, or any file of `treedata/trees.N.hdf5`.

    Raises
    ------
    SnapshotError, InputError
        A file is damaged or missing, a dataset is absent, or links lead out of their tree.
    """
    paths = tree_files(Path(path))
    tables: dict[str, list[NDArray]] = {name: [] for name in (*_HALOS, "Length", "StartOffset")}
    for member in paths:
        with open_hdf5(member) as file:
            _collect(member, file, tables, len(paths))
    with open_hdf5(paths[0]) as file:
        scale = np.atleast_1d(np.asarray(file["TreeTimes/Time"], dtype=float))
        stated = {**dict(file["Parameters"].attrs), "Time": 1.0}
        total = int(file["Header"].attrs["Nhalos_Total"])
    columns = {name: np.concatenate(parts) if parts else np.empty(0) for name, parts in tables.items()}
    n_halos = len(columns["SnapNum"])
    if n_halos != total:
        raise InputError(
            paths[0], f"{n_halos} haloes in {len(paths)} file(s)", f"{total} (Nhalos_Total)", _RESTORE
        )
    return _forest(paths[0], columns, scale, code_units(paths[0], stated))


def _forest(path: Path, columns: dict[str, NDArray], scale: NDArray[np.float64], units: CodeUnits) -> Forest:
    snapshot = columns["SnapNum"].astype(np.int64)
    if np.any((snapshot < 0) | (snapshot >= len(scale))):
        raise InputError(
            path,
            f"haloes of snapshots {snapshot.min()} to {snapshot.max()}",
            f"snapshots 0 to {len(scale) - 1} as in TreeTimes",
            "snapshots of the tree are missing",
        )
    start, length = columns["StartOffset"].astype(np.int64), columns["Length"].astype(np.int64)
    rows = NodeRows(path, start, length, len(snapshot))
    first = rows.of(columns["TreeFirstHaloInFOFgroup"], "TreeFirstHaloInFOFgroup")
    central = first == np.arange(len(snapshot))
    m_200c = columns["Group_M_Crit200"].astype(float) * units.mass
    blank = np.full(len(snapshot), np.nan)
    return Forest(
        source=str(path),
        cosmology=units.cosmology,
        comoving_box=units.box_size,
        outputs={number: float(a) for number, a in enumerate(scale)},
        descendant=rows.of(columns["TreeDescendant"], "TreeDescendant"),
        main_progenitor=rows.of(columns["TreeMainProgenitor"], "TreeMainProgenitor"),
        snapshot=snapshot,
        identity=columns["SubhaloNr"].astype(np.int64),
        mass=columns["SubhaloMass"].astype(float) * units.mass,
        m_200c=np.where(central & (m_200c > 0), m_200c, np.nan),
        position=columns["SubhaloPos"].astype(float).reshape(-1, 3) * units.length * scale[snapshot, None],
        is_central=central,
        m_star=blank,
        sfr=blank,
    )


class NodeRows:
    """Rows over all trees from links that count within a tree.

    Parameters
    ----------
    start, length : (trees,)
        First row and number of rows of every tree; the trees must tile all `count` rows.
    """

    def __init__(self, path: Path, start: Rows, length: Rows, count: int) -> None:
        order = np.argsort(start, kind="stable")
        start, length = start[order], length[order]
        if int(length.sum()) != count or np.any(start != np.cumsum(length) - length):
            raise InputError(
                path, "trees that overlap or leave gaps", f"trees that hold {count} haloes", _RESTORE
            )
        self._path, self._start, self._length = path, np.repeat(start, length), np.repeat(length, length)

    def of(self, link: NDArray, name: str) -> Rows:
        """Rows that `link` leads to; -1 stays -1."""
        link = link.astype(np.int64)
        if np.any((link < NOBODY) | (link >= self._length)):
            raise InputError(
                self._path, f"{name} that leads out of its tree", "links within a tree", _RESTORE
            )
        return np.where(link == NOBODY, NOBODY, link + self._start)


def tree_files(path: Path) -> list[Path]:
    """All files of the set `path` (NAME.hdf5 or NAME.N.hdf5) belongs to, in order."""
    match = re.match(r"^(?P<stem>.+)\.(?P<part>\d+)\.hdf5$", path.name)
    if match is None:
        return [path]
    found = {
        int(m.group(1)): p
        for p in path.parent.iterdir()
        if (m := re.match(rf"^{re.escape(match.group('stem'))}\.(\d+)\.hdf5$", p.name))
    }
    return [found[number] for number in sorted(found)] or [path]


def _collect(path: Path, file: Any, tables: dict[str, list[NDArray]], n_files: int) -> None:
    for group in ("Header", "TreeTable", "TreeHalos", "TreeTimes", "Parameters"):
        if group not in file:
            raise InputError(
                path, f"no group {group}", "a GADGET-4 tree file", "name trees.hdf5 or trees.0.hdf5"
            )
    if int(file["Header"].attrs["NumFiles"]) != n_files:
        raise InputError(
            path,
            f"{n_files} file(s)",
            f"{file['Header'].attrs['NumFiles']} (NumFiles)",
            "restore the whole set",
        )
    for group, names in (("TreeHalos", _HALOS), ("TreeTable", ("Length", "StartOffset"))):
        if not len(file[group]):
            continue  # a file without haloes
        for name in names:
            if name not in file[group]:
                raise InputError(path, f"no {group}/{name}", "a GADGET-4 tree file", _RESTORE)
            tables[name].append(np.asarray(file[group][name]))
