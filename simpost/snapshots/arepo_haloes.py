"""FoF/Subfind catalogues of Arepo and GADGET-4 as a `HaloCatalogue` in proper units.

GADGET-4 (with or without SUBFIND-HBT) writes the same tables under nearly the same names; what differs
is named here once. Which particles belong to a subhalo is told by `simpost.snapshots.arepo_members`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simpost.core import constants as c
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError, SnapshotError
from simpost.snapshots.arepo_files import ArepoHeader, find_catalogue, open_hdf5
from simpost.snapshots.protocol import HaloCatalogue

Central = Literal["first", "stellar"]

_GROUP_NEEDS = ("GroupPos", "GroupVel", "GroupMass")
_GROUP_MAY = ("Group_M_Crit200", "Group_R_Crit200", "GroupFirstSub")
_SUBHALO_NEEDS = ("SubhaloPos", "SubhaloVel", "SubhaloMass", "SubhaloGrNr")
_SUBHALO_MAY = (
    "SubhaloMassType",
    "SubhaloMassInRadType",
    "SubhaloHalfmassRadType",
    "SubhaloSFR",
    "SubhaloIDMostbound",
)
_GADGET4_NAME = {"SubhaloGrNr": "SubhaloGroupNr"}
_STARS = 4
_RESTORE = "restore the catalogue"
_UNITS = {"UnitLength_in_cm": 3.085678e21, "UnitMass_in_g": 1.989e43, "UnitVelocity_in_cm_per_s": 1e5}
_NAME = re.compile(r"^(?P<stem>fof_(?:subhalo_)?tab_(?P<number>\d{3,4}))(?:\.(?P<part>\d+))?\.hdf5$")


class CodeUnits(NamedTuple):
    """Epoch of a file, and its code units in ours."""

    scale_factor: float
    length: float  # proper kpc
    mass: float  # Msun
    speed: float  # peculiar km/s
    cosmology: Cosmology
    box_size: float  # proper kpc, 0 where not stated


def read_catalogue(
    paths: tuple[Path, ...], header: ArepoHeader, central: Central = "first"
) -> HaloCatalogue | None:
    """Subhaloes (groups where Subfind did not run) of a snapshot, or None for an empty catalogue.

    Subhaloes are preferred because FoF bridges neighbours at high redshift. SubhaloVel is peculiar
    km/s already, GroupVel is divided by a.

    Parameters
    ----------
    paths : tuple of Path
        All files of the catalogue, in order.
    header : ArepoHeader
        Of the snapshot it must belong to.
    central : {"first", "stellar"}
        Which subhalo of a group is its central: Subfind's first (default; its potential minimum is
        GroupPos) or the one of most stellar mass (S25; science G.1). M_200c and R_200c are measured
        around the first, so a central that is another one has none (0).

    Raises
    ------
    SnapshotError
        A file is damaged, missing, doubled, or of another snapshot.
    """
    speed = header.units["UnitVelocity_in_cm_per_s"] / c.KM
    box = header.box_size_code * header.length
    scales = CodeUnits(header.scale_factor, header.length, header.mass, speed, header.cosmology, box)
    return _catalogue(paths, scales, central)


def open_catalogue(path: Path | str, central: Central = "first") -> HaloCatalogue:
    """Catalogue from any file of its set (`fof_subhalo_tab_NNN[.K].hdf5`), without a snapshot.

    Units and cosmology are those the file states (Parameters or Header; GADGET-4's own `Hubble` tells
    runs without h). See `read_catalogue` for `central`.

    Raises
    ------
    SnapshotError
        A file is damaged, missing or doubled, or the catalogue holds no halo.
    """
    paths = _set_of(Path(path))
    catalogue = _catalogue(paths, _own_scales(paths[0]), central)
    if catalogue is None:
        raise SnapshotError(paths[0], "no group", "a catalogue with haloes", "begin with a later snapshot")
    return catalogue


def catalogue_of(snapshot: Path, header: ArepoHeader, central: Central = "first") -> HaloCatalogue:
    """Catalogue that belongs to a snapshot file by its number, checked by its redshift.

    Raises
    ------
    SnapshotError
        There is none, it is empty, or it is of another redshift.
    """
    paths = find_catalogue(snapshot)
    catalogue = read_catalogue(paths, header, central) if paths else None
    if catalogue is None:
        found = "an empty group catalogue" if paths else "no group catalogue of the same number beside it"
        raise SnapshotError(
            snapshot, found, "fof_subhalo_tab_NNN.hdf5", "run FoF and Subfind on the snapshot"
        )
    return catalogue


def _catalogue(paths: tuple[Path, ...], scales: CodeUnits, central: Central) -> HaloCatalogue | None:
    groups = read_table(paths, scales.scale_factor, "Group", _GROUP_NEEDS, _GROUP_MAY)
    subhaloes = read_table(paths, scales.scale_factor, "Subhalo", _SUBHALO_NEEDS, _SUBHALO_MAY)
    length, mass = scales.length, scales.mass
    n_groups = len(groups.get("GroupPos", ()))
    if not n_groups:
        return None
    m_200c = groups.get("Group_M_Crit200", np.zeros(n_groups)) * mass
    r_200c = groups.get("Group_R_Crit200", np.zeros(n_groups)) * length
    common: dict[str, Any] = {
        "source": paths[0],
        "number": _number(paths[0]),
        "scale_factor": scales.scale_factor,
        "cosmology": scales.cosmology,
        "box_size": scales.box_size,
    }
    if len(subhaloes.get("SubhaloPos", ())) == 0:
        return HaloCatalogue(
            position=groups["GroupPos"] * length,
            velocity=groups["GroupVel"] * scales.speed / scales.scale_factor,
            mass=groups["GroupMass"] * mass,
            m_200c=m_200c,
            r_200c=r_200c,
            is_central=np.ones(n_groups, dtype=bool),
            group=np.arange(n_groups),
            is_first=np.ones(n_groups, dtype=bool),
            **common,
        )
    group = subhaloes["SubhaloGrNr"].astype(np.int64)
    if group.min() < 0 or group.max() >= n_groups:
        raise SnapshotError(paths[0], f"SubhaloGrNr up to {group.max()}", f"below {n_groups}", _RESTORE)
    _check_doubled(paths[0], subhaloes)
    first = _is_first(group, groups.get("GroupFirstSub"))
    return HaloCatalogue(
        position=subhaloes["SubhaloPos"] * length,
        velocity=subhaloes["SubhaloVel"] * scales.speed,
        mass=subhaloes["SubhaloMass"] * mass,
        m_200c=np.where(first, m_200c[group], 0.0),
        r_200c=np.where(first, r_200c[group], 0.0),
        is_central=_is_central(paths[0], central, group, first, subhaloes.get("SubhaloMassType")),
        group=group,
        is_first=first,
        **_galaxy_columns(subhaloes, length, mass),
        **common,
    )


def _galaxy_columns(subhaloes: dict[str, NDArray], length: float, mass: float) -> dict[str, Any]:
    """Optional columns of the stars and the gas of subhaloes, where the catalogue has them."""
    columns: dict[str, Any] = {}
    if "SubhaloMassType" in subhaloes:
        columns["stellar_mass"] = subhaloes["SubhaloMassType"][:, _STARS] * mass
    if "SubhaloMassInRadType" in subhaloes:  # within twice SubhaloHalfmassRadType of the stars
        columns["galaxy_stellar_mass"] = subhaloes["SubhaloMassInRadType"][:, _STARS] * mass
    if "SubhaloHalfmassRadType" in subhaloes:
        radius = subhaloes["SubhaloHalfmassRadType"][:, _STARS] * length
        columns["stellar_half_mass_radius"] = np.where(radius > 0, radius, np.nan)
    if "SubhaloSFR" in subhaloes:
        columns["sfr"] = subhaloes["SubhaloSFR"]
    if "SubhaloIDMostbound" in subhaloes:
        columns["most_bound"] = subhaloes["SubhaloIDMostbound"]
    return columns


def _is_first(group: NDArray[np.int64], first_of_group: NDArray | None) -> NDArray[np.bool_]:
    if first_of_group is not None:
        return np.asarray(first_of_group[group].astype(np.int64) == np.arange(len(group)))
    return np.r_[True, np.diff(group) > 0]


def _is_central(
    path: Path, central: Central, group: NDArray[np.int64], first: NDArray[np.bool_], by_type: NDArray | None
) -> NDArray[np.bool_]:
    if central == "first":
        return first
    if central != "stellar":
        raise InputError("central", repr(central), "'first' or 'stellar'")
    if by_type is None:
        raise SnapshotError(path, "no Subhalo/SubhaloMassType", "stellar masses", "use central = 'first'")
    # groups ascending, in each the largest stellar mass first, the first subhalo where there is a tie
    order = np.lexsort((~first, -by_type[:, _STARS], group))
    chosen = np.zeros(len(group), dtype=bool)
    chosen[order[np.r_[True, np.diff(group[order]) > 0]]] = True
    return chosen


def _check_doubled(path: Path, subhaloes: dict[str, NDArray]) -> None:
    """Refuse a subhalo that stands in the catalogue twice (same identity, place and mass)."""
    keys = [*subhaloes["SubhaloPos"].T, subhaloes["SubhaloMass"]]
    if "SubhaloIDMostbound" in subhaloes:
        keys.append(subhaloes["SubhaloIDMostbound"].astype(float))
    order = np.lexsort(keys)
    rows = np.stack(keys, axis=1)[order]
    same = np.flatnonzero(np.all(rows[1:] == rows[:-1], axis=1))
    if len(same):
        pair = sorted((int(order[same[0]]), int(order[same[0] + 1])))
        raise SnapshotError(
            path,
            f"subhaloes {pair[0]} and {pair[1]} with the same most bound particle, place and mass",
            "every subhalo once",
            "a file of the set is doubled: " + _RESTORE,
        )


# -- files -----------------------------------------------------------------------------------------


def _number(path: Path) -> int | None:
    match = _NAME.match(path.name)
    return int(match.group("number")) if match else None


def _set_of(path: Path) -> tuple[Path, ...]:
    """All files of the set that `path` belongs to, in order."""
    match = _NAME.match(path.name)
    if match is None or match.group("part") is None:
        return (path,)
    found = path.parent.glob(f"{match.group('stem')}.*.hdf5")
    parts = sorted(
        (int(m.group("part")), p) for p in found if (m := _NAME.match(p.name)) and m.group("part") is not None
    )
    return tuple(member for _, member in parts) or (path,)


def _own_scales(path: Path) -> CodeUnits:
    """Units, epoch and cosmology as the catalogue states them itself."""
    with open_hdf5(path) as file:
        stated = dict(file["Parameters"].attrs) if "Parameters" in file else {}
        stated |= dict(file["Header"].attrs)
    return code_units(path, stated)


def code_units(path: Path, stated: dict[str, Any]) -> CodeUnits:
    """Units from the attributes of a file's Header and Parameters; kpc/h, 1e10 Msun/h, km/s if not stated.

    GADGET-4's `Hubble` is H0 in code units per h: it tells runs whose units carry no h.

    Raises
    ------
    SnapshotError
        A value that is needed is not stated or not possible.
    """

    def number(name: str, default: float | None = None) -> float:
        value = stated.get(name, default)
        if value is None or np.ndim(value) or not np.isfinite(float(value)):
            raise SnapshotError(path, f"'{name}' {value}", "a number in Header or Parameters", _RESTORE)
        return float(value)

    a = number("Time")
    if not 1e-4 <= a <= 1.1:
        raise SnapshotError(path, f"Time {a:g}", "a scale factor, 1e-4 to 1.1", _RESTORE)
    hubble = number("HubbleParam")
    units = {name: number(name, default) for name, default in _UNITS.items()}
    speed, length = units["UnitVelocity_in_cm_per_s"] / c.KM, units["UnitLength_in_cm"] / c.KPC
    h0 = _nominal(number("Hubble", 0.1 * length / speed) * speed / length * 1e3) * hubble
    if not 10.0 <= h0 <= 200.0:
        raise SnapshotError(path, f"a Hubble constant of {h0:g} km/s/Mpc", "10 to 200", _RESTORE)
    cosmology = Cosmology(
        h0, number("Omega0"), number("OmegaLambda"), float(stated.get("OmegaBaryon", "nan"))
    )
    kpc = length * a / hubble
    mass = units["UnitMass_in_g"] / hubble / c.M_SUN
    return CodeUnits(a, kpc, mass, speed, cosmology, number("BoxSize", 0.0) * kpc)


def _nominal(hubble: float) -> float:
    """H0 per h [km/s/Mpc]: 100 in units of 1/h, but for the rounding of the units' CGS values."""
    return 100.0 if abs(hubble / 100.0 - 1.0) < 1e-4 else hubble


def read_table(
    paths: tuple[Path, ...], scale_factor: float, name: str, needs: tuple[str, ...], may: tuple[str, ...]
) -> dict[str, NDArray]:
    """Datasets of the Group or Subhalo table, joined over the files of a set.

    Identities stay whole numbers, the rest is float64.

    Raises
    ------
    SnapshotError
        A dataset of `needs` or a row is missing, or a file is of another scale factor.
    """
    parts: dict[str, list[NDArray]] = {}
    total = None
    for path in paths:
        with open_hdf5(path) as file:
            attributes = dict(file["Header"].attrs)
            _check_epoch(path, float(attributes["Time"]), scale_factor)
            if int(attributes.get("NumFiles", len(paths))) != len(paths):
                raise SnapshotError(
                    path,
                    f"{len(paths)} file(s)",
                    f"{attributes['NumFiles']} (NumFiles)",
                    "restore the whole set",
                )
            for key in {"Group": ("Ngroups_Total",), "Subhalo": ("Nsubgroups_Total", "Nsubhalos_Total")}[
                name
            ]:
                total = int(attributes[key]) if key in attributes else total
            if name not in file or not len(file[name]):
                continue
            for dataset in needs + may:
                stored = dataset if dataset in file[name] else _GADGET4_NAME.get(dataset, dataset)
                if stored in file[name]:
                    parts.setdefault(dataset, []).append(_values(file[name][stored], dataset))
                elif dataset in needs:
                    raise SnapshotError(path, f"no {name}/{dataset}", "a FoF/Subfind catalogue", _RESTORE)
    table = {dataset: np.concatenate(values) for dataset, values in parts.items()}
    rows = len(next(iter(table.values()))) if table else 0
    if total is not None and rows != total:
        raise SnapshotError(paths[0], f"{rows} rows of {name}", f"{total} as its Header says", _RESTORE)
    for dataset, values in table.items():
        if len(values) != rows:
            raise SnapshotError(paths[0], f"{len(values)} rows in {name}/{dataset}", f"{rows}", _RESTORE)
    return table


def _values(dataset: Any, name: str) -> NDArray:
    values = np.asarray(dataset)
    if name == "SubhaloIDMostbound" and values.dtype.kind in "iu":
        unsigned = values.view(f"u{values.dtype.itemsize}")  # Arepo labels its unsigned identities signed
        return unsigned.astype(np.int64)
    return values.astype(float)


def _check_epoch(path: Path, time: float, scale_factor: float) -> None:
    if abs(time / scale_factor - 1.0) > 1e-6:
        raise SnapshotError(
            path,
            f"a catalogue of Time {time:g}",
            f"{scale_factor:g} as the snapshot has",
            "it belongs to another snapshot",
        )
