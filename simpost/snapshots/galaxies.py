"""Which galaxies to look at: from a halo catalogue, or by simpost's own finder.

The finder takes peaks of the gas density, moves each to the centre of all matter by a shrinking
sphere (Power et al. 2003), and measures R_200c by spherical overdensity over gas, stars and dark
matter. Galaxies are then ranked by stellar mass inside R_200c (gas mass where there is no star).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simpost.core.cosmology import OVERDENSITY
from simpost.core.errors import InputError
from simpost.snapshots.columns import Columns
from simpost.snapshots.protocol import HaloCatalogue, Snapshot
from simpost.snapshots.regions import Sphere, offset_from, whole_box

SHRINK = 0.85  # radius factor of one step of the shrinking sphere
FEWEST = 100  # elements at which the sphere stops shrinking
START_RADIUS = 3.0  # kpc, first sphere around a density peak
SMALLEST_RADIUS = 1e-4  # kpc, below any cell: elements that coincide end here
FIRST_RADIUS = 10.0  # kpc, first sphere for R_200c; doubled until the density has dropped
PEAK_BINS = 256  # the box is divided in so many bins a side when peaks are looked for
BULK_SHARE = 0.2  # of R_200c: baryons inside give the bulk velocity


@dataclass(frozen=True)
class Galaxy:
    """A place to make maps of; centre in proper kpc from the corner of the box."""

    identity: str
    centre: tuple[float, float, float]
    velocity: tuple[float, float, float]  # km/s, baryons inside 0.2 R_200c or the catalogue's
    r_200c: float  # kpc, NaN where the region never reaches 200 times the critical density
    m_200c: float  # Msun
    source: str


class _Matter(NamedTuple):
    """All components around a point: offsets [kpc], masses [Msun]; baryons first."""

    offset: NDArray[np.float64]
    mass: NDArray[np.float64]
    velocity: NDArray[np.float64]
    n_gas: int
    n_stars: int


def find_galaxies(snapshot: Snapshot, count: int = 1, min_mass: float = 0.0) -> list[Galaxy]:
    """The `count` galaxies of largest stellar mass above `min_mass` (M_200c [Msun]), by the built-in finder.

    Raises
    ------
    InputError
        No gas peak has 200 times the critical density around it.
    """
    peaks = _density_peaks(snapshot)
    found: list[tuple[float, Galaxy]] = []
    for _ in range(3 * count + 5):
        if len(peaks) == 0:
            break
        galaxy, stellar, gas = _measure(snapshot, peaks[0])
        if galaxy.m_200c >= min_mass and not _known(galaxy, found, snapshot.info.box_size):
            found.append((stellar + 1e-9 * gas, galaxy))
        away = max(galaxy.r_200c if np.isfinite(galaxy.r_200c) else 0.0, START_RADIUS)
        for place in (peaks[0], np.asarray(galaxy.centre)):
            distance = np.linalg.norm(offset_from(peaks, place, snapshot.info.box_size), axis=1)
            peaks = peaks[distance > away]
            if len(peaks) == 0:
                break
    if not found:
        raise InputError(
            snapshot.info.path,
            f"no gas peak inside a halo (200 times the critical density, at least {min_mass:.3g} Msun)",
            "at least one galaxy",
            "lower 'galaxies: min_mass', or name the centre under 'galaxies' in the configuration",
        )
    found.sort(key=lambda item: -item[0])
    return [_named(galaxy, f"peak-{rank}") for rank, (_, galaxy) in enumerate(found[:count])]


def galaxies_from_catalogue(
    snapshot: Snapshot, catalogue: HaloCatalogue, count: int | None = None, min_mass: float = 0.0
) -> list[Galaxy]:
    """Centrals of the catalogue's groups, most massive (M_200c) first.

    Where FoF bridges neighbours, a satellite of the group may be as massive as its central: the
    built-in finder sees both.

    Parameters
    ----------
    count : int, optional
        At most so many; default all.
    min_mass : float
        Smallest M_200c [Msun]; where the catalogue has no M_200c it is measured.
    """
    order = np.argsort(-np.where(catalogue.m_200c > 0, catalogue.m_200c, 0.0), kind="stable")
    galaxies: list[Galaxy] = []
    for row in order:
        if not catalogue.is_central[row] or (count is not None and len(galaxies) == count):
            continue
        m_200c, r_200c = float(catalogue.m_200c[row]), float(catalogue.r_200c[row])
        centre = catalogue.position[row]
        if m_200c <= 0:
            m_200c, r_200c = _spherical_overdensity(snapshot, centre)
        if not m_200c > 0 or m_200c < min_mass:
            continue
        galaxies.append(
            Galaxy(
                f"halo-{row}",
                _triple(centre),
                _triple(catalogue.velocity[row]),
                r_200c,
                m_200c,
                f"catalogue {catalogue.source.name}, subhalo {row} of group {catalogue.group[row]}",
            )
        )
    if not galaxies:
        raise InputError(
            catalogue.source,
            f"no central halo above {min_mass:.3g} Msun",
            "at least one",
            "lower 'galaxies: min_mass' or use 'galaxies: {finder: peak}'",
        )
    return galaxies


def galaxy_at(snapshot: Snapshot, centre: NDArray[np.float64], identity: str) -> Galaxy:
    """A galaxy at a stated centre [kpc from the box corner]; mass, radius, velocity measured there.

    Raises
    ------
    InputError
        The centre lies outside the box.
    """
    if not np.all((np.asarray(centre) >= 0.0) & (np.asarray(centre) <= snapshot.info.box_size)):
        raise InputError(
            "galaxies.centres",
            f"({', '.join(f'{x:g}' for x in centre)}) kpc",
            f"a place in the box of {snapshot.info.box_size:.6g} kpc of {snapshot.info.path}",
        )
    r_200c, m_200c, velocity, _, _ = _properties(snapshot, np.asarray(centre, dtype=float))
    return Galaxy(identity, _triple(centre), _triple(velocity), r_200c, m_200c, "centre as configured")


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _named(galaxy: Galaxy, identity: str) -> Galaxy:
    return Galaxy(identity, galaxy.centre, galaxy.velocity, galaxy.r_200c, galaxy.m_200c, galaxy.source)


def _known(galaxy: Galaxy, found: list[tuple[float, Galaxy]], box_size: float) -> bool:
    """Whether the shrinking sphere ran into a galaxy found before."""
    for _, other in found:
        gap = offset_from(np.asarray([galaxy.centre]), other.centre, box_size)[0]
        if np.linalg.norm(gap) < 0.5 * max(galaxy.r_200c, other.r_200c):
            return True
    return False


def _density_peaks(snapshot: Snapshot) -> NDArray[np.float64]:
    """Positions (n, 3) of the densest cell of every bin above 200 rho_crit, densest first."""
    box = whole_box(snapshot.info.box_size)
    threshold = OVERDENSITY * snapshot.info.cosmology.critical_density(snapshot.info.scale_factor)
    positions, densities, bins = [], [], []
    for chunk in snapshot.gas_chunks(box, ("position", "density")):
        dense = np.flatnonzero(chunk["density"] > threshold)
        place = chunk["position"][dense] + np.asarray(box.centre)
        cell = np.floor(place / snapshot.info.box_size * PEAK_BINS).astype(np.int64) % PEAK_BINS
        positions.append(place)
        densities.append(chunk["density"][dense])
        bins.append((cell[:, 0] * PEAK_BINS + cell[:, 1]) * PEAK_BINS + cell[:, 2])
        keep = _densest_per_bin(np.concatenate(bins), np.concatenate(densities))
        positions, densities, bins = ([np.concatenate(parts)[keep]] for parts in (positions, densities, bins))
    return positions[0] if positions else np.empty((0, 3))


def _densest_per_bin(bins: NDArray[np.int64], density: NDArray[np.float64]) -> NDArray[np.int64]:
    order = np.argsort(-density, kind="stable")
    _, first = np.unique(bins[order], return_index=True)
    return order[np.sort(first)]


def _matter(snapshot: Snapshot, centre: NDArray[np.float64], radius: float) -> _Matter:
    region = Sphere(_triple(centre), radius)
    gas = list(snapshot.gas_chunks(region, ("position", "mass", "velocity")))
    stars, dark = snapshot.stars(region), snapshot.dark_matter(region)
    parts: list[Columns] = [*gas, stars, dark]

    def velocity(part: Columns) -> NDArray[np.float64]:
        return part["velocity"] if "velocity" in part else np.zeros((part.size, 3))

    return _Matter(
        np.concatenate([part["position"] for part in parts]),
        np.concatenate([part["mass"] for part in parts]),
        np.concatenate([velocity(part) for part in parts]),
        sum(part.size for part in gas),
        stars.size,
    )


def _measure(snapshot: Snapshot, peak: NDArray[np.float64]) -> tuple[Galaxy, float, float]:
    """Shrink onto the centre of all matter, then measure the halo there."""
    around = _matter(snapshot, peak, START_RADIUS)
    centre = peak + _shrinking_sphere(around.offset, around.mass, START_RADIUS)
    r_200c, m_200c, velocity, stellar, gas = _properties(snapshot, centre)
    galaxy = Galaxy(
        "", _triple(centre % snapshot.info.box_size), _triple(velocity), r_200c, m_200c, "built-in finder"
    )
    return galaxy, stellar, gas


def _shrinking_sphere(
    offset: NDArray[np.float64], mass: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    centre = np.zeros(3)
    while True:
        distance = np.linalg.norm(offset - centre, axis=1)
        inside = distance < radius
        if np.count_nonzero(inside) < FEWEST or radius < SMALLEST_RADIUS:
            return centre
        centre = np.average(offset[inside], axis=0, weights=mass[inside])
        radius *= SHRINK


def _spherical_overdensity(snapshot: Snapshot, centre: NDArray[np.float64]) -> tuple[float, float]:
    r_200c, m_200c, _, _, _ = _properties(snapshot, centre)
    return m_200c, r_200c


def _properties(
    snapshot: Snapshot, centre: NDArray[np.float64]
) -> tuple[float, float, NDArray[np.float64], float, float]:
    """R_200c [kpc], M_200c [Msun], bulk velocity [km/s], stellar and gas mass inside R_200c."""
    target = OVERDENSITY * snapshot.info.cosmology.critical_density(snapshot.info.scale_factor)
    radius = FIRST_RADIUS
    while True:
        matter = _matter(snapshot, centre, radius)
        distance = np.linalg.norm(matter.offset, axis=1)
        order = np.argsort(distance)
        enclosed = np.cumsum(matter.mass[order])
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = enclosed / (4.0 / 3.0 * np.pi * distance[order] ** 3)
        above = np.flatnonzero(mean >= target)
        dropped = len(above) > 0 and above[-1] < len(order) - 1
        if dropped or radius >= 0.5 * snapshot.info.box_size or len(above) == 0:
            break
        radius *= 2.0
    if len(above) == 0:
        return float("nan"), float("nan"), np.zeros(3), 0.0, 0.0
    m_200c = float(enclosed[above[-1]])
    r_200c = float((m_200c / (4.0 / 3.0 * np.pi * target)) ** (1.0 / 3.0))
    baryons = np.arange(len(distance)) < matter.n_gas + matter.n_stars
    core = baryons & (distance < BULK_SHARE * r_200c)
    if not np.any(core):
        core = distance <= distance[order[min(FEWEST, len(order) - 1)]]
    velocity = np.average(matter.velocity[core], axis=0, weights=matter.mass[core])
    inside = distance < r_200c
    is_star = baryons & (np.arange(len(distance)) >= matter.n_gas)
    stellar = float(matter.mass[inside & is_star].sum())
    gas = float(matter.mass[inside & baryons & ~is_star].sum())
    return r_200c, m_200c, velocity, stellar, gas
