"""M_200c measured from particles and cells around every halo of a branch.

Catalogues give M_200c only around the first subhalo of a group. A main progenitor that FoF bridges with a
larger neighbour has none, though it is no satellite in any physical sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from simpost.core.errors import InputError
from simpost.snapshots.galaxies import galaxy_at
from simpost.snapshots.open import open_snapshot
from simpost.trees.forest import Forest, main_branch


def with_measured_masses(forest: Forest, root: int, snapshots: Mapping[int, Path | str]) -> Forest:
    """The forest with M_200c along the main branch of `root` measured around each halo's own place.

    All matter counts (gas, stars, dark matter of every type) within the sphere of 200 times the critical
    density. Halos of snapshots that are not given keep the mass of their catalogue.

    Parameters
    ----------
    snapshots : mapping of snapshot number to path
        Where to measure.

    Raises
    ------
    InputError
        A snapshot of another epoch than the tree's.
    """
    m_200c = forest.m_200c.copy()
    measured = 0
    for row in main_branch(forest, root):
        number = int(forest.snapshot[row])
        if number not in snapshots:
            continue
        snapshot = open_snapshot(snapshots[number])
        a = forest.outputs[number]
        if abs(snapshot.info.scale_factor / a - 1.0) > 1e-4:
            raise InputError(
                snapshots[number],
                f"a snapshot of a = {snapshot.info.scale_factor:.6g}",
                f"{a:.6g} as the tree says for snapshot {number}",
                "the snapshot is another one",
            )
        place = np.mod(forest.position[row], snapshot.info.box_size)
        m_200c[row] = galaxy_at(snapshot, place, f"snapshot {number}").m_200c
        measured += 1
    note = f"M_200c measured around the halo itself at {measured} snapshots"
    return replace(forest, m_200c=m_200c, notes=(*forest.notes, note))
