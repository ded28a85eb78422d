"""Open merger trees of any known format."""

from __future__ import annotations

from pathlib import Path

import h5py

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.snapshots.arepo_files import open_hdf5
from simpost.trees.forest import Forest
from simpost.trees.gadget4 import read_gadget4_trees
from simpost.trees.lhalotree import read_lhalotree
from simpost.trees.through_ytree import read_with_ytree


def open_forest(path: Path | str, cosmology: Cosmology | None = None) -> Forest:
    """Trees of GADGET-4 and LHaloTree by their HDF5 groups; everything else through ytree.

    Parameters
    ----------
    path : Path
        Any file of the set.
    cosmology : Cosmology, optional
        Of the run; needed for LHaloTree files, which do not state it.

    Raises
    ------
    SnapshotError, InputError
        A damaged or missing file, an LHaloTree without cosmology, or nothing that ytree reads either.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "no such file", "a file of merger trees")
    groups = _groups(path)
    if {"TreeTable", "TreeHalos"} <= groups:
        return read_gadget4_trees(path)
    if "Tree0" in groups:
        if cosmology is None:
            raise InputError(
                path, "an LHaloTree file, which states no cosmology", "one", "give 'cosmology' for this run"
            )
        return read_lhalotree(path, cosmology)
    return read_with_ytree(path)


def _groups(path: Path) -> set[str]:
    """Names at the root of an HDF5 file; empty for any other file."""
    if not h5py.is_hdf5(path):
        return set()
    with open_hdf5(path) as file:
        return set(file)
