"""The main-progenitor track of a halo: mass, radius, stars and place at every snapshot.

A halo that was lost for one snapshot, or a snapshot without a mass around it, is bridged by
interpolation and flagged; longer gaps split the track (science G.1 step 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError

Array = NDArray[np.float64]

SAME_EPOCH = 1e-4  # relative, of the scale factors of one snapshot in tree, catalogue and file
MERGER_JUMP = 0.25  # relative change of M_halo between two snapshots (science G.1 step 9)
LONGEST_BRIDGE = 1  # snapshots that may be interpolated in a row (science G.1 step 8)


@dataclass(frozen=True)
class Steps:
    """What a branch says about a halo where it was found, one row per snapshot, in any order.

    M_halo is NaN (or not above zero) where nothing is measured around the halo, as for satellites;
    M_* and SFR are NaN where the tree or catalogue has none.
    """

    snapshot: NDArray[np.int64]  # (n,) number
    scale_factor: Array  # (n,)
    m_halo: Array  # (n,) M_200c [Msun]
    m_star: Array  # (n,) Msun
    sfr: Array  # (n,) Msun/yr
    position: Array  # (n, 3) proper kpc from the corner of the box; NaN if unknown
    row: NDArray[np.int64]  # (n,) row in the catalogue of that snapshot
    is_satellite: NDArray[np.bool_]  # (n,) not the central of its group


@dataclass(frozen=True)
class Track:
    """History of one halo along its main branch, early to late; all arrays have n rows.

    `is_bridged` rows are interpolated: M_halo as ln M linear in time, M_*, SFR and comoving place linearly.
    """

    name: str
    cosmology: Cosmology
    comoving_box: float  # kpc, NaN if unknown
    snapshot: NDArray[np.int64]
    redshift: Array
    scale_factor: Array
    time: Array  # Myr, age of the universe in the run's own cosmology
    m_halo: Array  # M_200c [Msun]
    r_halo: Array  # R_200c, proper kpc
    m_star: Array  # Msun; NaN where unknown
    sfr: Array  # Msun/yr; NaN where unknown
    position: Array  # (n, 3) proper kpc from the corner of the box
    row: NDArray[np.int64]  # in the catalogue of the snapshot; -1 where the halo was not found
    is_bridged: NDArray[np.bool_]
    is_satellite: NDArray[np.bool_]
    mass_jump: NDArray[np.bool_]  # M_halo differs by more than 25 % from the snapshot before
    mass_falls: NDArray[np.bool_]  # M_halo is below that of the snapshot before
    has_no_stars: NDArray[np.bool_]  # M_* is zero
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.time)


def is_same_epoch(scale_factor: float, other: float) -> bool:
    """Whether two scale factors are of one snapshot: equal to 1e-4, more than files round them."""
    return abs(scale_factor / other - 1.0) <= SAME_EPOCH


def make_tracks(
    name: str,
    steps: Steps,
    cosmology: Cosmology,
    outputs: Mapping[int, float] | None = None,
    comoving_box: float = float("nan"),
    notes: tuple[str, ...] = (),
) -> list[Track]:
    """Tracks from the steps of one branch, the latest first; one unless a gap splits it.

    Parameters
    ----------
    name : str
        Of the halo; earlier pieces get `.1`, `.2`, ... behind it.
    steps : Steps
        Where the branch has nodes.
    cosmology : Cosmology
        Of the run; gives times and radii.
    outputs : mapping of snapshot number to scale factor, optional
        All snapshots of the run: those between the first and last step where the branch has no node are
        gaps. Default: the snapshots of the steps, so that nothing is missing.
    comoving_box : float
        Side of the box [comoving kpc] for places across its border.
    notes : tuple of str
        Facts about the source, carried along.

    Raises
    ------
    InputError
        No step, two steps of one snapshot, steps of a snapshot that is not in `outputs` or of another
        scale factor, or no step with a mass.
    """
    steps = _ordered(name, steps)
    listed = dict(zip(steps.snapshot.tolist(), steps.scale_factor.tolist(), strict=True))
    outputs = dict(outputs) if outputs is not None else listed
    _check_outputs(name, listed, outputs)
    first, last = steps.scale_factor[0], steps.scale_factor[-1]
    grid = sorted(
        (a, number) for number, a in outputs.items() if first * (1 - 1e-9) <= a <= last * (1 + 1e-9)
    )
    scale = np.array([a for a, _ in grid])
    number = np.array([n for _, n in grid], dtype=np.int64)
    spread = _spread(steps, number)
    known = np.isfinite(spread.m_halo) & (spread.m_halo > 0)
    if not np.any(known):
        raise InputError(f"track '{name}'", "no snapshot with a halo mass", "M_200c at one snapshot or more")
    pieces = _pieces(known)
    dropped = len(number) - sum(stop - start for start, stop in pieces)
    if len(pieces) > 1 or dropped:
        notes = (*notes, f"{dropped} snapshots without a halo mass dropped, track in {len(pieces)} piece(s)")
    tracks = []
    for piece, (start, stop) in enumerate(reversed(pieces)):
        label = name if piece == 0 else f"{name}.{piece}"
        chosen = slice(start, stop)
        tracks.append(
            _track(label, _rows(spread, chosen), scale[chosen], known[chosen], cosmology, comoving_box, notes)
        )
    return tracks


def _ordered(name: str, steps: Steps) -> Steps:
    if not len(steps.snapshot):
        raise InputError(f"track '{name}'", "no step", "a branch with one node or more")
    order = np.argsort(steps.scale_factor, kind="stable")
    steps = _rows(steps, order)
    repeated = steps.snapshot[1:][np.diff(steps.scale_factor) <= 0]
    if len(repeated):
        raise InputError(
            f"track '{name}'",
            f"two nodes at snapshot {repeated[0]}",
            "one node at every snapshot",
            "the tree or catalogue holds a halo twice",
        )
    return steps


def _check_outputs(name: str, listed: Mapping[int, float], outputs: Mapping[int, float]) -> None:
    for number, a in listed.items():
        if number not in outputs:
            raise InputError(
                f"track '{name}'",
                f"a node at snapshot {number}",
                f"one of the {len(outputs)} snapshots given",
                "snapshots of the tree are missing: give them all, or cut the tree",
            )
        if not is_same_epoch(outputs[number], a):
            raise InputError(
                f"track '{name}'",
                f"snapshot {number} at a = {a:.6g} in the tree, {outputs[number]:.6g} in the run",
                "one epoch",
                "the tree belongs to another run, or snapshots are numbered differently",
            )


def _rows(steps: Steps, chosen: NDArray | slice) -> Steps:
    return Steps(**{name: values[chosen] for name, values in vars(steps).items()})


def _spread(steps: Steps, number: NDArray[np.int64]) -> Steps:
    """The steps on all snapshots `number`, with NaN, -1 and False where the branch has no node."""
    place = {int(n): i for i, n in enumerate(number)}
    at = np.array([place[int(n)] for n in steps.snapshot])
    filled = {}
    for key, values in vars(steps).items():
        blank: float | int | bool = {"f": np.nan, "i": -1, "b": False}[values.dtype.kind]
        column = np.full((len(number), *values.shape[1:]), blank, dtype=values.dtype)
        column[at] = values
        filled[key] = column
    return replace(Steps(**filled), snapshot=number)


def _pieces(known: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Ranges [start, stop) that hold no gap longer than `LONGEST_BRIDGE` and begin and end known."""
    at = np.flatnonzero(known)
    breaks = np.flatnonzero(np.diff(at) > LONGEST_BRIDGE + 1)
    starts, stops = np.r_[at[0], at[breaks + 1]], np.r_[at[breaks], at[-1]]
    return [(int(start), int(stop) + 1) for start, stop in zip(starts, stops, strict=True)]


def _track(
    name: str,
    steps: Steps,
    scale: Array,
    known: NDArray[np.bool_],
    cosmology: Cosmology,
    comoving_box: float,
    notes: tuple[str, ...],
) -> Track:
    time = cosmology.age(scale)
    m_halo = np.exp(np.interp(time, time[known], np.log(steps.m_halo[known])))
    found = steps.row >= 0
    m_star, sfr = _filled(time, steps.m_star, found), _filled(time, steps.sfr, found)
    position = _filled_place(time, steps.position, scale, comoving_box)
    if np.any(~known):
        bridged = ", ".join(str(n) for n in steps.snapshot[~known])
        notes = (*notes, f"halo mass interpolated at snapshot(s) {bridged}")
    change = np.r_[0.0, np.diff(m_halo) / m_halo[:-1]]
    return Track(
        name=name,
        cosmology=cosmology,
        comoving_box=comoving_box,
        snapshot=steps.snapshot,
        redshift=1.0 / scale - 1.0,
        scale_factor=scale,
        time=time,
        m_halo=m_halo,
        r_halo=cosmology.radius_within(m_halo, scale),
        m_star=m_star,
        sfr=sfr,
        position=position,
        row=steps.row,
        is_bridged=~known | ~found,
        is_satellite=steps.is_satellite,
        mass_jump=np.abs(change) > MERGER_JUMP,
        mass_falls=change < 0.0,
        has_no_stars=m_star == 0.0,
        notes=notes,
    )


def _filled(time: Array, values: Array, found: NDArray[np.bool_]) -> Array:
    """Values where the halo was found, linear in time where it was not; unknown values stay NaN."""
    good = found & np.isfinite(values)
    if not np.any(good):
        return np.full(len(time), np.nan)
    return np.where(found, values, np.interp(time, time[good], values[good]))


def _filled_place(time: Array, position: Array, scale: Array, comoving_box: float) -> Array:
    """Missing places by linear interpolation of the comoving place, across the border of the box."""
    known = np.all(np.isfinite(position), axis=1)
    if np.all(known) or not np.any(known):
        return position
    comoving = position[known] / scale[known, None]
    if np.isfinite(comoving_box) and comoving_box > 0:
        comoving = np.unwrap(comoving, axis=0, period=comoving_box)
    filled = position.copy()
    for axis in range(3):
        filled[~known, axis] = np.interp(time[~known], time[known], comoving[:, axis])
    if np.isfinite(comoving_box) and comoving_box > 0:
        filled[~known] %= comoving_box
    filled[~known] *= scale[~known, None]
    return filled
