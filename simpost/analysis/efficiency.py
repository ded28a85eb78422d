"""Halo-scale star-formation efficiency along the track of a main progenitor.

Shen+2025 eq. 1: eps = SFR / (f_b dM_halo/dt), measured as Delta M_* / (f_b Delta M_halo) over segments of
one dynamical time. Overlapping (sliding) segments are not independent: a scatter divided by the root of
their number is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.analysis.halo import baryon_fraction, dynamical_time
from simpost.analysis.segments import History, Pieces, coarse_cadence, cut_window, whole_tiles
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.ism.arrays import Booleans, Floats, choice, positive, shaped
from simpost.statistics.resampling import Interval, interval

Window = Literal["half", "full"]
Spacing = Literal["sliding", "tiled"]
DynamicalTime = Literal["central", "local"]
Interpolation = Literal["pchip", "linear"]

HALF_WIDTH = {"half": 2.0, "full": 1.0}  # of the window, in dynamical times
FARTHEST = 0.5  # dynamical times that a track may end short of the redshift; our choice


@dataclass(frozen=True)
class BornStars:
    """Stars inside the aperture of a galaxy at one time, for the efficiency by ages.

    Parameters
    ----------
    birth_time : (n,)
        Age of the universe when each star formed [Myr].
    birth_mass : (n,)
        Initial masses [Msun].
    observed : float
        Age of the universe at the snapshot that the stars are from [Myr].
    """

    birth_time: Floats
    birth_mass: Floats
    observed: float

    def __post_init__(self) -> None:
        time = shaped("birth time of stars", self.birth_time, None)
        mass = positive(
            "birth mass of stars", shaped("birth mass", self.birth_mass, time.size), zero_allowed=True
        )
        late = int(np.count_nonzero(time > self.observed * (1.0 + 1e-6)))
        if late:
            raise InputError(
                "birth time of stars", f"{late} born after the snapshot", "times in Myr before it"
            )
        order = np.argsort(time)
        object.__setattr__(self, "birth_time", time[order])
        object.__setattr__(self, "birth_mass", mass[order])

    def born(self, start: Floats, end: Floats) -> Floats:
        """Mass [Msun] born in (start, end] [Myr]; NaN where the segment ends after the snapshot."""
        total = np.concatenate([[0.0], np.cumsum(self.birth_mass)])
        first, last = (np.searchsorted(self.birth_time, t, side="right") for t in (start, end))
        seen = end <= self.observed * (1.0 + 1e-9)
        return np.where(seen, total[last] - total[first], np.nan)


@dataclass(frozen=True, eq=False)
class Segments:
    """Pieces of a track; arrays (n,).

    Attributes
    ----------
    start, end : float
        Age of the universe [Myr].
    halo_start, halo_end, star_start, star_end : float
        M_halo and M_* [Msun] at both ends.
    efficiency : float
        Delta M_* / (f_b Delta M_halo); NaN where censored.
    efficiency_sfh : float
        The same with the birth mass of stars for Delta M_*; NaN without stars, or after their snapshot.
    is_censored : bool
        The halo does not grow: the efficiency is undefined.
    is_negative : bool
        M_* falls (stripping, mass loss, a change of the half-mass radius).
    has_jump : bool
        The halo mass changes by more than 25 % between two snapshots: a merger, or a mistaken link.
    has_bridge : bool
        A snapshot in it was bridged.
    """

    start: Floats
    end: Floats
    halo_start: Floats
    halo_end: Floats
    star_start: Floats
    star_end: Floats
    efficiency: Floats
    efficiency_sfh: Floats
    is_censored: Booleans
    is_negative: Booleans
    has_jump: Booleans
    has_bridge: Booleans

    @property
    def log_mass(self) -> Floats:
        """log10 sqrt(M1 M2) [Msun] of the halo."""
        return 0.5 * np.log10(self.halo_start * self.halo_end)


@dataclass(frozen=True, eq=False)
class HaloEfficiency:
    """Efficiency of one galaxy at one redshift.

    Attributes
    ----------
    name, redshift, window, spacing : as given.
    dynamical_time : float
        t_dyn at the redshift [Myr].
    segments : Segments
        Those that lie in the window and on the track.
    efficiency : Interval
        Median and 16-84 % over the segments that are not censored; NaN if more than half are.
    log_mass : Interval
        Of log10 M_halo over all segments, each at the geometric mean of its ends.
    efficiency_ratio : float
        Sum of Delta M_* over f_b times the sum of Delta M_halo of consecutive segments, censored ones
        included; NaN if there is none or the halo does not grow in total.
    efficiency_sfh : Interval
        From birth times; larger than `efficiency` by the mass that stars give back.
    n_dropped : int
        Segments that begin in the window but leave the track.
    coverage : float
        Share of the window that the track spans.
    is_coarse : bool
        Fewer than three snapshots per dynamical time; a segment is then longer than t_dyn where
        snapshots are further apart than it.
    reason : str
        Why the efficiency is NaN; empty if it is not.
    """

    name: str
    redshift: float
    window: str
    spacing: str
    dynamical_time: float
    segments: Segments
    efficiency: Interval
    log_mass: Interval
    efficiency_ratio: float
    efficiency_sfh: Interval
    n_dropped: int
    coverage: float
    is_coarse: bool
    reason: str

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return int(self.segments.start.size)

    @property
    def n_censored(self) -> int:
        """Segments in which the halo does not grow."""
        return int(np.count_nonzero(self.segments.is_censored))

    @property
    def n_negative(self) -> int:
        """Segments in which the stellar mass falls."""
        return int(np.count_nonzero(self.segments.is_negative))

    @property
    def n_sfh(self) -> int:
        """Segments that `efficiency_sfh` could be measured in."""
        return int(np.count_nonzero(np.isfinite(self.segments.efficiency_sfh)))

    @property
    def has_no_stars(self) -> bool:
        """Whether there are segments, and no stars in any: an efficiency of zero, not a missing one."""
        return self.n_segments > 0 and not np.any(self.segments.star_start + self.segments.star_end)


def halo_efficiency(
    name: str,
    time: ArrayLike,
    halo_mass: ArrayLike,
    stellar_mass: ArrayLike,
    redshift: float,
    cosmology: Cosmology,
    *,
    is_bridged: ArrayLike | None = None,
    stars: BornStars | None = None,
    window: Window = "half",
    spacing: Spacing = "sliding",
    dynamical_time_at: DynamicalTime = "central",
    interpolation: Interpolation = "pchip",
) -> HaloEfficiency:
    """Measure the efficiency of a galaxy around a redshift (Shen+2025 section 3.1, eq. 1).

    Parameters
    ----------
    name : str
        Of the galaxy.
    time : (n,)
        Age of the universe at the snapshots of the main progenitor [Myr], rising; no gaps (a track that
        was lost for more than one snapshot is two tracks).
    halo_mass, stellar_mass : (n,)
        M_200c, and M_* within twice the stellar half-mass radius [Msun].
    redshift : float
        Where to measure.
    cosmology : Cosmology
        The run's own; it must state Omega_b.
    is_bridged : (n,) bool, optional
        Snapshots whose masses were interpolated; segments on them are flagged.
    stars : BornStars, optional
        For `efficiency_sfh`.
    window : "half" or "full"
        Segments lie within 2 (half, default) or 1 (full) dynamical times on both sides: the two readings
        of "within 2 x t_dyn around". The default is our choice, for the number of independent segments.
    spacing : "sliding" or "tiled"
        One segment from every snapshot of the window (default), or consecutive ones from its start.
    dynamical_time_at : "central" or "local"
        Length of segments: t_dyn at the redshift (default) or at each segment's start.
    interpolation : "pchip" or "linear"
        Of ln M_halo and M_* in time at the ends of segments; default monotone cubic.

    Raises
    ------
    InputError
        Fewer than two snapshots, times that do not rise or are later than today, masses that are not
        finite, a halo mass <= 0, a stellar mass < 0.
    """
    for key, value, known in (
        ("window", window, tuple(HALF_WIDTH)),
        ("spacing", spacing, ("sliding", "tiled")),
        ("dynamical time", dynamical_time_at, ("central", "local")),
    ):
        choice(key, value, known)
    history = History(name, time, halo_mass, stellar_mass, cosmology, is_bridged, interpolation)
    fraction = baryon_fraction(cosmology)
    t_dyn = float(dynamical_time(redshift, cosmology))
    centre = float(cosmology.age(1.0 / (1.0 + redshift)))
    bounds = (centre - HALF_WIDTH[window] * t_dyn, centre + HALF_WIDTH[window] * t_dyn)
    length = _segment_length(dynamical_time_at, t_dyn, cosmology)
    pieces = cut_window(history.time, bounds, centre, length, spacing)
    segments = _measure(history, pieces, fraction, stars)
    tiles = whole_tiles(history.time, bounds, centre, length) if spacing == "sliding" else pieces
    reason = _reason(segments, history.time, centre, t_dyn)
    return HaloEfficiency(
        name,
        float(redshift),
        window,
        spacing,
        t_dyn,
        segments,
        _spread(segments.efficiency, reason),
        _spread(segments.log_mass),
        _ratio(history, tiles, fraction),
        _spread(segments.efficiency_sfh, reason),
        pieces.n_dropped,
        _overlap(history.time, bounds) / (bounds[1] - bounds[0]),
        coarse_cadence(history.time, bounds, t_dyn),
        reason,
    )


def efficiency_table(results: Sequence[HaloEfficiency]) -> dict[str, NDArray]:
    """Columns (n,) of many galaxies, one row each, masses in Msun and times in Myr."""
    columns: dict[str, Callable[[HaloEfficiency], object]] = {
        "name": lambda r: r.name,
        "redshift": lambda r: r.redshift,
        "log_mass": lambda r: float(r.log_mass.median),
        "log_mass_p16": lambda r: float(r.log_mass.p16),
        "log_mass_p84": lambda r: float(r.log_mass.p84),
        "efficiency": lambda r: float(r.efficiency.median),
        "efficiency_p16": lambda r: float(r.efficiency.p16),
        "efficiency_p84": lambda r: float(r.efficiency.p84),
        "efficiency_ratio": lambda r: r.efficiency_ratio,
        "efficiency_sfh": lambda r: float(r.efficiency_sfh.median),
        "n_segments": lambda r: r.n_segments,
        "n_censored": lambda r: r.n_censored,
        "n_negative": lambda r: r.n_negative,
        "n_with_jump": lambda r: int(np.count_nonzero(r.segments.has_jump)),
        "n_with_bridge": lambda r: int(np.count_nonzero(r.segments.has_bridge)),
        "n_sfh": lambda r: r.n_sfh,
        "n_dropped": lambda r: r.n_dropped,
        "coverage": lambda r: r.coverage,
        "dynamical_time": lambda r: r.dynamical_time,
        "longest_segment": lambda r: float(np.max(r.segments.end - r.segments.start, initial=0.0)),
        "is_coarse": lambda r: r.is_coarse,
        "has_no_stars": lambda r: r.has_no_stars,
        "reason": lambda r: r.reason,
    }
    return {key: np.array([value(result) for result in results]) for key, value in columns.items()}


def segment_efficiency(
    halo_start: Floats, halo_end: Floats, star_start: Floats, star_end: Floats, fraction: float
) -> Floats:
    """Delta M_* / (f_b Delta M_halo); NaN where the halo does not grow."""
    growth = halo_end - halo_start
    formed = star_end - star_start
    return np.divide(formed, fraction * growth, out=np.full_like(growth, np.nan), where=growth > 0.0)


def _segment_length(kind: str, t_dyn: float, cosmology: Cosmology) -> Callable[[Floats], Floats]:
    if kind == "central":
        return lambda start: np.full_like(start, t_dyn)
    return lambda start: dynamical_time(1.0 / cosmology.scale_factor_of_age(start) - 1.0, cosmology)


def _measure(history: History, pieces: Pieces, fraction: float, stars: BornStars | None) -> Segments:
    start, end = pieces.start, pieces.end
    halo_start, halo_end = history.halo_mass(start), history.halo_mass(end)
    star_start, star_end = history.stellar_mass(start), history.stellar_mass(end)
    growth = halo_end - halo_start
    sfh = np.full_like(growth, np.nan)
    if stars is not None:
        np.divide(stars.born(start, end), fraction * growth, out=sfh, where=growth > 0.0)
    return Segments(
        start,
        end,
        halo_start,
        halo_end,
        star_start,
        star_end,
        segment_efficiency(halo_start, halo_end, star_start, star_end, fraction),
        sfh,
        ~(growth > 0.0),
        star_end < star_start,
        history.has_jump(start, end),
        history.has_bridge(start, end),
    )


def _ratio(history: History, tiles: Pieces, fraction: float) -> float:
    growth = float(np.sum(history.halo_mass(tiles.end) - history.halo_mass(tiles.start)))
    formed = float(np.sum(history.stellar_mass(tiles.end) - history.stellar_mass(tiles.start)))
    return formed / (fraction * growth) if growth > 0.0 else float("nan")


def _reason(segments: Segments, time: Floats, centre: float, t_dyn: float) -> str:
    n, censored = segments.start.size, int(np.count_nonzero(segments.is_censored))
    track = f"the track of {time[0]:.1f}-{time[-1]:.1f} Myr"
    if not time[0] - FARTHEST * t_dyn <= centre <= time[-1] + FARTHEST * t_dyn:
        return f"{track} does not reach the redshift, at {centre:.1f} Myr"
    if n == 0:
        return f"{track} holds no segment of {t_dyn:.1f} Myr in the window around {centre:.1f} Myr"
    if 2 * censored > n:
        return f"the halo does not grow in {censored} of {n} segments"
    return ""


def _spread(values: Floats, reason: str = "") -> Interval:
    """Of the defined values; NaN if there are none, or for a reason."""
    defined = values[np.isfinite(values)]
    return interval(np.full(1, np.nan) if reason or not defined.size else defined)


def _overlap(time: Floats, bounds: tuple[float, float]) -> float:
    return max(0.0, float(min(time[-1], bounds[1]) - max(time[0], bounds[0])))
