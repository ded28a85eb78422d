"""Growth histories of known truth, written as merger trees in the LHaloTree layout of Illustris and TNG.

A halo grows as M = M_0 exp(-r (z - z_0)) (Dekel+2013 with r = 0.79) and its galaxy by
dM_* = s f_b eps(M) dM: eps is one double power law at all times (Shen+2025 eq. 3), s a factor of the
galaxy's own. M_* is therefore s f_b int eps dM of the largest mass so far, whatever the path to it:
a merger comes with a burst that forms what the law asks for, and a halo that shrinks keeps its stars.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import fixed_quad

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.core.files import whole_folder
from simpost.snapshots.synthetic.arepo_state import ArepoUnits
from simpost.snapshots.synthetic.galaxy import Array
from simpost.snapshots.synthetic.octree import Integers

Table = dict[str, NDArray[Any]]

_STREAM_GALAXY, _STREAM_EVENT, _STREAM_PLACE = 1, 2, 3  # child streams of the seed
_E_FOLDS, _NODES = 40.0, 128  # range of ln M below a halo's mass that is integrated, and points
_FEWEST_SNAPSHOTS, _MOST_SNAPSHOTS = 24, 1000  # for events in the middle; for three digits in the name
_MOST_E_FOLDS = 40.0  # of a halo's growth: more is none and leaves single precision
_SATELLITE_SNAPSHOTS = 3  # between infall and merger, our choice
_BOUND_STARS = 1.2  # over those within twice the half-mass radius: our choice, to tell the two apart
_APART = 30.0  # comoving kpc along each axis, between a halo and the one that falls in; our choice
_BOX = 95.5e3  # comoving kpc, of THESAN (Kannan+2022)
_DARK_MATTER_PARTICLE = 4.86e4  # Msun, level L4 of Shen+2025 Table 1; for the header alone
_GAS, _DARK_MATTER, _STARS, _TYPES = 0, 1, 4, 6
_NOBODY = -1


@dataclass(frozen=True)
class TrueEfficiency:
    """Double power law eps(M) = eps0/((M/M0)^-alpha + (M/M0)^-beta) of Shen+2025 eq. 3.

    log_eps0 and log_m0 (M0 in Msun) are log10.
    """

    log_eps0: float
    log_m0: float
    alpha: float
    beta: float

    def __call__(self, mass: ArrayLike) -> Array:
        """Efficiency at halo masses [Msun]."""
        x = np.asarray(mass, dtype=float) / 10.0**self.log_m0
        return np.asarray(10.0**self.log_eps0 / (x**-self.alpha + x**-self.beta))

    def integral(self, mass: ArrayLike) -> Array:
        """Int_0^M eps dM' [Msun] by Gauss-Legendre quadrature in ln M', for halo masses (n,) [Msun]."""
        mass = np.asarray(mass, dtype=float)[..., None]
        share, _ = fixed_quad(lambda u: np.exp(u) * self(mass * np.exp(u)), -_E_FOLDS, 0.0, n=_NODES)
        return np.asarray(mass[..., 0] * share)


@dataclass(frozen=True)
class TrueHalo:
    """One halo that is followed to the last snapshot, and the one thing that may be peculiar about it.

    Attributes
    ----------
    log_mass : float
        log10 M_200c [Msun] at the last snapshot.
    growth : float
        r of M = M_0 exp(-r (z - z_0)).
    efficiency_factor : float
        s of its galaxy.
    missing_from : int or None
        First snapshot at which it is not in the tree.
    infall : int or None
        Snapshot from which another halo lies inside it, so that its mass jumps.
    companion_factor : float
        s of that halo's galaxy.
    turns_at : int or None
        Snapshot after which its mass falls as fast in z as it had risen.
    """

    log_mass: float
    growth: float
    efficiency_factor: float
    missing_from: int | None
    infall: int | None
    companion_factor: float
    turns_at: int | None


@dataclass(frozen=True)
class HistorySet:
    """Histories of many haloes, snapshots equally spaced in time; all of it follows from the seed.

    Parameters
    ----------
    efficiency : TrueEfficiency
        At all redshifts and for all haloes, times each galaxy's own factor.
    cosmology : Cosmology
        With omega_b.
    count : int
        Haloes followed to the last snapshot.
    log_mass : (float, float)
        log10 M_200c [Msun] of the lightest and heaviest there, the rest evenly between. The default is
        8 to 11.3 at z = 6, what Shen+2025 Table 3 was fitted to.
    redshifts : (float, float)
        Of the first (less than a step later) and exactly of the last snapshot.
    cadence : float
        Myr between snapshots; default about that of THESAN-ZOOM.
    growth : float
        Median r; default 0.79 (Dekel+2013, z > 1).
    growth_scatter, efficiency_scatter : float
        Log-normal scatter of r and s between haloes [dex]; our choices.
    missing, merging, falling : int
        Haloes that are lost for `gap` snapshots, that another halo falls into, and whose mass falls in the
        end; different ones.
    gap : int
        Snapshots in a row at which `missing` haloes are not found; default 1, which is bridged.
    mass_ratio : float
        Of the halo that falls in to the one it falls into; the default is flagged as a jump (0.25).
    seed : int
        Of every draw; scatter, events and places have streams of their own.

    Raises
    ------
    InputError
        A number that cannot be honoured.
    """

    efficiency: TrueEfficiency
    cosmology: Cosmology
    count: int = 200
    log_mass: tuple[float, float] = (8.5, 11.8)
    redshifts: tuple[float, float] = (12.0, 4.5)
    cadence: float = 10.0
    growth: float = 0.79
    growth_scatter: float = 0.1
    efficiency_scatter: float = 0.25
    missing: int = 0
    merging: int = 0
    falling: int = 0
    gap: int = 1
    mass_ratio: float = 0.4
    seed: int = 1

    def __post_init__(self) -> None:
        law, events = self.efficiency, (self.missing, self.merging, self.falling)
        self._check("efficiency", bool(np.all(np.isfinite([law.log_eps0, law.log_m0]))), "finite numbers")
        self._check(
            "efficiency", -1.0 < law.alpha <= law.beta <= 10.0, "-1 < alpha <= beta: M_* diverges else"
        )
        self._check("cosmology", 0.0 < self.cosmology.omega_b < self.cosmology.omega_m, "omega_b as well")
        self._check("count", self.count >= 1, "1 or more")
        self._check(
            "log_mass", 5.0 <= self.log_mass[0] <= self.log_mass[1] <= 15.0, "5 <= lightest <= heaviest"
        )
        self._check("redshifts", 0.0 <= self.redshifts[1] < self.redshifts[0] <= 50.0, "first > last >= 0")
        for name in ("cadence", "growth", "mass_ratio"):
            self._check(name, 0.0 < getattr(self, name) < np.inf, "a number > 0")
        for name in ("growth_scatter", "efficiency_scatter"):
            self._check(name, 0.0 <= getattr(self, name) <= 1.0, "0 to 1 dex")
        for name in ("missing", "merging", "falling", "seed"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        if sum(events) > self.count:
            raise InputError("missing, merging, falling", f"{events}", f"at most {self.count} (count) in sum")
        if not _FEWEST_SNAPSHOTS <= self.n_snapshots <= _MOST_SNAPSHOTS:
            found = f"{self.n_snapshots} snapshots every {self.cadence:g} Myr"
            raise InputError("redshifts, cadence", found, f"{_FEWEST_SNAPSHOTS} to {_MOST_SNAPSHOTS}")
        self._check("gap", 1 <= self.gap <= self.n_snapshots // 8, f"1 to {self.n_snapshots // 8}")
        fastest = max(halo.growth for halo in self.haloes) * (self.redshifts[0] - self.redshifts[1])
        if fastest > _MOST_E_FOLDS:
            raise InputError(
                "growth", f"a halo that grows by e^{fastest:.0f}", f"at most e^{_MOST_E_FOLDS:g}"
            )

    def _check(self, name: str, is_possible: bool, expected: str) -> None:
        if not is_possible:
            raise InputError(name, f"{getattr(self, name)}", expected)

    @cached_property
    def n_snapshots(self) -> int:
        """Number of snapshots n."""
        first, last = (float(self.cosmology.age(1.0 / (1.0 + z))) for z in self.redshifts)
        return 1 + int((last - first) / self.cadence)

    @cached_property
    def ages(self) -> Array:
        """Age of the universe at every snapshot (n,) [Myr], rising."""
        last = float(self.cosmology.age(1.0 / (1.0 + self.redshifts[1])))
        return np.asarray(last - self.cadence * np.arange(self.n_snapshots - 1.0, -1.0, -1.0))

    @cached_property
    def snapshot_redshifts(self) -> Array:
        """Redshift of every snapshot (n,), falling."""
        z = 1.0 / self.cosmology.scale_factor_of_age(self.ages) - 1.0
        z[-1] = self.redshifts[1]
        return np.asarray(z)

    @property
    def baryon_fraction(self) -> float:
        """Omega_b/Omega_m."""
        return self.cosmology.omega_b / self.cosmology.omega_m

    @cached_property
    def haloes(self) -> tuple[TrueHalo, ...]:
        """Truth of every halo, heaviest at the last snapshot first: the order of trees in the file."""
        normal = np.random.default_rng([self.seed, _STREAM_GALAXY]).normal(size=(3, self.count))
        growth = self.growth * 10.0 ** (self.growth_scatter * normal[0])
        own, companion = 10.0 ** (self.efficiency_scatter * normal[1:])
        events = np.random.default_rng([self.seed, _STREAM_EVENT])
        rank, n = events.permutation(self.count), self.n_snapshots
        when = events.integers(n // 4, 3 * n // 4, self.count)
        first, second = self.missing, self.missing + self.merging
        third = second + self.falling

        def at(i: int, chosen: bool) -> int | None:
            return int(when[i]) if chosen else None

        return tuple(
            TrueHalo(
                float(log_mass),
                float(growth[i]),
                float(own[i]),
                at(i, bool(rank[i] < first)),
                at(i, bool(first <= rank[i] < second)),
                float(companion[i]),
                at(i, bool(second <= rank[i] < third)),
            )
            for i, log_mass in enumerate(np.linspace(*self.log_mass[::-1], self.count))
        )

    def halo_mass(self, halo: TrueHalo) -> Array:
        """M_200c at every snapshot (n,) [Msun]."""
        z = self.snapshot_redshifts
        turn = z[-1] if halo.turns_at is None else z[halo.turns_at]
        mass = 10.0**halo.log_mass * np.exp(halo.growth * (turn - z[-1] - np.abs(z - turn)))
        if halo.infall is not None:
            mass[: halo.infall] /= 1.0 + self.mass_ratio
        return np.asarray(mass)

    def stellar_mass(self, halo_mass: Array, efficiency_factor: float) -> Array:
        """M_* within twice the stellar half-mass radius [Msun] along a history of M_200c (n,) [Msun]."""
        formed = self.efficiency.integral(np.maximum.accumulate(halo_mass))
        return np.asarray(efficiency_factor * self.baryon_fraction * formed)

    def star_formation_rate(self, halo_mass: Array, efficiency_factor: float, growth: float) -> Array:
        """SFR [Msun/yr] of smooth growth along a history of M_200c (n,) [Msun]; zero where none."""
        a = 1.0 / (1.0 + self.snapshot_redshifts[: len(halo_mass)])
        rate = growth * halo_mass * self.cosmology.expansion(a) / (a * self.cosmology.hubble_time)  # Msun/Myr
        formed = efficiency_factor * self.baryon_fraction * self.efficiency(halo_mass) * rate
        return np.where(np.diff(halo_mass, prepend=0.0) > 0.0, 1e-6 * formed, 0.0)

    def companion_mass(self, halo: TrueHalo) -> Array:
        """Mass [Msun] of the halo that falls into `halo`, at the snapshots (m,) until it merges."""
        if halo.infall is None:
            raise InputError("halo", "no infall", "a halo that another one falls into")
        mass = self.mass_ratio * self.halo_mass(halo)[: halo.infall + _SATELLITE_SNAPSHOTS]
        mass[halo.infall :] = mass[halo.infall - 1]
        return np.asarray(mass)

    def truth(self) -> dict[str, Any]:
        """All parameters, the redshift of every snapshot, and the haloes, as plain values."""
        settings = asdict(self)
        return settings | {
            "snapshot_redshifts": self.snapshot_redshifts.tolist(),
            "haloes": [asdict(halo) for halo in self.haloes],
        }


def write_histories(histories: HistorySet, folder: Path | str) -> Path:
    """Write the trees and their truth into `folder`, whole or not at all.

    `trees_sf1_NNN.0.hdf5` is the set of trees, one for each halo of the last snapshot NNN, with all links of
    the format, in comoving kpc/h, 1e10 Msun/h and Msun/yr (SubhaloSFR is that of smooth growth: bursts of
    mergers are shorter than a snapshot). `truth.json` is `HistorySet.truth`. Haloes are centrals of their
    own groups until they fall in; satellites keep their masses, which their hosts' count too,
    and have Group_M_Crit200 = 0.

    Returns
    -------
    Path
        The file of trees.

    Raises
    ------
    InputError
        `folder` has content or cannot be written to.
    """
    places = np.random.default_rng([histories.seed, _STREAM_PLACE]).uniform(0.0, _BOX, (histories.count, 3))
    trees = [_tree(histories, halo, place) for halo, place in zip(histories.haloes, places, strict=True)]
    lengths = np.array([len(tree["SnapNum"]) for tree in trees])
    table = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
    start = np.cumsum(lengths) - lengths
    _number(table, np.repeat(start, lengths))
    name = f"trees_sf1_{histories.n_snapshots - 1:03d}.0.hdf5"
    with whole_folder(Path(folder)) as temporary:
        with h5py.File(temporary / name, "w") as file:
            _write_header(file, histories, table, lengths)
            for tree, (first, length) in enumerate(zip(start, lengths, strict=True)):
                group = file.create_group(f"Tree{tree}")
                for column, values in table.items():
                    group[column] = values[first : first + length]
        (temporary / "truth.json").write_text(json.dumps(histories.truth(), indent=1), encoding="utf-8")
    return Path(folder) / name


def _tree(histories: HistorySet, halo: TrueHalo, place: Array) -> Table:
    """One tree depth first: the main branch back in time, then that of the halo that fell in."""
    mass = histories.halo_mass(halo)
    found = np.arange(len(mass))
    if halo.missing_from is not None:
        found = np.delete(found, slice(halo.missing_from, halo.missing_from + histories.gap))
    main = _branch(histories, mass, halo.efficiency_factor, halo.growth, found, place)
    if halo.infall is None:
        return main
    mass = histories.companion_mass(halo)
    found, n = np.arange(len(mass)), len(main["SnapNum"])
    place = (place + _APART) % _BOX
    other = _branch(histories, mass, halo.companion_factor, halo.growth, found, place, n)
    after = n - 1 - len(mass)  # row of the main branch that it merges into
    other["Descendant"][0] = after
    main["NextProgenitor"][after + 1] = n
    host, satellite = after + 1 + np.arange(_SATELLITE_SNAPSHOTS), slice(0, _SATELLITE_SNAPSHOTS)
    other["FirstHaloInFOFGroup"][satellite] = host
    main["NextHaloInFOFGroup"][host] = n + np.arange(_SATELLITE_SNAPSHOTS)
    other["Group_M_Crit200"][satellite] = 0.0
    return {name: np.concatenate([main[name], other[name]]) for name in main}


def _branch(
    histories: HistorySet,
    mass: Array,
    efficiency_factor: float,
    growth: float,
    found: Integers,
    place: Array,
    first: int = 0,
) -> Table:
    """Columns of a branch in the units of the file, latest snapshot first, at rows `first` onwards."""
    units = ArepoUnits(1.0, histories.cosmology.h0 / 100.0)
    stars = histories.stellar_mass(mass, efficiency_factor)
    gas = np.maximum(histories.baryon_fraction * mass - _BOUND_STARS * stars, 0.0)
    by_type = np.zeros((len(mass), _TYPES))
    by_type[:, _GAS], by_type[:, _STARS] = gas, _BOUND_STARS * stars
    by_type[:, _DARK_MATTER] = mass - by_type.sum(axis=1)
    inner = np.zeros_like(by_type)
    inner[:, _STARS] = stars
    order = found[::-1]
    row = first + np.arange(len(order))
    alone = np.full(len(order), _NOBODY)
    columns = {
        "Descendant": np.append(_NOBODY, row[:-1]),
        "FirstProgenitor": np.append(row[1:], _NOBODY),
        "NextProgenitor": alone,
        "FirstHaloInFOFGroup": row,
        "NextHaloInFOFGroup": alone,
        "FileNr": np.zeros(len(order)),
        "SnapNum": order,
        "Group_M_Crit200": mass[order] * units.mass,
        "SubhaloMassType": by_type[order] * units.mass,
        "SubhaloMassInRadType": inner[order] * units.mass,
        "SubhaloPos": np.tile(place * units.length, (len(order), 1)),
        "SubhaloSFR": histories.star_formation_rate(mass, efficiency_factor, growth)[order],
    }
    return {name: values.astype(_kind(name)) for name, values in columns.items()}


def _kind(name: str) -> type:
    return np.float32 if name.startswith(("Group_M", "SubhaloM", "SubhaloP", "SubhaloS")) else np.int32


def _number(table: Table, tree_start: Integers) -> None:
    """Add SubhaloNumber and SubhaloGrNr: rows of the catalogues, groups by mass, centrals first."""
    first = table["FirstHaloInFOFGroup"] + tree_start
    is_satellite = first != np.arange(len(first))
    order = np.lexsort((is_satellite, first, -table["Group_M_Crit200"][first], table["SnapNum"]))
    snapshot = table["SnapNum"][order]
    begin = np.searchsorted(snapshot, snapshot)
    groups = np.cumsum(~is_satellite[order])
    for name, rank in (
        ("SubhaloNumber", np.arange(len(order)) - begin),
        ("SubhaloGrNr", groups - groups[begin]),
    ):
        table[name] = np.empty(len(order), dtype=np.int32)
        table[name][order] = rank


def _write_header(file: h5py.File, histories: HistorySet, table: Table, lengths: Integers) -> None:
    n = histories.n_snapshots
    header = file.create_group("Header")
    header.attrs.update(
        FirstSnapshotNr=np.int32(0),
        LastSnapshotNr=np.int32(n - 1),
        SnapSkipFac=np.int32(1),
        NtreesPerFile=np.int32(len(lengths)),
        NhalosPerFile=np.int32(lengths.sum()),
        ParticleMass=_DARK_MATTER_PARTICLE * ArepoUnits(1.0, histories.cosmology.h0 / 100.0).mass,
    )
    header["Redshifts"] = histories.snapshot_redshifts
    header["TotNsubhalos"] = np.bincount(table["SnapNum"], minlength=n).astype(np.int32)
    header["TreeNHalos"] = lengths.astype(np.int32)
