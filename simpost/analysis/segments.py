"""Growth history of a main progenitor, and the segments of it that a time window holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.ism.arrays import Booleans, Floats, choice, positive, shaped
from simpost.trees.track import MERGER_JUMP

SNAPSHOTS_PER_DYNAMICAL_TIME = 3  # fewer are coarse
_ROUND_OFF = 1e-9  # of a time: ends that only rounding puts outside are inside


@dataclass(frozen=True, eq=False)
class Pieces:
    """Start and end [Myr] of segments (n,), and how many were dropped for leaving the track."""

    start: Floats
    end: Floats
    n_dropped: int


class History:
    """Halo and stellar mass between the snapshots of a track, and what went wrong at them.

    Parameters are those of `efficiency.halo_efficiency`. Masses are never extrapolated.
    """

    def __init__(
        self,
        name: str,
        time: ArrayLike,
        halo_mass: ArrayLike,
        stellar_mass: ArrayLike,
        cosmology: Cosmology,
        is_bridged: ArrayLike | None = None,
        interpolation: str = "pchip",
    ) -> None:
        choice("interpolation", interpolation, ("pchip", "linear"))
        what = f"track of {name}"
        self.time = positive(f"{what}, time", shaped(f"{what}, time", time, None))
        n = self.time.size
        if n < 2:
            raise InputError(what, f"{n} snapshots", "at least two")
        if not np.all(np.diff(self.time) > 0.0):
            raise InputError(what, "times that do not rise", "every snapshot once, in order of time")
        today = float(cosmology.age(1.0))
        if self.time[-1] > today * (1.0 + 1e-6):
            raise InputError(what, f"a time of {self.time[-1]:g} Myr", f"at most {today:.0f} Myr, today")
        halo = positive(f"{what}, halo mass", shaped(f"{what}, halo mass", halo_mass, n))
        stars = positive(f"{what}, stellar mass", shaped(f"{what}, stellar mass", stellar_mass, n), True)
        self._ln_halo = _interpolator(self.time, np.log(halo), interpolation)
        self._stars = _interpolator(self.time, stars, interpolation)
        self._is_jump = np.abs(np.diff(halo)) > MERGER_JUMP * halo[:-1]
        bridged = np.zeros(n) if is_bridged is None else shaped(f"{what}, bridged", is_bridged, n)
        # masses between a bridged snapshot and both its neighbours rest on it
        self._is_bridge = (bridged[:-1] != 0.0) | (bridged[1:] != 0.0)

    def halo_mass(self, time: Floats) -> Floats:
        """M_halo [Msun] at times [Myr] within the track."""
        return np.exp(self._ln_halo(self._within(time)))

    def stellar_mass(self, time: Floats) -> Floats:
        """M_* [Msun] at times [Myr] within the track."""
        return self._stars(self._within(time))

    def has_jump(self, start: Floats, end: Floats) -> Booleans:
        """Whether the halo mass jumps between two snapshots that a segment overlaps."""
        return self._any_step(self._is_jump, start, end)

    def has_bridge(self, start: Floats, end: Floats) -> Booleans:
        """Whether a segment rests on a bridged snapshot."""
        return self._any_step(self._is_bridge, start, end)

    def _any_step(self, flagged: Booleans, start: Floats, end: Floats) -> Booleans:
        total = np.concatenate([[0], np.cumsum(flagged)])
        first = np.searchsorted(self.time, start * (1.0 + _ROUND_OFF), side="right") - 1
        last = np.searchsorted(self.time, end * (1.0 - _ROUND_OFF), side="left")
        return total[last] > total[first]

    def _within(self, time: Floats) -> Floats:
        first, last = self.time[0], self.time[-1]
        if np.any(time < first * (1.0 - _ROUND_OFF)) or np.any(time > last * (1.0 + _ROUND_OFF)):
            found = f"times {np.min(time):g} to {np.max(time):g} Myr"
            raise InputError("track", found, f"times within {first:g} to {last:g} Myr")
        return np.clip(time, first, last)


def cut_window(
    time: Floats,
    bounds: tuple[float, float],
    centre: float,
    length: Callable[[Floats], Floats],
    spacing: str,
) -> Pieces:
    """Segments that lie wholly in a window and on the track.

    Parameters
    ----------
    time : (n,)
        Of the snapshots [Myr].
    bounds : (float, float)
        Of the window [Myr].
    centre : float
        Time of the target redshift [Myr].
    length : function
        Lengths of the segments that begin at given times [Myr].
    spacing : "sliding" or "tiled"
        From every snapshot in the window, or consecutively from its start.

    Notes
    -----
    A sliding segment shorter than the step to the next snapshot is stretched to it, since nothing is
    known in between. If no segment is left for that, it is the step that holds `centre`.
    """
    if spacing == "tiled":
        return whole_tiles(time, bounds, centre, length)
    slack = _ROUND_OFF * bounds[1]
    start = time[(time >= bounds[0] - slack) & (time <= bounds[1])]
    end = start + length(start)
    following = np.searchsorted(time, start, side="right")
    end = np.maximum(end, np.where(following < time.size, time[np.minimum(following, time.size - 1)], end))
    inside = end <= bounds[1] + slack
    on_track = end <= time[-1] + slack
    if not np.any(inside & on_track):
        return _step_at(time, centre, length, int(np.count_nonzero(inside & ~on_track)))
    kept = inside & on_track
    return Pieces(start[kept], end[kept], int(np.count_nonzero(inside & ~on_track)))


def whole_tiles(
    time: Floats, bounds: tuple[float, float], centre: float, length: Callable[[Floats], Floats]
) -> Pieces:
    """Consecutive segments from the start of a window; parameters of `cut_window`."""
    slack = _ROUND_OFF * bounds[1]
    edges = [bounds[0]]
    while edges[-1] < bounds[1] - slack:
        edges.append(edges[-1] + float(length(np.array(edges[-1]))))
    if edges[-1] > bounds[1] + slack:
        edges.pop()
    start, end = np.array(edges[:-1]), np.array(edges[1:])
    kept = (start >= time[0] - slack) & (end <= time[-1] + slack)
    dropped = int(np.count_nonzero(~kept))
    if not np.any(kept):
        return _step_at(time, centre, length, dropped)
    return Pieces(start[kept], end[kept], dropped)


def coarse_cadence(time: Floats, bounds: tuple[float, float], t_dyn: float) -> bool:
    """Whether a step of the track in the window is longer than a third of a dynamical time."""
    overlaps = (time[1:] > bounds[0]) & (time[:-1] < bounds[1])
    steps = np.diff(time)[overlaps]
    return bool(np.any(steps > t_dyn / SNAPSHOTS_PER_DYNAMICAL_TIME * (1.0 + _ROUND_OFF)))


def _step_at(time: Floats, centre: float, length: Callable[[Floats], Floats], dropped: int) -> Pieces:
    """The step between two snapshots that holds the centre, if it is longer than a segment; else none."""
    i = int(np.searchsorted(time, centre, side="right")) - 1
    none = np.empty(0)
    if not 0 <= i < time.size - 1 or time[i + 1] - time[i] < length(time[i : i + 1])[0]:
        return Pieces(none, none, dropped)
    return Pieces(time[i : i + 1], time[i + 1 : i + 2], dropped)


def _interpolator(x: Floats, y: Floats, kind: str) -> Callable[[Floats], Floats]:
    if kind == "linear":
        return lambda at: np.interp(at, x, y)
    return PchipInterpolator(x, y, extrapolate=False)
