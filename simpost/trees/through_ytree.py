"""Every tree format that ytree reads (Smith & Lang 2019), as a `Forest`.

ytree is the optional extra `trees`. GADGET-4 and LHaloTree files are refused here: ytree takes their
lengths for Mpc/h whatever the run's units are, and simpost has readers of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError, SnapshotError
from simpost.snapshots.yt_data import reported_as
from simpost.trees.forest import NOBODY, Forest, Rows, most_massive_progenitors
from simpost.trees.track import is_same_epoch

Array = NDArray[np.float64]

_M_200C = ("M200c", "M200c_all", "Mass_200crit", "M200c_bnd_cat", "M_200c")
_SNAPSHOT = ("Snap_num", "Snap_idx", "SnapNum", "snapnum")
_MAIN = "mmp?"  # consistent-trees: the main progenitor of its descendant
_OWN_READER = {
    "Gadget4Arbor": "simpost.trees.gadget4.read_gadget4_trees",
    "LHaloTreeHDF5Arbor": "simpost.trees.lhalotree.read_lhalotree",
}


def read_with_ytree(path: Path | str, m_200c: str | None = None, identity: str = "uid") -> Forest:
    """All trees of an arbor.

    Parameters
    ----------
    path : Path
        What `ytree.load` takes.
    m_200c : str, optional
        The arbor's field of M_200c; default: the first of M200c, M200c_all, Mass_200crit, ... it has. A
        mass of another definition may be named, and is then what `m_halo` holds: it is noted.
    identity : str
        Field that names haloes at a snapshot: their row in a halo catalogue, where those are to be joined.

    Raises
    ------
    InputError
        ytree is not installed, cannot read the file, has no M_200c, or the format has its own reader.
    """
    arbor = _load(Path(path))
    names = set(arbor.field_list) | set(arbor.derived_field_list)
    mass_name = m_200c or next((name for name in _M_200C if name in names), None)
    if mass_name is None or mass_name not in names:
        raise InputError(
            path,
            f"no field {m_200c or 'of M_200c'}",
            "M_200c of every halo",
            f"name a mass field: {', '.join(sorted(n for n in names if 'm' in n.lower()))[:200]}",
        )
    wanted = {"uid", "desc_uid", "redshift", "mass", mass_name, identity, *(f"position_{x}" for x in "xyz")}
    wanted |= {name for name in ("upid", "pid", _MAIN, *_SNAPSHOT) if name in names}
    lost = sorted(wanted - names)
    if lost:
        raise InputError(path, f"no field {lost[0]}", "a merger tree with masses, places and descendants")
    with _reported(Path(path)):
        columns = {name: _joined(arbor, name) for name in sorted(wanted)}
    return _forest(Path(path), arbor, columns, mass_name, identity)


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Keep ytree quiet, and turn any failure of it into one line."""
    try:
        with reported_as(path):
            yield
    except SnapshotError as error:
        raise InputError(
            path, error.found.replace("yt ", "ytree "), "a merger tree of a format ytree reads"
        ) from error


def _load(path: Path) -> Any:
    try:
        import ytree
        from ytree.utilities.logger import ytreeLogger
    except ImportError as error:
        raise InputError(
            "trees read through ytree", "no ytree", "ytree", "pip install simpost[trees]"
        ) from error
    if not path.exists():
        raise InputError(path, "no such file", "a merger tree")
    ytreeLogger.setLevel(50)
    with _reported(path), redirect_stdout(StringIO()):  # it advertises its own format there
        arbor = ytree.load(str(path))
    own = _OWN_READER.get(type(arbor).__name__)
    if own is not None:
        raise InputError(
            path, f"a file of {type(arbor).__name__}", "a format without its own reader", f"use {own}"
        )
    return arbor


def _joined(arbor: Any, name: str) -> Array:
    """A field of all nodes of all trees: masses in Msun, places in box sizes, the rest as it is."""
    parts = [tree["tree", name] for tree in arbor]
    if not parts:
        raise InputError(arbor.filename, "no tree", "one tree or more")
    if name.startswith("position"):
        parts = [part.to("unitary") for part in parts]
    elif str(getattr(getattr(parts[0], "units", None), "dimensions", "")) == "(mass)":
        parts = [part.to("Msun") for part in parts]
    return np.concatenate([np.asarray(part) for part in parts])


def _forest(path: Path, arbor: Any, columns: dict[str, Array], mass_name: str, identity: str) -> Forest:
    h = float(arbor.hubble_constant)
    cosmology = Cosmology(100.0 * h, float(arbor.omega_matter), float(arbor.omega_lambda))
    box = float(arbor.box_size.to("kpc"))  # comoving, though ytree's unit does not say so
    notes = [f"m_halo: {mass_name} as ytree reads it"]
    m_200c = columns[mass_name].astype(float)
    if str(arbor.field_info[mass_name].get("units") or "") == "":
        m_200c = m_200c / h  # consistent-trees, whose header gives Mvir a unit but not M200c
        notes.append(f"{mass_name} without a unit in the file: Msun/h assumed")
    uid, towards = columns["uid"].astype(np.int64), columns["desc_uid"].astype(np.int64)
    descendant = _rows(path, uid, towards)
    scale = 1.0 / (1.0 + columns["redshift"].astype(float))
    snapshot, outputs = _snapshots(path, columns, scale)
    mass = columns["mass"].astype(float)
    main = most_massive_progenitors(descendant, mass)
    if _MAIN in columns:
        main = most_massive_progenitors(np.where(columns[_MAIN] == 1, descendant, NOBODY), mass)
    host = columns.get("upid", columns.get("pid"))
    if host is None:
        notes.append("no host halo in the tree: every halo taken for a central")
    blank = np.full(len(uid), np.nan)
    position = np.stack([columns[f"position_{x}"] for x in "xyz"], axis=1).astype(float)
    exact = np.array([outputs[int(n)] for n in snapshot])
    return Forest(
        source=str(path),
        cosmology=cosmology,
        comoving_box=box,
        outputs=outputs,
        descendant=descendant,
        main_progenitor=main,
        snapshot=snapshot,
        identity=columns[identity].astype(np.int64),
        mass=mass,
        m_200c=np.where(m_200c > 0, m_200c, np.nan),
        position=position * box * exact[:, None],
        is_central=np.ones(len(uid), dtype=bool) if host is None else host < 0,
        m_star=blank,
        sfr=blank,
        notes=tuple(notes),
    )


def _rows(path: Path, uid: Rows, towards: Rows) -> Rows:
    """Row of the node with identity `towards`; -1 where that is -1 (ytree's root)."""
    order = np.argsort(uid, kind="stable")
    twice = uid[order][1:][np.diff(uid[order]) == 0]
    if len(twice):
        raise InputError(
            path, f"halo identity {twice[0]} twice", "every identity once", "the tree is damaged"
        )
    place = np.minimum(np.searchsorted(uid[order], towards), len(uid) - 1)
    rows = np.where(uid[order][place] == towards, order[place], NOBODY)
    orphans = np.count_nonzero((rows == NOBODY) & (towards >= 0))
    if orphans:
        raise InputError(path, f"{orphans} haloes whose descendant is not in the tree", "whole trees")
    return rows


def _snapshots(path: Path, columns: dict[str, Array], scale: Array) -> tuple[Rows, dict[int, float]]:
    """Snapshot number of every node (the rank of its epoch where the tree has none), and their epochs."""
    name = next((name for name in _SNAPSHOT if name in columns), None)
    if name is None:
        epochs, rank = np.unique(np.round(scale, 6), return_inverse=True)
        return rank.astype(np.int64), {i: float(a) for i, a in enumerate(epochs)}
    number = columns[name].astype(np.int64)
    outputs: dict[int, float] = {}
    for n in np.unique(number):
        own = scale[number == n]
        if not is_same_epoch(own.max(), own.min()):
            raise InputError(path, f"snapshot {n} at a = {own.min():.6g} and {own.max():.6g}", "one epoch")
        outputs[int(n)] = float(np.median(own))
    return number, outputs
