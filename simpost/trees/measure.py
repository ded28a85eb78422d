"""M_200c measured from particles and cells around haloes.

Catalogues give M_200c only around the first subhalo of a group. The galaxy of a group that FoF bridges with
a neighbour has none where the neighbour comes first, though it is no satellite in any physical sense.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from simpost.core.errors import InputError
from simpost.snapshots.galaxies import galaxy_at
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.protocol import Snapshot
from simpost.trees.forest import Forest
from simpost.trees.track import is_same_epoch


def with_measured_masses(
    forest: Forest, rows: Iterable[int], snapshots: Mapping[int, Path | str | Snapshot]
) -> Forest:
    """The forest with M_200c of some haloes measured around each one's own place.

    All matter counts (gas, stars, dark matter of every type) within the sphere of 200 times the critical
    density. Haloes of snapshots that are not given, and those around which the density is nowhere as high,
    keep the mass they have; the others join `Forest.measured`, and their tracks say so.

    Parameters
    ----------
    rows : iterable of int
        Rows of the forest, such as `main_branch` gives.
    snapshots : mapping of snapshot number to path or open snapshot
        Where to measure.

    Raises
    ------
    InputError
        A snapshot of another epoch than the tree's.
    """
    by_number: dict[int, list[int]] = {}
    for row in rows:
        by_number.setdefault(int(forest.snapshot[row]), []).append(int(row))
    m_200c, measured = forest.m_200c.copy(), set(forest.measured)
    for number in by_number.keys() & snapshots.keys():
        given = snapshots[number]
        snapshot = open_snapshot(given) if isinstance(given, Path | str) else given
        _check_epoch(snapshot, number, forest.outputs[number])
        for row in by_number[number]:
            place = np.mod(forest.position[row], snapshot.info.box_size)
            mass = galaxy_at(snapshot, place, f"snapshot {number}").m_200c
            if mass > 0.0:
                m_200c[row] = mass
                measured.add(row)
    return replace(forest, m_200c=m_200c, measured=frozenset(measured))


def _check_epoch(snapshot: Snapshot, number: int, scale_factor: float) -> None:
    if not is_same_epoch(snapshot.info.scale_factor, scale_factor):
        raise InputError(
            snapshot.info.path,
            f"a snapshot of a = {snapshot.info.scale_factor:.6g}",
            f"{scale_factor:.6g} as the tree says for snapshot {number}",
            "the snapshot is another one",
        )
