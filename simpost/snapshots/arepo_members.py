"""Which particles belong to a subhalo, and in which order.

Where FoF and Subfind ran, Arepo and GADGET-4 order a snapshot by group, then by subhalo, then by binding
energy: members are a range of rows, the most bound first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import SnapshotError
from simpost.snapshots.arepo_files import find_catalogue, open_hdf5, read_files
from simpost.snapshots.arepo_haloes import catalogue_of, read_table


@dataclass(frozen=True)
class Members:
    """Identities of the particles of one type in subhaloes, the most bound of each subhalo first."""

    identity: NDArray[np.int64]  # all members of groups, in the order of the files
    start: NDArray[np.int64]  # (n,) first row of every subhalo
    length: NDArray[np.int64]  # (n,)
    source: str = "members of subhaloes"  # the snapshot's first file
    particle_mass: float = float("nan")  # Msun, the smallest of the type; NaN if unknown

    def of(self, row: int) -> NDArray[np.int64]:
        """Identities of the members of one subhalo."""
        return self.identity[self.start[row] : self.start[row] + self.length[row]]


def subhalo_members(snapshot: Path | str, kind: int = 1) -> Members:
    """Identities of the members of every subhalo, of one particle type (default dark matter).

    Raises
    ------
    SnapshotError
        No catalogue beside the snapshot, no member counts in it, or a snapshot not ordered by group.
    """
    files = read_files(Path(snapshot))
    paths = find_catalogue(files.paths[0])
    catalogue = catalogue_of(files.paths[0], files.header)
    a = files.header.scale_factor
    groups = read_table(paths, a, "Group", (), ("GroupLenType",))
    subhaloes = read_table(paths, a, "Subhalo", (), ("SubhaloLenType", "SubhaloOffsetType"))
    if "SubhaloLenType" not in subhaloes or "GroupLenType" not in groups:
        raise SnapshotError(paths[0], "no SubhaloLenType or GroupLenType", "member counts", "run Subfind")
    in_groups = groups["GroupLenType"][:, kind].astype(np.int64)
    length = subhaloes["SubhaloLenType"][:, kind].astype(np.int64)
    if "SubhaloOffsetType" in subhaloes:
        start = subhaloes["SubhaloOffsetType"][:, kind].astype(np.int64)
    else:
        start = _offsets(catalogue.group, length, np.cumsum(in_groups) - in_groups)
    identity = _joined(files.paths, kind, "ParticleIDs").astype(np.int64)
    if len(identity) < in_groups.sum() or np.any(start + length > len(identity)):
        raise SnapshotError(
            paths[0],
            f"more members of PartType{kind} than particles",
            "the snapshot's own catalogue",
            "restore the catalogue",
        )
    if catalogue.most_bound is not None:
        _check_order(files.paths[0], Members(identity, start, length), catalogue.most_bound)
    in_code = files.header.mass_table[kind] or _joined(files.paths, kind, "Masses").min(initial=np.inf)
    mass = float(in_code) * files.header.mass
    own = identity[: int(in_groups.sum())]
    return Members(own, start, length, str(files.paths[0]), mass if np.isfinite(mass) else float("nan"))


def _offsets(
    group: NDArray[np.int64], length: NDArray[np.int64], group_start: NDArray[np.int64]
) -> NDArray[np.int64]:
    """First member of each subhalo: its group's first plus the subhaloes before it in the same group."""
    before = np.cumsum(length) - length
    first = np.r_[True, np.diff(group) > 0]
    rank_zero = np.maximum.accumulate(np.where(first, np.arange(len(group)), 0))
    return np.asarray(group_start[group] + before - before[rank_zero])


def _joined(paths: tuple[Path, ...], kind: int, name: str) -> NDArray:
    """A dataset of all particles of a type, over the files in order."""
    parts: list[NDArray] = []
    for path in paths:
        with open_hdf5(path) as file:
            if f"PartType{kind}" in file:
                parts.append(np.asarray(file[f"PartType{kind}"][name]))
    return np.concatenate(parts) if parts else np.empty(0)


def _check_order(path: Path, everyone: Members, most_bound: NDArray[np.int64]) -> None:
    """Most bound particles of this type must be among the members of their own subhalo."""
    order = np.argsort(most_bound)
    place = np.minimum(np.searchsorted(most_bound[order], everyone.identity), len(order) - 1)
    row = np.flatnonzero(most_bound[order[place]] == everyone.identity)
    subhalo = order[place[row]]
    start, length = everyone.start[subhalo], everyone.length[subhalo]
    misplaced = np.count_nonzero((row < start) | (row >= start + length))
    if misplaced > 0.5 * len(row):  # identities of other types may coincide
        raise SnapshotError(
            path,
            f"{misplaced} of {len(row)} most bound particles outside their subhaloes",
            "a snapshot ordered by group, as FoF leaves it",
            "use the snapshot that was written together with the catalogue",
        )
