"""In-situ fraction of stars along a main branch (S25; science G.6).

A star is in situ if it formed within R_vir of the main progenitor; F_* is the birth mass of those stars
over that of all stars, both inside R_vir of the halo at the last snapshot of the track. Where a star formed
is taken from the first snapshot after its birth, or from stored birth positions. Stars born before the
branch starts are unknown: F_* comes with the bracket [unknown = ex situ, unknown = in situ].

Limits: between birth and the next snapshot a star moves by up to dt/(t_dyn/2) R_vir, so clean labels need
dt < 0.1 t_dyn; identities are matched among stars only, because Arepo's stars may keep those of gas cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError
from simpost.snapshots.arepo_members import subhalo_members
from simpost.snapshots.arepo_stars import StarTable, read_star_table
from simpost.snapshots.regions import offset_from
from simpost.trees.forest import NOBODY, Forest, main_branch, tracks_of
from simpost.trees.track import Track

Array = NDArray[np.float64]
Definition = Literal["halo", "subhalo"]

IN_SITU, EX_SITU, UNKNOWN = 1, 0, -1
CLEAN_CADENCE = 0.1  # dt / t_dyn below which labels are clean (science G.6)


@dataclass(frozen=True)
class StarPlaces:
    """Where all stars of one snapshot are, and which of them are bound to the main progenitor."""

    identity: NDArray[np.int64]
    position: Array  # (n, 3) proper kpc from the corner of the box
    in_subhalo: NDArray[np.bool_] | None = None  # needed by the definition `subhalo`


@dataclass(frozen=True)
class TargetStars:
    """The stars inside R_vir of the halo at the last snapshot of the track.

    Without `birth_time` a star counts as born between the last snapshot without and the first with it.
    """

    identity: NDArray[np.int64]
    birth_mass: Array  # Msun
    birth_time: Array | None = None  # Myr, age of the universe
    birth_position: Array | None = None  # (n, 3) comoving kpc from the corner of the box
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class InSitu:
    """In-situ fraction and what it rests on; masses are birth masses [Msun]."""

    fraction: float  # of the stars whose birth place is known; NaN without any
    low: float  # unknown = ex situ
    high: float  # unknown = in situ
    mass_in_situ: float
    mass_ex_situ: float
    mass_unknown: float
    n_in_situ: int
    n_ex_situ: int
    n_unknown: int
    cadence: Array  # dt/t_dyn of the snapshots used, one per interval
    label: NDArray[np.int8]  # per star: 1 in situ, 0 ex situ, -1 unknown; empty for an estimate
    method: str  # "places", "birth_positions" or "catalogue_estimate"
    flags: tuple[str, ...]


def in_situ_fraction(
    stars: TargetStars,
    track: Track,
    places: Callable[[int], StarPlaces | None],
    definition: Definition = "halo",
    birth_pos: bool = True,
) -> InSitu:
    """F_* of the halo at the last snapshot of `track` (S25; science G.6).

    Parameters
    ----------
    stars : TargetStars
        Stars inside R_vir at the last snapshot; wind particles excluded.
    track : Track
        Of the main progenitor; R_vir is its `r_halo`.
    places : callable
        All stars of a snapshot by its number, or None where the snapshot is not at hand: births are then
        looked up in the next one.
    definition : {"halo", "subhalo"}
        In situ if born within R_vir of the main progenitor (default, S25), which counts stars born in a
        satellite inside R_vir; or if born bound to the main progenitor's own subhalo.
    birth_pos : bool
        Use stored birth positions where `stars` has them and their birth times (default).

    Raises
    ------
    InputError
        Duplicated identities, births after the last snapshot, or what the definition needs is absent.
    """
    if definition not in ("halo", "subhalo"):
        raise InputError("definition of in situ", repr(definition), "'halo' or 'subhalo'")
    _check_stars(stars, track)
    stored = stars.birth_position is not None and stars.birth_time is not None
    flags = list(stars.notes)
    if birth_pos and stored and definition == "halo":
        label, used = _by_birth_position(stars, track), np.arange(len(track))
        return _result(stars, label, cadence(track, used), "birth_positions", flags)
    label, used, missing = _by_place(stars, track, places, definition)
    steps = cadence(track, used)
    if stars.birth_time is None:
        flags.append("birth times: first appearance")
    if missing:
        flags.append(f"{missing} stars not in the first snapshot after their birth: unknown")
    if len(steps) and steps.max() > CLEAN_CADENCE:
        flags.append(f"coarse cadence: dt/t_dyn up to {steps.max():.3g}, clean below {CLEAN_CADENCE:g}")
    return _result(stars, label, steps, "places", flags)


def cadence(track: Track, used: NDArray[np.int64]) -> Array:
    """dt/t_dyn of the intervals between the rows `used` of a track, t_dyn = t_H/10 at their end (G.1)."""
    cosmology = track.cosmology
    t_dyn = 0.1 * cosmology.hubble_time / cosmology.expansion(track.scale_factor[used])
    return np.diff(track.time[used]) / t_dyn[1:]


def _check_stars(stars: TargetStars, track: Track) -> None:
    n = len(stars.identity)
    if np.any(np.diff(np.sort(stars.identity)) == 0):
        raise InputError("stars of the halo", "an identity twice", "one identity per star")
    if stars.birth_mass.shape != (n,) or not np.all(np.isfinite(stars.birth_mass) & (stars.birth_mass > 0)):
        raise InputError("birth masses of the stars", "missing, zero or NaN values", f"{n} positive masses")
    if stars.birth_time is not None and n:
        late = np.count_nonzero(~(stars.birth_time <= track.time[-1] * (1.0 + 1e-6)))
        if late:
            raise InputError(
                "birth times of the stars",
                f"{late} after the last snapshot of track '{track.name}' ({track.time[-1]:.6g} Myr)",
                "births before it",
                "the stars are of another snapshot than the end of the track",
            )


def _by_place(
    stars: TargetStars, track: Track, places: Callable[[int], StarPlaces | None], definition: Definition
) -> tuple[NDArray[np.int8], NDArray[np.int64], int]:
    """Label by the first snapshot after birth; also the rows used and the number of stars not found."""
    label = np.full(len(stars.identity), UNKNOWN, dtype=np.int8)
    pending = np.ones(len(label), dtype=bool)
    used: list[int] = []
    missing = 0
    for row in range(len(track)):
        there = places(int(track.snapshot[row]))
        if there is None:
            continue
        found, at = _look_up(stars.identity, there.identity)
        if stars.birth_time is None:
            born = pending & found
        else:
            born = pending & (stars.birth_time <= track.time[row] * (1.0 + 1e-6))
        if used:  # births before the first snapshot of the branch stay unknown
            missing += int(np.count_nonzero(born & ~found))
            at_home = _at_home(track, row, there, definition)
            inside = born & found
            label[inside] = np.where(at_home[at[inside]], IN_SITU, EX_SITU)
        pending &= ~born
        used.append(row)
    if not used or used[-1] != len(track) - 1:
        raise InputError(
            f"in-situ fraction of track '{track.name}'",
            f"no stars of its last snapshot {track.snapshot[-1]}",
            "the snapshot the halo is seen at",
        )
    return label, np.array(used, dtype=np.int64), missing + int(np.count_nonzero(pending))


def _look_up(
    identity: NDArray[np.int64], among: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which identities are `among` others, and at which row (0 where they are not)."""
    if not len(among):
        return np.zeros(len(identity), dtype=bool), np.zeros(len(identity), dtype=np.int64)
    order = np.argsort(among, kind="stable")
    if np.any(np.diff(among[order]) == 0):
        raise InputError("stars of a snapshot", "an identity twice", "one identity per star")
    place = order[np.minimum(np.searchsorted(among[order], identity), len(among) - 1)]
    return among[place] == identity, place


def _at_home(track: Track, row: int, there: StarPlaces, definition: Definition) -> NDArray[np.bool_]:
    """Which stars of a snapshot are within R_vir of (or bound to) the main progenitor."""
    if definition == "subhalo":
        if there.in_subhalo is None:
            raise InputError(
                f"stars of snapshot {track.snapshot[row]}",
                "no membership of the main progenitor",
                "the members of its subhalo",
                "use definition: halo",
            )
        return there.in_subhalo
    return _distance(there.position, track.position[row], track, row) <= track.r_halo[row]


def _distance(position: Array, centre: Array, track: Track, row: int) -> Array:
    box = track.comoving_box * float(track.scale_factor[row])
    offset = offset_from(position, centre, box) if box > 0 else position - centre
    return np.asarray(np.linalg.norm(offset, axis=1))


def _by_birth_position(stars: TargetStars, track: Track) -> NDArray[np.int8]:
    """Label by stored birth positions, with centre and R_vir interpolated to the time of birth."""
    assert stars.birth_time is not None and stars.birth_position is not None
    born, box = stars.birth_time, track.comoving_box
    centre = track.position / track.scale_factor[:, None]
    if box > 0:
        centre = np.unwrap(centre, axis=0, period=box)
    here = np.stack([np.interp(born, track.time, centre[:, axis]) for axis in range(3)], axis=1)
    radius = np.exp(np.interp(born, track.time, np.log(track.r_halo / track.scale_factor)))
    offset = stars.birth_position - here
    if box > 0:
        offset -= box * np.round(offset / box)
    label = np.where(np.linalg.norm(offset, axis=1) <= radius, IN_SITU, EX_SITU).astype(np.int8)
    label[born <= track.time[0]] = UNKNOWN
    return label


def _result(
    stars: TargetStars, label: NDArray[np.int8], steps: Array, method: str, flags: list[str]
) -> InSitu:
    mass = {kind: float(stars.birth_mass[label == kind].sum()) for kind in (IN_SITU, EX_SITU, UNKNOWN)}
    count = {kind: int(np.count_nonzero(label == kind)) for kind in mass}
    known = mass[IN_SITU] + mass[EX_SITU]
    total = known + mass[UNKNOWN]
    if not len(label):
        flags.append("no stars inside R_vir")
    return InSitu(
        fraction=mass[IN_SITU] / known if known > 0 else float("nan"),
        low=mass[IN_SITU] / total if total > 0 else float("nan"),
        high=(mass[IN_SITU] + mass[UNKNOWN]) / total if total > 0 else float("nan"),
        mass_in_situ=mass[IN_SITU],
        mass_ex_situ=mass[EX_SITU],
        mass_unknown=mass[UNKNOWN],
        n_in_situ=count[IN_SITU],
        n_ex_situ=count[EX_SITU],
        n_unknown=count[UNKNOWN],
        cadence=steps,
        label=label,
        method=method,
        flags=tuple(flags),
    )


# -- Arepo snapshots ---------------------------------------------------------------------------------


def arepo_in_situ_fraction(
    track: Track,
    snapshots: Mapping[int, Path | str],
    definition: Definition = "halo",
    birth_pos: bool = True,
) -> InSitu:
    """`in_situ_fraction` of a track from the Arepo snapshots of its run, by snapshot number.

    The halo is that of the last snapshot of the track, which must be among `snapshots`.
    """
    last = int(track.snapshot[-1])
    if last not in snapshots:
        raise InputError(
            f"in-situ fraction of track '{track.name}'", f"no snapshot {last}", "the track's last one"
        )
    table = read_star_table(snapshots[last])
    inside = _distance(table.position, track.position[-1], track, len(track) - 1) < track.r_halo[-1]
    stars = _target(table, inside)
    row_of = dict(zip(track.snapshot.tolist(), track.row.tolist(), strict=True))

    def places(number: int) -> StarPlaces | None:
        if number not in snapshots:
            return None
        there = table if number == last else read_star_table(snapshots[number])
        bound = None
        if definition == "subhalo" and row_of[number] >= 0:
            bound = np.isin(there.identity, subhalo_members(snapshots[number], kind=4).of(row_of[number]))
        elif definition == "subhalo":
            return None  # the halo was not found there
        return StarPlaces(there.identity, there.position, bound)

    return in_situ_fraction(stars, track, places, definition, birth_pos)


def _target(table: StarTable, inside: NDArray[np.bool_]) -> TargetStars:
    return TargetStars(
        identity=table.identity[inside],
        birth_mass=table.birth_mass[inside],
        birth_time=None if table.birth_time is None else table.birth_time[inside],
        birth_position=None if table.birth_position is None else table.birth_position[inside],
        notes=table.notes,
    )


# -- catalogues only ---------------------------------------------------------------------------------


def catalogue_estimate(forest: Forest, root: int) -> InSitu:
    """F_* from catalogues alone: 1 - sum of the mergers' M_* at their last snapshot outside R_vir, over M_*.

    Mergers whose branch is never seen outside, or without stellar mass, are unknown. Masses are current,
    not birth, masses; always flagged `catalogue_estimate` (science G.6).

    Raises
    ------
    InputError
        The forest has no stellar mass for the halo.
    """
    track = tracks_of(forest, root)[0]
    total = float(forest.m_star[root])
    if not total > 0:
        raise InputError(forest.source, f"M_* of {total:g} for the halo", "a halo with stars")
    at = {int(number): row for row, number in enumerate(track.snapshot)}
    branch = main_branch(forest, root)
    on_branch = np.zeros(len(forest), dtype=bool)
    on_branch[branch] = True
    joining = np.flatnonzero((forest.descendant != NOBODY) & ~on_branch)
    joining = joining[on_branch[forest.descendant[joining]]]
    ex_situ, unknown, n_ex, n_unknown = 0.0, 0.0, 0, 0
    for secondary in joining:
        outside = _last_outside(forest, int(secondary), track, at)
        mass = float(forest.m_star[secondary if outside is None else outside])
        if outside is None or not np.isfinite(mass):
            unknown += mass if np.isfinite(mass) else 0.0
            n_unknown += 1
        else:
            ex_situ += mass
            n_ex += 1
    flags = ["catalogue_estimate", "current masses, not birth masses"]
    if ex_situ + unknown > total:
        flags.append("mergers brought more stars than the halo has: stars were lost or counted twice")
    return InSitu(
        fraction=(total - unknown - ex_situ) / (total - unknown) if total > unknown else float("nan"),
        low=1.0 - (ex_situ + unknown) / total,
        high=1.0 - ex_situ / total,
        mass_in_situ=total - ex_situ - unknown,
        mass_ex_situ=ex_situ,
        mass_unknown=unknown,
        n_in_situ=0,
        n_ex_situ=n_ex,
        n_unknown=n_unknown,
        cadence=cadence(track, np.arange(len(track))),
        label=np.empty(0, dtype=np.int8),
        method="catalogue_estimate",
        flags=tuple(flags),
    )


def _last_outside(forest: Forest, secondary: int, track: Track, at: Mapping[int, int]) -> int | None:
    """Latest node of the secondary's main branch outside R_vir of the main progenitor; None if unseen."""
    for node in main_branch(forest, secondary):
        row = at.get(int(forest.snapshot[node]))
        if row is None:
            continue
        gap = _distance(forest.position[[node]], track.position[row], track, row)[0]
        if gap > track.r_halo[row]:
            return int(node)
    return None
