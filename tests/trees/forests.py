"""Forests for tests: hand-made ones, random ones, and small readers of three foreign formats."""

import csv
import gzip

import h5py
import numpy as np

from simpost.core.cosmology import Cosmology
from simpost.trees.forest import NOBODY, Forest, most_massive_progenitors

PLANCK = Cosmology(67.74, 0.3089, 0.6911)


def forest(descendant, snapshot, mass, main=None, **columns):
    """A forest of plain lists; snapshot n has scale factor 0.1 + 0.02 n; all else has a plain default."""
    descendant = np.asarray(descendant, dtype=np.int64)
    snapshot, mass = np.asarray(snapshot, dtype=np.int64), np.asarray(mass, dtype=float)
    n = len(descendant)
    defaults = {
        "source": "toy",
        "cosmology": PLANCK,
        "comoving_box": 1000.0,
        "outputs": {int(s): 0.1 + 0.02 * s for s in range(int(snapshot.max(initial=0)) + 1)},
        "main_progenitor": most_massive_progenitors(descendant, mass) if main is None else np.asarray(main),
        "identity": np.arange(n),
        "m_200c": mass,
        "position": np.zeros((n, 3)),
        "is_central": np.ones(n, dtype=bool),
        "m_star": np.full(n, np.nan),
        "sfr": np.full(n, np.nan),
    }
    return Forest(descendant=descendant, snapshot=snapshot, mass=mass, **(defaults | columns))


def random_forest(seed, n_snapshots=7, most=9):
    """Haloes that merge and appear at random, rows shuffled, some links over two snapshots."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(1, most, n_snapshots)
    snapshot = np.repeat(np.arange(n_snapshots), counts)
    start = np.r_[0, np.cumsum(counts)]
    descendant = np.full(len(snapshot), NOBODY)
    for s in range(n_snapshots - 1):
        rows = np.arange(start[s], start[s + 1])
        ahead = np.where((draw.random(len(rows)) < 0.2) & (s + 2 < n_snapshots), 2, 1)
        linked = draw.random(len(rows)) < 0.85
        target = start[s + ahead] + draw.integers(0, 1 << 30, len(rows)) % counts[s + ahead]
        descendant[rows] = np.where(linked, target, NOBODY)
    order = draw.permutation(len(snapshot))
    new_row = np.argsort(order)
    moved = descendant[order]
    moved = np.where(moved == NOBODY, NOBODY, new_row[moved])
    return forest(moved, snapshot[order], draw.integers(1, 6, len(order)).astype(float))  # equal masses occur


def _rows(identity, towards):
    order = np.argsort(identity)
    place = np.minimum(np.searchsorted(identity[order], towards), len(identity) - 1)
    return np.where(identity[order][place] == towards, order[place], NOBODY)


def _by_epoch(scale):
    epochs, snapshot = np.unique(scale, return_inverse=True)
    return snapshot, {i: float(a) for i, a in enumerate(epochs)}


def read_galacticus(path):
    """`unit_forest.hdf5`: masses Msun/h, lengths comoving Mpc/h, links by node identifier."""
    with h5py.File(path) as file:
        halos = {name: np.asarray(values) for name, values in file["forestHalos"].items()}
        stated = dict(file["cosmology"].attrs)
    h = float(stated["HubbleParam"])
    mass = halos["nodeMass"] / h
    descendant = _rows(halos["nodeIndex"], halos["descendantIndex"])
    snapshot, outputs = _by_epoch(halos["expansionFactor"])
    return forest(
        descendant,
        snapshot,
        mass,
        cosmology=Cosmology(100 * h, float(stated["Omega0"]), float(stated["OmegaLambda"])),
        comoving_box=1e6 / h,
        outputs=outputs,
        identity=halos["nodeIndex"],
        position=halos["position"] * 1e3 / h * halos["expansionFactor"][:, None],
        is_central=halos["hostIndex"] == halos["nodeIndex"],
    )


def read_millennium(path):
    """`millimillennium_trees.csv.gz`: masses 1e10 Msun/h, zero for satellites; mass by particles there."""
    with gzip.open(path, "rt") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    column = {name: np.array([float(row[name]) for row in rows]) for name in ("redshift", "m_tophat", "np")}
    whole = {
        name: np.array([int(row[name]) for row in rows])
        for name in ("haloId", "descendantId", "firstHaloInFOFgroupId", "snapNum")
    }
    position = np.array([[float(row[x]) for x in "xyz"] for row in rows]) * 1e3 / 0.73
    scale = 1.0 / (1.0 + column["redshift"])
    numbers, at = np.unique(whole["snapNum"], return_index=True)
    return forest(
        _rows(whole["haloId"], whole["descendantId"]),
        whole["snapNum"],
        column["np"] * 8.6e8 / 0.73,
        cosmology=Cosmology(73.0, 0.25, 0.75),
        comoving_box=62500.0 / 0.73,
        outputs={int(n): float(a) for n, a in zip(numbers, scale[at], strict=True)},
        identity=whole["haloId"],
        m_200c=np.where(column["m_tophat"] > 0, column["m_tophat"] * 1e10 / 0.73, np.nan),
        position=position * scale[:, None],
        is_central=whole["firstHaloInFOFgroupId"] == whole["haloId"],
    )


def read_treefrog(path):
    """TreeFrog walkable tree: masses 1e10 Msun and proper Mpc; `Head` of a root is itself.

    `ID` counts from 1 in every snapshot; links are snapshot x 10^12 + ID and may skip snapshots.
    """
    columns = {name: [] for name in ("ID", "Head", "Tail", "Mass_tot", "Mass_200crit", "hostHaloID")}
    places, numbers, outputs = [], [], {}
    with h5py.File(path) as file:
        for name in sorted(key for key in file if key.startswith("Snap_")):
            group, number = file[name], int(name[5:])
            outputs[number] = float(group.attrs["scalefactor"])
            if not len(group["ID"]):
                continue  # the first snapshots hold no halo
            for key, parts in columns.items():
                parts.append(np.asarray(group[key]))
            columns["ID"][-1] = columns["ID"][-1].astype(np.int64) + number * 10**12
            places.append(np.stack([np.asarray(group[x]) for x in ("Xc", "Yc", "Zc")], axis=1))
            numbers.append(np.full(len(group["ID"]), number))
    column = {name: np.concatenate(parts) for name, parts in columns.items()}
    identity, head, tail = (column[name].astype(np.int64) for name in ("ID", "Head", "Tail"))
    m_200c = column["Mass_200crit"] * 1e10
    return forest(
        np.where(head == identity, NOBODY, _rows(identity, head)),
        np.concatenate(numbers),
        column["Mass_tot"] * 1e10,
        main=np.where(tail == identity, NOBODY, _rows(identity, tail)),
        cosmology=Cosmology(70.3, 0.276, 0.724),
        comoving_box=142250.0,
        outputs=outputs,
        identity=identity,
        m_200c=np.where(m_200c > 0, m_200c, np.nan),
        position=np.concatenate(places) * 1e3,
        is_central=column["hostHaloID"] == -1,
    )
