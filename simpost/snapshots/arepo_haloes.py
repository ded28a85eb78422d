"""FoF/Subfind catalogues of Arepo as a `HaloCatalogue` in proper units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simpost.core import constants as c
from simpost.core.errors import SnapshotError
from simpost.snapshots.arepo_files import ArepoHeader, open_hdf5
from simpost.snapshots.protocol import HaloCatalogue

_GROUP_NEEDS = ("GroupPos", "GroupVel", "GroupMass")
_GROUP_MAY = ("Group_M_Crit200", "Group_R_Crit200", "GroupFirstSub")
_SUBHALO_NEEDS = ("SubhaloPos", "SubhaloVel", "SubhaloMass", "SubhaloGrNr")


def read_catalogue(paths: tuple[Path, ...], header: ArepoHeader) -> HaloCatalogue | None:
    """Subhaloes (groups where Subfind did not run), or None for an empty catalogue.

    Subhaloes are preferred because FoF bridges neighbours at high redshift. SubhaloVel is peculiar
    km/s already, GroupVel is divided by a. M_200c and R_200c belong to the central of each group.
    """
    groups = _read(paths, header, "Group", _GROUP_NEEDS, _GROUP_MAY)
    subhaloes = _read(paths, header, "Subhalo", _SUBHALO_NEEDS, ())
    length, mass, speed = header.length, header.mass, header.units["UnitVelocity_in_cm_per_s"] / c.KM
    n_groups = len(groups.get("GroupPos", ()))
    if not n_groups:
        return None
    m_200c = groups.get("Group_M_Crit200", np.zeros(n_groups)) * mass
    r_200c = groups.get("Group_R_Crit200", np.zeros(n_groups)) * length
    if len(subhaloes.get("SubhaloPos", ())) == 0:
        return HaloCatalogue(
            paths[0],
            groups["GroupPos"] * length,
            groups["GroupVel"] * speed / header.scale_factor,
            groups["GroupMass"] * mass,
            m_200c,
            r_200c,
            np.ones(n_groups, dtype=bool),
            np.arange(n_groups),
        )
    group = subhaloes["SubhaloGrNr"].astype(np.int64)
    if group.min() < 0 or group.max() >= n_groups:
        raise SnapshotError(
            paths[0], f"SubhaloGrNr up to {group.max()}", f"below {n_groups}", "restore the catalogue"
        )
    first = groups.get("GroupFirstSub")
    if first is not None:
        central = first[group].astype(np.int64) == np.arange(len(group))
    else:
        central = np.r_[True, np.diff(group) > 0]
    return HaloCatalogue(
        paths[0],
        subhaloes["SubhaloPos"] * length,
        subhaloes["SubhaloVel"] * speed,
        subhaloes["SubhaloMass"] * mass,
        np.where(central, m_200c[group], 0.0),
        np.where(central, r_200c[group], 0.0),
        central,
        group,
    )


def _read(
    paths: tuple[Path, ...], header: ArepoHeader, name: str, needs: tuple[str, ...], may: tuple[str, ...]
) -> dict[str, NDArray[np.float64]]:
    parts: dict[str, list[NDArray[np.float64]]] = {}
    for path in paths:
        with open_hdf5(path) as file:
            time = float(file["Header"].attrs["Time"])
            if abs(time / header.scale_factor - 1.0) > 1e-6:
                raise SnapshotError(
                    path,
                    f"a catalogue of Time {time:g}",
                    f"{header.scale_factor:g} as the snapshot has",
                    "it belongs to another snapshot",
                )
            if name not in file or not len(file[name]):
                continue
            for dataset in needs + may:
                if dataset in file[name]:
                    parts.setdefault(dataset, []).append(np.asarray(file[name][dataset], dtype=float))
                elif dataset in needs:
                    raise SnapshotError(
                        path, f"no {name}/{dataset}", "a FoF/Subfind catalogue", "restore the catalogue"
                    )
    return {dataset: np.concatenate(values) for dataset, values in parts.items()}
