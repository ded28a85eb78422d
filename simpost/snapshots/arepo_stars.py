"""Star particles of an Arepo snapshot with what follows them through time: identity and birth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import SnapshotError
from simpost.snapshots.arepo_files import STARS, ArepoHeader, open_hdf5, read_files

Array = NDArray[np.float64]
_BIRTH = "GFM_StellarFormationTime"


@dataclass(frozen=True)
class StarTable:
    """All stars of a snapshot (wind particles excluded), one row per particle.

    `birth_time` and `birth_position` are None where the snapshot stores neither (the public code).
    """

    identity: NDArray[np.int64]
    position: Array  # (n, 3) proper kpc from the corner of the box
    birth_mass: Array  # Msun; the current mass where the snapshot has no other, which is noted
    birth_time: Array | None  # Myr, age of the universe
    birth_position: Array | None  # (n, 3) comoving kpc from the corner of the box
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.identity)


def read_star_table(snapshot: Path | str) -> StarTable:
    """Read identities, places and births of all stars of a snapshot set.

    Raises
    ------
    SnapshotError
        A file is damaged, or two stars have one identity.
    """
    files = read_files(Path(snapshot))
    names = files.fields.get(STARS, {})
    stored = [n for n in ("ParticleIDs", "Coordinates", "Masses", "GFM_InitialMass", _BIRTH) if n in names]
    birth_place = next((n for n in ("BirthPos", "GFM_BirthPos") if n in names), None)
    stored += [birth_place] if birth_place else []
    parts: dict[str, list[NDArray]] = {name: [] for name in stored}
    for path in files.paths:
        with open_hdf5(path) as file:
            for name in stored if STARS in file else ():
                parts[name].append(np.asarray(file[STARS][name]))
    if names and "ParticleIDs" not in names:
        raise SnapshotError(files.paths[0], f"no {STARS}/ParticleIDs", "identities of the stars")
    columns: dict[str, Any] = {name: np.concatenate(values) for name, values in parts.items()}
    if _BIRTH in columns:
        is_star = columns[_BIRTH] > 0
        columns = {name: values[is_star] for name, values in columns.items()}
    return _table(files.paths[0], files.header, columns, birth_place)


def _table(path: Path, header: ArepoHeader, columns: dict[str, Any], birth_place: str | None) -> StarTable:
    identity = columns.get("ParticleIDs", np.empty(0)).astype(np.int64)
    twice = np.count_nonzero(np.diff(np.sort(identity)) == 0)
    if twice:
        raise SnapshotError(
            path,
            f"{twice} identities of stars twice",
            "one identity per star",
            "a file of the set is doubled, or the run did not keep identities unique",
        )
    mass = columns.get("GFM_InitialMass", columns.get("Masses", np.full(len(identity), header.mass_table[4])))
    notes = () if "GFM_InitialMass" in columns else ("birth mass: current mass (no GFM_InitialMass)",)
    place = columns[birth_place].astype(float) * header.length / header.scale_factor if birth_place else None
    return StarTable(
        identity=identity,
        position=columns.get("Coordinates", np.empty((0, 3))).astype(float) * header.length,
        birth_mass=mass.astype(float) * header.mass,
        birth_time=header.cosmology.age(columns[_BIRTH].astype(float)) if _BIRTH in columns else None,
        birth_position=place,
        notes=notes,
    )
