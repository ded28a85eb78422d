"""FoF/Subfind catalogue of a synthetic Arepo snapshot: members first, as Arepo orders its particles.

Group 0 is the galaxy: subhalo 0 its main body, subhalo 1 the surroundings of the first clump (if the
galaxy has clumps), the rest unbound. Group 1 is the dark companion with one subhalo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.core.units import G_INTERNAL
from simpost.snapshots.synthetic.arepo_state import ArepoUnits, Columns, companion_centre
from simpost.snapshots.synthetic.galaxy import AnalyticGalaxy, Array
from simpost.snapshots.synthetic.octree import Integers

N_TYPES = 6
_FIELD = 99  # group or subhalo rank of particles in none
_BODY_SHARE = 0.8  # radius of the main subhalo over that of its group


@dataclass(frozen=True)
class Membership:
    """Group and subhalo rank within the group of every particle of one type; 99 for none."""

    group: Integers
    subhalo: Integers

    def order(self) -> Integers:
        """Particle order of the files: by group, then by subhalo, unbound members last."""
        return np.lexsort((self.subhalo, self.group))


@dataclass(frozen=True)
class Halo:
    """A subhalo's group, rank and centre (3,) [kpc]."""

    group: int
    rank: int
    centre: Array


def subhaloes(galaxy: AnalyticGalaxy) -> list[Halo]:
    """Subhaloes in catalogue order."""
    halos = [Halo(0, 0, np.zeros(3))]
    if galaxy.clump_count:
        halos.append(Halo(0, 1, galaxy.to_box(galaxy.clump_positions[:1])[0]))
    return [*halos, Halo(1, 0, companion_centre(galaxy))]


def membership(galaxy: AnalyticGalaxy, position: Array) -> Membership:
    """Members by distance: the virial radius for group 0, 0.06 box sizes for the companion."""
    radius = np.linalg.norm(position, axis=1)
    edge = min(galaxy.virial_radius, galaxy.halo_edge)
    away = np.linalg.norm(position - companion_centre(galaxy), axis=1)
    group = np.where(away < 0.06 * galaxy.box_size, 1, _FIELD)
    group = np.where(radius < edge, 0, group)
    rank = np.where((group == 1) | (radius < _BODY_SHARE * edge), 0, _FIELD)
    for halo in subhaloes(galaxy):
        if (halo.group, halo.rank) == (0, 1):
            near = np.linalg.norm(position - halo.centre, axis=1) < 3.0 * galaxy.clump_radius
            rank = np.where(near, 1, rank)
    return Membership(group, np.where(group == _FIELD, _FIELD, rank))


@dataclass(frozen=True)
class Members:
    """All particles of a snapshot in physical units: kind, membership, and what catalogues sum."""

    kind: Integers
    group: Integers
    subhalo: Integers
    position: Array
    velocity: Array
    mass: Array
    sfr: Array
    identity: NDArray[np.uint32]


def catalogue(galaxy: AnalyticGalaxy, members: Members, units: ArepoUnits) -> tuple[Columns, Columns]:
    """Group and Subhalo tables in code units.

    Positions and radii are comoving/h, masses 1e10 Msun/h; SubhaloVel is peculiar, GroupVel is peculiar
    velocity times a. Sphere masses (`Group_M_*`) count all particles around GroupPos.
    """
    halos = subhaloes(galaxy)
    group_rows = [_group_row(galaxy, members, halos, number, units) for number in (0, 1)]
    subhalo_rows = [_subhalo_row(galaxy, members, halo, units) for halo in halos]
    return _table(group_rows), _table(subhalo_rows)


def _table(rows: list[dict[str, Any]]) -> Columns:
    table = {}
    for name in rows[0]:
        column = np.array([row[name] for row in rows])
        table[name] = column.astype(np.int32 if column.dtype.kind in "iu" else np.float32)
    return table


def _sums(
    galaxy: AnalyticGalaxy, members: Members, chosen: NDArray[np.bool_], units: ArepoUnits
) -> dict[str, Any]:
    kind, mass = members.kind[chosen], members.mass[chosen]
    position = members.position[chosen]
    total = max(float(mass.sum()), 1e-300)
    return {
        "CM": _code_position(galaxy, mass @ position / total, units),
        "Len": int(chosen.sum()),
        "LenType": np.bincount(kind, minlength=N_TYPES),
        "Mass": float(mass.sum()) * units.mass,
        "MassType": np.bincount(kind, weights=mass, minlength=N_TYPES) * units.mass,
        "SFR": float(members.sfr[chosen].sum()),
        "Vel": mass @ members.velocity[chosen] / total,
    }


def _code_position(galaxy: AnalyticGalaxy, position: Array, units: ArepoUnits) -> Array:
    return (position + 0.5 * galaxy.box_size) * units.length


def _group_row(
    galaxy: AnalyticGalaxy, members: Members, halos: list[Halo], number: int, units: ArepoUnits
) -> dict[str, Any]:
    mine = [index for index, halo in enumerate(halos) if halo.group == number]
    centre = halos[mine[0]].centre
    sums = _sums(galaxy, members, members.group == number, units)
    row = {f"Group{name}": value for name, value in sums.items()}
    row["GroupVel"] = sums["Vel"] * galaxy.scale_factor
    row["GroupFirstSub"], row["GroupNsubs"] = mine[0], len(mine)
    row["GroupPos"] = _code_position(galaxy, centre, units)
    a = galaxy.scale_factor
    critical = galaxy.cosmology.critical_density(a)
    matter = galaxy.cosmology.omega_m / a**3 / float(galaxy.cosmology.expansion(a)) ** 2
    x = matter - 1.0
    # Bryan & Norman 1998 eq. 6, flat universe with a cosmological constant
    top_hat = 18.0 * np.pi**2 + 82.0 * x - 39.0 * x**2
    contrasts = {"Crit200": 200.0, "Crit500": 500.0, "Mean200": 200.0 * matter, "TopHat200": top_hat}
    for name, contrast in contrasts.items():
        mass, radius = sphere_mass(members.position - centre, members.mass, contrast * critical)
        row[f"Group_M_{name}"], row[f"Group_R_{name}"] = mass * units.mass, radius * units.length
    return row


def sphere_mass(position: Array, mass: Array, density: float) -> tuple[float, float]:
    """Mass [Msun] and radius [kpc] of the sphere of mean `density` [Msun/kpc^3]; (0, 0) if there is none.

    `position` (n, 3) is relative to the centre; the outermost particle inside counts last.
    """
    radius = np.linalg.norm(position, axis=1)
    order = np.argsort(radius)
    inside = np.cumsum(mass[order])
    dense = np.flatnonzero(inside > 4.0 / 3.0 * np.pi * radius[order] ** 3 * density)
    if len(dense) == 0:
        return 0.0, 0.0
    enclosed = float(inside[dense[-1]])
    return enclosed, float((enclosed / (4.0 / 3.0 * np.pi * density)) ** (1.0 / 3.0))


def _subhalo_row(galaxy: AnalyticGalaxy, members: Members, halo: Halo, units: ArepoUnits) -> dict[str, Any]:
    chosen = (members.group == halo.group) & (members.subhalo == halo.rank)
    sums = _sums(galaxy, members, chosen, units)
    row = {f"Subhalo{name}": value for name, value in sums.items()}
    radius = np.linalg.norm(members.position[chosen] - halo.centre, axis=1)
    mass, kind = members.mass[chosen], members.kind[chosen]
    by_type = np.array([_half_mass_radius(radius[kind == k], mass[kind == k]) for k in range(N_TYPES)])
    order = np.argsort(radius)
    speed = np.sqrt(G_INTERNAL * np.cumsum(mass[order]) / np.maximum(radius[order], galaxy.clump_radius))
    peak = int(np.argmax(speed)) if len(speed) else 0
    spread = members.velocity[chosen] - sums["Vel"]
    row |= {
        "SubhaloGrNr": halo.group,
        "SubhaloHalfmassRad": _half_mass_radius(radius, mass) * units.length,
        "SubhaloHalfmassRadType": by_type * units.length,
        "SubhaloIDMostbound": int(members.identity[chosen][order[0]]) if len(order) else 0,
        "SubhaloParent": 0,
        "SubhaloPos": _code_position(galaxy, halo.centre, units),
        "SubhaloVelDisp": float(np.sqrt((spread**2).sum(axis=1).mean() / 3.0)) if len(order) else 0.0,
        "SubhaloVmax": float(speed[peak]) if len(speed) else 0.0,
        "SubhaloVmaxRad": float(radius[order][peak]) * units.length if len(speed) else 0.0,
    }
    return row


def _half_mass_radius(radius: Array, mass: Array) -> float:
    if len(mass) == 0:
        return 0.0
    order = np.argsort(radius)
    inside = np.cumsum(mass[order])
    return float(radius[order][np.searchsorted(inside, 0.5 * inside[-1])])
